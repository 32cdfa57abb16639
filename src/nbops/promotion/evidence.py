"""What the gates look at: the candidate, the model that is judged for it, the champion, and the kept rows.

Loaded when a gate first asks, then kept for the others. What can't be had is an :class:`UnavailableError` with the
reason, which a gate turns into its result; a damaged file of the candidate's is an error and no gate's business.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbops.core.errors import CorruptArtifactError, NbopsError, UnknownNameError
from nbops.core.models import Approval, ModelVersion, Signature
from nbops.metrics import known as metrics
from nbops.metrics.compute import compute
from nbops.modelfiles.load import PICKLE, load, untrusted_types
from nbops.promotion.candidates import Candidate
from nbops.registry.loading import load_version
from nbops.registry.versions import signature_of
from nbops.scoring.prediction import Predictions, predict
from nbops.settings import DeploymentSettings
from nbops.store import deployments, records
from nbops.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

NO_ROWS = (
    "no rows were kept on which the candidate was judged; compute a metric on held-out rows in a tracked cell:"
    " mean_absolute_error(y_test, model.predict(X_test)), say"
)


class UnavailableError(NbopsError):
    """Something a gate needs can't be had; the message is the gate's reason."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Bounds on metrics, under scikit-learn's names: those of nbops.toml with those of the call on top."""

    upper: Mapping[str, float]
    lower: Mapping[str, float]

    @classmethod
    def of(cls, wishes: DeploymentSettings, asked: Mapping[str, Mapping[str, float]] | None) -> Bounds:
        asked = asked or {}
        return cls(
            upper=_full({**_full(wishes.gates.max), **_full(asked.get("max", {}))}),
            lower=_full({**_full(wishes.gates.min), **_full(asked.get("min", {}))}),
        )


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Is a word asked for, of which roles (of all, where there are several; of anybody, where there are none), and
    whose was given?"""

    asked: bool
    roles: tuple[str, ...] = ()
    given: Approval | None

    @classmethod
    def of(cls, ws: Workspace, deployment: str, model: str, alias: str, given: Approval | None) -> Agreement:
        """Every deployment that follows the alias is asked: else a promotion under another deployment's name, with no
        such gate, would move the alias under it."""
        following = [d.name for d in deployments.listed(ws.store) if (d.model, d.alias) == (model, alias)]
        wishes = [ws.settings.deployment(name).gates.approval for name in dict.fromkeys([deployment, *following])]
        roles = [wish for wish in wishes if isinstance(wish, str)]
        return cls(asked=any(wishes), roles=tuple(dict.fromkeys(roles)), given=given)


class Evidence:
    """All that is known of one attempt.

    Parameters
    ----------
    ws : Workspace
    candidate : Candidate
    champion : ModelVersion or None
        The version that has the alias now.
    wishes : DeploymentSettings
    bounds : Bounds
    allow_types : tuple of str
        Types beyond the reviewed list, allowed for this candidate.
    agreement : Agreement
    """

    def __init__(
        self,
        ws: Workspace,
        candidate: Candidate,
        champion: ModelVersion | None,
        wishes: DeploymentSettings,
        bounds: Bounds,
        allow_types: tuple[str, ...],
        agreement: Agreement,
    ) -> None:
        self.ws, self.candidate, self.champion = ws, candidate, champion
        self.wishes, self.bounds, self.allow_types = wishes, bounds, allow_types
        self.agreement = agreement
        self._values: dict[tuple[str, str], float] = {}

    def verify(self) -> None:
        """Every file that is about to be relied on is whole.

        Raises
        ------
        CorruptArtifactError, UnknownNameError
        """
        use, judged = self.candidate.model, self.candidate.judged
        for digest in (
            use.digest,
            use.profile,
            *((judged.digest, judged.evaluation, judged.profile) if judged else ()),
        ):
            if digest is not None:
                self.ws.artifacts.verified(digest)

    @cached_property
    def signature(self) -> Signature | None:
        """The candidate's."""
        judged = self.candidate.judged
        return signature_of(self.candidate.model) or (signature_of(judged) if judged else None)

    @property
    def classes(self) -> tuple[Any, ...]:
        """What a classifier tells apart; read from the model, as a record (a notebook carries it) has no values."""
        classes = getattr(self.candidate_model, "classes_", ())
        return tuple(getattr(classes, "tolist", tuple)())

    @property
    def profile(self) -> str | None:
        judged = self.candidate.judged
        return self.candidate.model.profile or (judged.profile if judged else None)

    @cached_property
    def untrusted(self) -> tuple[str, ...]:
        """The types beyond the reviewed list in the candidate's file, and in that of the model judged for it."""
        found: set[str] = set()
        for use in (self.candidate.model, self.candidate.judged):
            if use is not None and use.digest is not None:
                types = (PICKLE,) if use.format == PICKLE else untrusted_types(self.ws.artifacts.path(use.digest))
                found.update(types)
        return tuple(sorted(found))

    @property
    def refused_types(self) -> tuple[str, ...]:
        return tuple(name for name in self.untrusted if name not in self.allow_types)

    @property
    def rows_path(self) -> Path:
        judged = self.candidate.judged
        if judged is None or judged.evaluation is None:
            raise UnavailableError(NO_ROWS)
        return self.ws.artifacts.path(judged.evaluation)

    @cached_property
    def rows(self) -> tuple[pd.DataFrame, Any]:
        """Inputs, shape (n_rows, n_inputs), and target, shape (n_rows,), of the kept evaluation rows."""
        import pandas as pd

        try:
            table = pd.read_parquet(self.rows_path)
        except (ValueError, OSError) as error:
            raise UnavailableError(f"the kept evaluation rows can't be read: {error}") from error
        if table.shape[1] < 2 or not len(table):
            raise UnavailableError(f"the kept evaluation rows have {len(table)} rows and {table.shape[1]} columns")
        return table.iloc[:, :-1], table.iloc[:, -1].to_numpy()

    @cached_property
    def judged_model(self) -> Any:
        judged = self.candidate.judged
        if judged is None or judged.digest is None:
            raise UnavailableError(NO_ROWS)
        return self._loaded(judged.digest, judged.format)

    @cached_property
    def candidate_model(self) -> Any:
        use = self.candidate.model
        if use.digest is None:
            raise UnavailableError("the candidate's file was not kept")
        if self.candidate.judged is not None and use.digest == self.candidate.judged.digest:
            return self.judged_model
        return self._loaded(use.digest, use.format)

    @cached_property
    def judged_predictions(self) -> Predictions:
        return self._predicted(self.judged_model, self.rows[0], "the candidate")

    @cached_property
    def champion_predictions(self) -> Predictions:
        """Of the model in production, on the candidate's rows; each model gets the columns it was fitted with."""
        if self.champion is None:
            raise UnavailableError("no champion yet")
        what = f"the champion, version {self.champion.number},"
        inputs = self.rows[0]
        needs = [field.name for field in self.champion.signature.inputs]
        missing = [name for name in needs if name not in inputs.columns]
        if missing:
            raise UnavailableError(
                f"{what} can't be scored on the candidate's rows: they lack its input"
                f" {', '.join(repr(name) for name in missing)}"
            )
        try:
            model = load_version(self.ws, self.champion)
        except (NbopsError, OSError) as error:
            next_step = "restore it or roll back" if isinstance(error, (CorruptArtifactError, UnknownNameError)) else ""
            raise UnavailableError(f"{what} can't be loaded: {error}{'; ' + next_step if next_step else ''}") from error
        return self._predicted(model, inputs[needs], what)

    def metric(self, name: str) -> float:
        """A metric of the judged model on the kept rows, computed now; a metric we can't compute is taken as the run
        logged it. NaN where there is none.

        Raises
        ------
        UnavailableError
        """
        if not metrics.known(name):
            logged = records.latest_metrics(self.ws.store, [self.candidate.run.id])[self.candidate.run.id]
            return logged.get(name, math.nan)
        return self._metric("judged", name, self.judged_predictions)

    def champion_metric(self, name: str) -> float:
        """The champion's, on the same rows."""
        return self._metric("champion", name, self.champion_predictions)

    @cached_property
    def deciding(self) -> str:
        """The metric that candidate and champion are compared by: the one nbops.toml names, else a bounded one, else
        the first that was computed on the kept rows, else the task's usual one.

        Raises
        ------
        SettingsError
            If nbops.toml names a metric that is not known: another one must not decide in its place.
        """
        judged = self.candidate.judged
        if self.wishes.metric:
            return metrics.kind_of(self.wishes.metric).name
        offered = [*self.bounds.upper, *self.bounds.lower, *(judged.metrics if judged else ())]
        for name in offered:
            if metrics.known(name):
                return metrics.full_name(name)
        classification = self.signature is not None and self.signature.task == "classification"
        return "accuracy_score" if classification else "mean_absolute_error"

    def recomputed(self) -> dict[str, float]:
        """The metrics a version is registered with: all that were captured, bounded or deciding, computed now."""
        judged = self.candidate.judged
        names = [self.deciding, *self.bounds.upper, *self.bounds.lower, *(judged.metrics if judged else ())]
        known = dict.fromkeys(metrics.full_name(name) for name in names if metrics.known(name))
        return {name: self.metric(name) for name in known}

    def _metric(self, who: str, name: str, predictions: Predictions) -> float:
        key = (who, metrics.full_name(name))
        if key not in self._values:
            self._values[key] = compute(
                name, self.rows[1], predictions.values, predictions.probabilities, predictions.classes
            )
        return self._values[key]

    def _loaded(self, digest: str, format: str | None) -> Any:
        if self.refused_types:
            raise UnavailableError("the model isn't loaded, because it holds types that nobody has allowed")
        try:
            return load(self.ws.artifacts.verified(digest), format or "skops", allow=self.allow_types)
        except NbopsError:
            raise
        except Exception as error:
            raise UnavailableError(f"the model can't be loaded: {type(error).__name__}: {error}") from error

    @staticmethod
    def _predicted(model: Any, inputs: pd.DataFrame, what: str) -> Predictions:
        try:
            return predict(model, inputs)
        except NbopsError as error:
            raise UnavailableError(f"{what} failed: {error}") from error


def _full(bounds: Mapping[str, float]) -> dict[str, float]:
    return {metrics.full_name(name): float(value) for name, value in bounds.items()}
