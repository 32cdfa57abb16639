"""The estimators of one scope: which were fitted and judged in it, and what is kept of them at its end.

A model is saved when it has to be: at the end, or before a fit would overwrite a state that was judged. A loop that
fits the same line again and again overwrites without that, unless ``[capture] keep_models`` is "all". Of a fit whose
model isn't kept there is what is known of it: type, parameters, data, metrics.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from nbops.capture.frames import write_parquet
from nbops.capture.instruments.fit_log import FitLog, described, remember
from nbops.capture.instruments.json_params import params_of
from nbops.capture.instruments.model_log import HOLD_BYTES, Evaluation, Facts, Known, ModelLog
from nbops.capture.instruments.names import names_of
from nbops.capture.instruments.tables import (
    batch_of,
    frame_of,
    n_bytes,
    signature_of,
    target_name,
    with_target,
)
from nbops.capture.instruments.watch import Watch
from nbops.core.hushed import hushed
from nbops.core.redaction import redact_text
from nbops.core.runs import Artifact, ModelUse
from nbops.modelfiles.save import SavedModel
from nbops.settings import ALL, NONE

_MOST_OF_A_LINE = 20  # items of a container fitted by one line of code
_MOST_TYPES = 5  # named of those not kept
_MOST_EVALUATIONS = 64  # different evaluation rows in a cell


@dataclasses.dataclass(kw_only=True, eq=False)
class _Fitted:
    """A fit's inputs, held for the profile."""

    known: Known
    facts: Facts
    X: Any
    y: Any
    size: int


class ScopeModels:
    def __init__(self, watch: Watch, log: ModelLog) -> None:
        self.watch, self.log = watch, log
        self.fits: Counter[str] = Counter()  # by type
        self._touched: dict[int, Known] = {}
        self._fitted: set[int] = set()
        self._evaluations: dict[int, list[Evaluation]] = {}
        self._rows: dict[tuple[str | None, str | None], Artifact] = {}
        self._held: dict[object, _Fitted] = {}
        self._held_bytes = 0
        self._predictors: list[tuple[int, Known, int]] = []
        self._logged: list[tuple[str, Known, int]] = []
        self._every: FitLog = []
        self.keeps = watch.scope.workspace.settings.capture.keep_models

    def touch(self, estimator: Any) -> Known:
        known = self.log.known(estimator)
        self._touched.pop(id(known), None)
        self._touched[id(known)] = known  # the order is that of the last use
        return known

    def before_fit(self, estimator: Any, line: int | None) -> Known:
        """`estimator` is about to be fitted: a state of it that was judged is saved, unless a loop fits it."""
        known = self.touch(estimator)
        looping = known.facts is not None and line is not None and known.facts.line == line
        judged = any(e.state == known.state for e in self._evaluations.get(id(known), ()))
        if judged:
            known.past[known.state] = known.facts
            if not looping:
                self.save(known, estimator)
                for held in [h for h in self._held.values() if h.facts is known.facts]:
                    self._profile(held, check=True)
        return known

    def fitted(self, known: Known, facts: Facts, X: Any, y: Any) -> None:
        """It was fitted on X and y."""
        self.fits[known.type] += 1
        self._fitted.add(id(known))
        known.state += 1
        known.facts = facts
        remember(self._every, known, facts)
        estimator = known.ref() if self.keeps == ALL else None
        if estimator is not None:
            known.past[known.state] = facts
            self.save(known, estimator)
        if facts.signature is None:
            return
        held = _Fitted(known=known, facts=facts, X=X, y=y, size=n_bytes(X) + (n_bytes(y) if y is not None else 0))
        where = facts.line if facts.line is not None else id(known)
        before = self._held.pop(where, None)
        self._held_bytes -= before.size if before else 0
        if held.size > HOLD_BYTES - self._held_bytes:
            self._profile(held)  # too large to be held until the end
        else:
            self._held[where] = held
            self._held_bytes += held.size

    def evaluated(
        self, known: Known, X: Any, y: Any, data: tuple[str | None, str | None], name: str, value: float
    ) -> None:
        """Metric `name` was computed on what it predicts for X, against y; `data` are the digests of both."""
        self.next_metric_is_of(known)
        self._touched.setdefault(id(known), known)
        estimator = known.ref()
        if known.facts is None and estimator is not None:  # fitted where we didn't see it: what can be said of it
            known.facts = Facts(
                params=self.watch.attempt("a model's parameters", lambda: params_of(estimator)) or {},
                signature=self.watch.attempt("a model's signature", lambda: signature_of(estimator, X, y)),
                target=target_name(y),
                trained_on=None,
                line=None,
            )
        facts = known.facts
        if facts is not None and facts.trained_on is not None and facts.trained_on == data[0]:
            return  # on its training rows: no judgement
        mine = self._evaluations.setdefault(id(known), [])
        same = next((e for e in mine if e.state == known.state and e.data == data), None)
        if same is None:
            rows = self._evaluation_rows(X, y, data, facts.target if facts else None)
            same = Evaluation(state=known.state, data=data, rows=rows)
            mine.append(same)
        same.metrics.setdefault(name, value)

    def next_metric_is_of(self, known: Known) -> None:
        """The next metric of the scope is one of this estimator, as it is now."""
        self._predictors.append((len(self.watch.metrics), known, known.state))

    def log_model(self, estimator: Any, name: str) -> None:
        """``nbops.log_model``: saved as it is now, under this name."""
        known = self.touch(estimator)
        self.save(known, estimator)
        self._logged.append((name, known, known.state))

    def save(self, known: Known, estimator: Any) -> SavedModel | None:
        """Keep the model file of the present state, once."""
        if self.keeps == NONE:
            return None
        if known.state not in known.saved:
            from nbops.modelfiles.save import save

            with hushed(Warning):
                known.saved[known.state] = save(estimator, self.watch.scope.workspace.artifacts)
        return known.saved[known.state]

    def finish(self, namespace: Mapping[str, Any]) -> tuple[ModelUse, ...]:
        """What is kept; fills in which model the scope's metrics are of."""
        for held in self._held.values():
            self._profile(held, check=True)
        self._held.clear()
        alive = [(known, known.ref()) for known in self._touched.values()]
        reachable = {id(known): estimator for known, estimator in alive if estimator is not None}
        names = names_of({id(e) for e in reachable.values()}, namespace)
        uses: list[ModelUse] = []
        missed = self.fits.copy()
        for name, known in self._chosen(reachable, names):
            made = self._uses(name, known, reachable[id(known)])
            missed[known.type] -= len({use.digest for use in made})
            uses += made
        for name, known, state in self._logged:
            uses += self._states(name, known, [state], logged=True)
        if self.keeps == ALL:
            there, others = {use.digest for use in uses}, list[ModelUse]()
            for known, state, _ in self._every:
                saved = known.saved.get(state)
                if saved is not None and saved.digest is not None and saved.digest not in there:
                    missed[known.type] -= 1
                    others += self._states(known.type.rpartition(".")[2], known, [state])
            uses = [*others, *uses]
        missed = +missed
        if missed:
            self._fits()
            said = ", ".join(f"{times} {name.rpartition('.')[2]}" for name, times in missed.most_common(_MOST_TYPES))
            more = f" and {len(missed) - _MOST_TYPES} more types" if len(missed) > _MOST_TYPES else ""
            fits, lost = self.fits.total(), missed.total()
            many = f"{fits} models were fitted, {'none is kept' if lost == fits else f'{lost} of them not kept'}"
            self.watch.note(
                f"{many if fits > 1 else '1 model was fitted, and is not kept'}: overwritten, out of reach"
                f" at the cell's end, or not the last of their line ({said}{more}); fits.json has their parameters"
            )
        for index, known, state in self._predictors:
            saved = known.saved.get(state)
            if index < len(self.watch.metrics) and saved is not None and saved.digest is not None:
                self.watch.metrics[index] = dataclasses.replace(self.watch.metrics[index], model=saved.digest)
        return tuple(uses)

    def _chosen(self, reachable: dict[int, Any], names: dict[int, str]) -> list[tuple[str, Known]]:
        """(name, estimator) in the order of their last use; of those that one line made, the named ones, few items
        of containers, and otherwise the last."""
        logged = {id(known) for _, known, _ in self._logged}
        by_line: dict[tuple[bool, int | None, str], list[tuple[str, Known]]] = {}
        chosen: list[tuple[str, Known]] = []
        for key, estimator in reachable.items():
            known = self._touched[key]
            name = names.get(id(estimator))
            if name is not None and name.isidentifier():
                chosen.append((name, known))
                continue
            if key in logged:
                continue
            line = known.facts.line if known.facts else None
            called = name or type(estimator).__name__
            by_line.setdefault((name is None, line, known.type if name is None else ""), []).append((called, known))
        for (unnamed, _, _), group in by_line.items():
            chosen += group[-1:] if unnamed or len(group) > _MOST_OF_A_LINE else group
        order = list(self._touched)
        return sorted(chosen, key=lambda pair: order.index(id(pair[1])))

    def _uses(self, name: str, known: Known, estimator: Any) -> list[ModelUse]:
        judged_here = self._evaluations.get(id(known))
        if id(known) not in self._fitted and not judged_here:
            return []  # used, but neither made nor judged here: what is known of it stands in an earlier record
        self.save(known, estimator)
        judged = dict.fromkeys(e.state for e in self._evaluations.get(id(known), ()) if e.state in known.saved)
        states = [s for s in judged if s != known.state] + [known.state]
        if known.facts is None and known.state not in judged:
            return []  # its last fit failed
        return self._states(name, known, states)

    def _states(self, name: str, known: Known, states: list[int], *, logged: bool = False) -> list[ModelUse]:
        uses = []
        for state in states:
            facts, saved = known.facts_of(state), known.saved.get(state)
            use = ModelUse(
                name=name,
                type=known.type,
                digest=saved.digest if saved else None,
                reason=_reason(saved),
                format=saved.format if saved and saved.digest else None,
                params=facts.params if facts else {},
                signature=facts.signature if facts else None,
                trained_on=facts.trained_on if facts else None,
                on=facts.on if facts else None,
                profile=facts.profile.digest if facts and facts.profile else None,
                rows=facts.rows.digest if facts and facts.rows else None,
                gave=facts.gave.digest if facts and facts.gave else None,
                logged=logged,
            )
            if saved and saved.digest:
                self.watch.add_artifact(
                    Artifact(name=f"{name}.{saved.format}", kind="model", digest=saved.digest, size=saved.size)
                )
            for made in (facts.profile, facts.rows, facts.gave) if facts else ():
                if made is not None:
                    self.watch.add_artifact(made)
            mine = [e for e in self._evaluations.get(id(known), ()) if e.state == state]
            for evaluation in mine:
                if evaluation.rows:
                    self.watch.add_artifact(evaluation.rows)
                rows = evaluation.rows.digest if evaluation.rows else None
                uses.append(dataclasses.replace(use, evaluation=rows, metrics=dict(evaluation.metrics)))
            if not mine:
                uses.append(use)
        return uses

    def _fits(self) -> None:
        content = self.watch.attempt("what is known of the fits", lambda: described(self._every, self._evaluations))
        if content is not None:
            about = {"fits": self.fits.total()}
            self.watch.keep(content, name="fits.json", kind="fits", media="application/json", about=about)

    def _profile(self, held: _Fitted, *, check: bool = False) -> None:
        """The training profile, of inputs that are still what the model was fitted on."""
        known, facts = held.known, held.facts
        if known.ref() is None or known.facts is not facts:
            return
        now = self.watch.fingerprint(held.X).digest if check and facts.trained_on is not None else None
        if now not in (facts.trained_on, None):
            self.watch.note("a model's training data was changed in place after the fit: its profile is not kept")
            return
        y_digest = self.watch.fingerprint(held.y).digest if held.y is not None else "none"

        @functools.cache
        def table() -> Any:
            if held.y is None:
                return frame_of(held.X)
            batch = batch_of(held.X, held.y, facts.target)
            return with_target(held.X, held.y, facts.target) if batch is None else batch

        facts.rows = self.sampled(("rows", facts.trained_on, y_digest), table, target=held.y is not None)
        key = ("profile", facts.trained_on, y_digest, facts.target)
        facts.profile = self._kept(key)
        if facts.profile is not None:
            return
        from nbops.profiles.profiler import profile_table

        frame = self.watch.attempt("a training profile", table)
        if frame is None:
            return
        withholds = self.watch.scope.workspace.settings.capture.withholds
        content = self.watch.attempt("a training profile", lambda: profile_table(frame).withheld(withholds).to_bytes())
        if content is None:
            return
        digest = self.watch.scope.workspace.artifacts.put_bytes(content)
        facts.profile = Artifact(
            name="profile", kind="profile", digest=digest, size=len(content), media="application/octet-stream"
        )
        self.log.keep(key, facts.profile)

    def sampled(self, key: tuple[str | None, ...], table: Callable[[], Any], *, target: bool) -> Artifact | None:
        """A sample of the rows of a table, for the leakage check; None where there is no such table, or no time."""
        known = self._kept(key)
        if known is not None or self.watch.prints.left_s <= 0:
            return known
        from nbops.fingerprints.rows import sample_rows
        from nbops.fingerprints.work import NotHashableHonestly

        started = time.perf_counter()

        def take() -> bytes | None:
            frame = table()
            try:
                if frame is None or not len(frame):
                    return None
                return sample_rows(frame, target=target, budget_s=self.watch.prints.left_s).to_bytes()
            except NotHashableHonestly:  # the check then says that it isn't known
                return None

        content = self.watch.attempt("which rows it was fitted on", take)
        self.watch.prints.left_s -= time.perf_counter() - started
        if content is None:
            return None
        digest = self.watch.scope.workspace.artifacts.put_bytes(content)
        made = Artifact(name="rows.npy", kind="rows", digest=digest, size=len(content), media="application/x-npy")
        self.log.keep(key, made)
        return made

    def _kept(self, key: tuple[str | None, ...]) -> Artifact | None:
        """What was made of the same data before, if the store still has it."""
        known = self.log.kept(key)
        artifacts = self.watch.scope.workspace.artifacts
        return known if known is not None and artifacts.has(known.digest) else None

    def _evaluation_rows(
        self, X: Any, y: Any, data: tuple[str | None, str | None], target: str | None
    ) -> Artifact | None:
        if None in data:
            return None
        if data in self._rows:
            return self._rows[data]
        key = ("evaluation", *data, target)
        known = self._kept(key) if target is not None else None
        if known is not None:
            self._rows[data] = known
            return known
        if len(self._rows) >= _MOST_EVALUATIONS:
            self.watch.note(f"evaluation rows are kept for the first {_MOST_EVALUATIONS} evaluations of a cell")
            return None
        frame = with_target(X, y, target)
        if frame is None:
            self.watch.note("no evaluation rows kept: inputs and target are no table of plain columns")
            return None
        withheld = [name for name in frame.columns if self.watch.scope.workspace.settings.capture.withholds(str(name))]
        if withheld:
            self.watch.note(f"no evaluation rows kept: the column {withheld[0]!r} is in [capture] no_values")
            return None
        if n_bytes(frame) > self.watch.keep_bytes:
            self.watch.note(
                f"no evaluation rows kept: they take {n_bytes(frame) / 1e6:.0f} MB,"
                f" [store] keep_under_mb is {self.watch.keep_bytes / 1e6:.0f}"
            )
            return None
        with self.watch.scope.workspace.artifacts.writing() as kept:
            write_parquet(frame, kept.file, index=False)
        self._rows[data] = Artifact(
            name="evaluation.parquet",
            kind="evaluation",
            digest=kept.digest,
            size=kept.size,
            media="application/vnd.apache.parquet",
            about={"rows": len(frame), "target": str(frame.columns[-1])},
        )
        self.log.keep(key, self._rows[data])
        return self._rows[data]


def _reason(saved: SavedModel | None) -> str | None:
    if saved is None:
        return 'models are not kept: [capture] keep_models is "none"'
    if saved.digest is None:
        return redact_text(saved.reason or "it could not be written")
    if saved.untrusted:
        return f"loading it needs --allow-type for {', '.join(saved.untrusted)}"
    return saved.reason
