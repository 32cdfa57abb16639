"""A pipeline under way: what became of each step so far, told to whoever listens and kept in the store.

A step is over when each of its executions is: one, or one for each value of its `foreach`.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbops.core.errors import InputDataError, SettingsError
from nbops.core.ids import new_id
from nbops.core.redaction import redact_text
from nbops.core.runs import Run, RunKind, RunStatus
from nbops.pipeline import cache
from nbops.pipeline.earlier import Earlier
from nbops.pipeline.given import Given
from nbops.pipeline.plan import Instance, Plan, Planned, input_files
from nbops.pipeline.progress import Progress, StepEvent
from nbops.pipeline.step_run import close_step, keepable
from nbops.store import runs
from nbops.workspace import Workspace, relative

SAVE_EVERY_S = 0.5
"""How often the pipeline's run says in the store how its steps are: with 500 steps, not at each of them."""
LEFT = "it lies before the step asked for"


@dataclass(kw_only=True)
class State:
    """`steps` are those that are over: {step: {"status", "why", "run" …}}, as the pipeline's run keeps it. `given` is
    what each of them hands on, `parts` how each execution of those that aren't over has ended; `earlier` the run that
    this one goes on with. `others` are the steps that other processes of the same run have done, `kept` what this run
    has of completed executions already, by name."""

    ws: Workspace
    plan: Plan
    run: Run
    progress: Progress | None
    forced: str
    keep_going: bool
    earlier: Earlier | None = None
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    given: dict[str, Given] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    parts: dict[str, dict[str, tuple[dict[str, Any], Run | None] | None]] = field(default_factory=dict)
    others: frozenset[str] = frozenset()
    kept: Mapping[str, Run] = field(default_factory=dict)
    _unsaved: list[tuple[Run, Mapping[str, Any]]] = field(default_factory=list)
    _saved_at: float = 0.0

    def given_to(self, step: str) -> Given:
        """What the steps before this one handed on."""
        found = Given()
        for earlier in self.plan.graph.earlier(step) if step in self.plan.steps else ():
            found = found.and_then(self.given.get(earlier, Given()))
        return found

    def spoken_against(self, step: str, planned: Planned, before: Given) -> str:
        """Why the step is to be skipped; empty if it isn't."""
        if not planned.spec.after_skip:
            for needed in self.plan.graph.needs.get(step, ()):
                if self.steps[needed].get("skipped"):
                    return f"{needed!r} was skipped"
        try:
            if planned.spec.when is not None and not before.holds(self.ws, planned):
                return f"when = {planned.spec.when!r} doesn't hold"
        except SettingsError as error:
            raise SettingsError(f"step {step!r}: {error}") from None
        return ""

    def inputs(self, one: Instance, before: Given) -> dict[str, Path]:
        """The files an execution reads, by relative path."""
        found: dict[str, Path] = {}
        for wanted in one.spec.inputs:
            if wanted in before.digests:
                continue
            matched = input_files(self.ws, wanted)
            if not matched:
                raise InputDataError(f"step {one.name!r}: no file matches its input {wanted!r} in {self.ws.root}")
            found |= matched
        return found

    def verdict(self, one: Instance, before: Given) -> cache.Verdict:
        planned = self.plan.steps.get(one.step)
        why = "a step failed" if planned is None else "asked to run from here" * planned.first
        return cache.verdict(
            self.ws,
            one.name,
            one.spec,
            one.notebook,
            params=one.params,
            inputs=self.inputs(one, before),
            handovers=before.digests,
            forced=self.forced or why,
            done=self.earlier.done.get(one.name) if self.earlier is not None else None,
        )

    def take_as_is(self, step: str, planned: Planned) -> None:
        """A step before the one that was asked for: what it handed on last time still stands."""
        self.given[step] = self.as_last_time(step, planned)
        self.tell(step, "not run", why=LEFT)
        self.over(step, status="SKIPPED", why=LEFT)

    def as_last_time(self, step: str, planned: Planned) -> Given:
        last = runs.listed(
            self.ws.store,
            kinds=[RunKind.STEP],
            status=RunStatus.COMPLETED,
            notebook=relative(self.ws, planned.notebook),
            name=None if planned.spec.foreach else step,
            limit=1,
        )
        if last and planned.spec.foreach and last[0].parent:
            done = [r for r in runs.children(self.ws.store, last[0].parent) if r.detail.get("step") == step]
            last = [r for r in done if r.status in (RunStatus.COMPLETED, RunStatus.CACHED)]
        return Given.of(self.ws.store, last, many=bool(planned.spec.foreach))

    def not_run(self, step: str, why: str) -> None:
        self.tell(step, "not run", why=why)
        self.over(step, status="", why=f"not run: {why}")

    def skip(self, step: str, planned: Planned, why: str) -> None:
        """By a condition, or because one before it was: that is a run too, so that it is seen why there is none."""
        run = self.ended_run(step, step, RunStatus.SKIPPED, planned.notebook, {"why": why})
        self._unsaved.append((run, {}))
        self.tell(step, "skipped", why=why)
        self.over(step, status="SKIPPED", skipped=True, run=run.id, why=why)

    def cached(self, one: Instance, found: cache.Verdict, hit: Run) -> None:
        outputs = hit.detail.get("outputs", {})
        cache.restore(self.ws, outputs)
        kept = self.kept.get(one.name)
        if kept is not None and hit.id in (kept.id, kept.detail.get("cached_from")):
            self.tell(one.name, "cached", why=found.why)
            self.ended(one, {"status": str(kept.status), "run": kept.id, "why": found.why}, hit)
            return
        detail = {"cached_from": hit.id, "why": found.why, "outputs": outputs}
        run = self.ended_run(one.step, one.name, RunStatus.CACHED, one.notebook, detail)
        self._unsaved.append((run, keepable(one.params)))
        self.tell(one.name, "cached", why=found.why)
        self.ended(one, {"status": "CACHED", "run": run.id, "why": found.why}, hit)

    def fail(self, step: str, why: str) -> None:
        """A step fails before it is known what there is of it to execute."""
        self.failures.append(why)
        self.over(step, status="FAILED", why=why.splitlines()[0])

    def failed(self, one: Instance, why: str) -> None:
        self.failures.append(why)
        self.ended(one, {"status": "FAILED", "why": why.splitlines()[0]})

    def ended(self, one: Instance, how: dict[str, Any], run: Run | None = None) -> None:
        """One execution is over; with the last one, the step is."""
        parts = self.parts[one.step]
        parts[one.name] = (how, run)
        known = {name: part for name, part in parts.items() if part is not None}
        if len(known) < len(parts):
            return
        if not one.spec.foreach:
            self.given[one.step] = Given.of(self.ws.store, [run] if run else [], many=False)
            self.over(one.step, **how)
            return
        done = [made for _, made in known.values() if made is not None]
        self.given[one.step] = Given.of(self.ws.store, done, many=True)
        states = [state["status"] for state, _ in known.values()]
        worst = next(s for s in ("FAILED", "", "COMPLETED", "CACHED", "SKIPPED") if s in states)
        counted = ", ".join(f"{states.count(s)} {s.lower() or 'not run'}" for s in dict.fromkeys(states))
        skipped = {"skipped": True} if worst == "SKIPPED" else {}
        each = {name: state for name, (state, _) in known.items()}
        self.over(one.step, status=worst, why=counted, **skipped, each=each, order=list(each))

    def over(self, step: str, **how: Any) -> None:
        self.steps[step] = how
        if time.monotonic() - self._saved_at > SAVE_EVERY_S:
            self.save()

    def save(self) -> None:
        """Keep how it is going."""
        with self.ws.store.transaction() as tx:
            for run, params in self._unsaved:
                runs.save(tx, run)
                runs.set_params(tx, run.id, dict(params))
            known = runs.as_stored(tx, self.run.id)
            mine = {step: how for step, how in self.steps.items() if step not in self.others}
            steps = {**known.detail.get("steps", {}), **mine}
            runs.save(tx, dataclasses.replace(known, detail={**known.detail, "steps": steps}))
        self._unsaved.clear()
        self._saved_at = time.monotonic()

    def rest(self, why: str) -> None:
        """Whatever hasn't begun isn't going to."""
        for step in self.plan.steps:
            if step not in self.steps:
                self.steps[step] = {"status": "", "why": f"not run: {why}"}

    def close(self, status: RunStatus, error: str | None) -> Run:
        self.save()
        return close_step(self.ws, self.run.id, status, error=error and redact_text(error))

    def tell(self, step: str, state: str, **news: Any) -> None:
        if self.progress is not None:
            self.progress(StepEvent(step=step, state=state, **news))

    def ended_run(self, step: str, name: str, status: RunStatus, notebook: Path, detail: Mapping[str, Any]) -> Run:
        now = self.ws.clock.now()
        where = relative(self.ws, notebook)
        return Run(
            id=new_id(),
            kind=RunKind.STEP,
            name=name,
            experiment=where,
            status=status,
            started_at=now,
            ended_at=now,
            parent=self.run.id,
            notebook=where,
            detail={"step": step, **detail},
        )
