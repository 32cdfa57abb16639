"""Optuna as a sweep's adviser: which point next, and whether a trial that is running is worth going on.

Its study lies in a journal file in the workspace's home, so the runner and the kernels, each a process of its own, ask
the same one, and a later call goes on with it. Optuna is an extra (``tune``), imported when it is asked for.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nbops.core.errors import NbopsError, UsageError
from nbops.pipeline.step_run import PRUNED, add_detail
from nbops.pipeline.sweep_space import Dimension
from nbops.workspace import open_workspace

TRIAL = "NBOPS_TRIAL"


def should_prune(value: float, step: int) -> bool:
    """Report an intermediate value to the sweep, and ask whether it would give this trial up.

    ::

        for epoch in range(100):
            …
            if nbops.should_prune(mae, epoch):
                nbops.skip(f"pruned at epoch {epoch}")

    Parameters
    ----------
    value : float
        Of the sweep's metric, as it is now.
    step : int
        The epoch, the iteration: values of the same step are compared.

    Returns
    -------
    bool
        By Optuna's median rule: worse than half of the earlier trials at this step. Always False outside of
        ``nbops sweep --optuna``.
    """
    told = os.environ.get(TRIAL)
    if not told:
        return False
    about = json.loads(told)
    try:
        trial = _trial(about)
    except UsageError as error:
        print(f"nbops: {error}; nothing is pruned", file=sys.stderr)  # noqa: T201
        return False
    trial.report(float(value), int(step))
    if not trial.should_prune():
        return False
    run_id = os.environ.get("NBOPS_RUN_ID")
    if run_id:
        try:
            add_detail(open_workspace(), run_id, {PRUNED: int(step)})
        except NbopsError as error:
            print(f"nbops: not recorded: {error}", file=sys.stderr)  # noqa: T201
    return True


class Study:
    """The study of one sweep."""

    def __init__(self, journal: Path, *, maximize: bool, seed: int) -> None:
        optuna = _optuna()
        journal.parent.mkdir(parents=True, exist_ok=True)
        self.journal = journal
        self._states = optuna.trial.TrialState
        self._study = optuna.create_study(
            storage=_storage(journal),
            study_name="sweep",
            direction="maximize" if maximize else "minimize",
            load_if_exists=True,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # constant_liar is "experimental" in Optuna 4
            # gone on with, it must not draw again what it drew first
            seed += len(self._study.get_trials(deepcopy=False))
            self._study.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        for trial in self._study.get_trials(deepcopy=False, states=[self._states.RUNNING]):
            self._study.tell(trial.number, state=self._states.FAIL)  # whoever ran it is gone

    @property
    def finished(self) -> int:
        """How many trials have come to an end of their own: with a value, or given up."""
        states = [self._states.COMPLETE, self._states.PRUNED]
        return len(self._study.get_trials(deepcopy=False, states=states))

    def ask(self, dimensions: Sequence[Dimension]) -> tuple[int, dict[str, Any], dict[str, str]]:
        """A trial's number, its point, and what its kernel's environment must say."""
        trial = self._study.ask()
        point: dict[str, Any] = {}
        for each in dimensions:
            if not each.varies:
                point[each.name] = each.values[0]
            elif each.values:  # of values by place: a list is no category of Optuna's
                point[each.name] = each.values[trial.suggest_categorical(each.name, range(len(each.values)))]
            elif each.whole:
                point[each.name] = trial.suggest_int(each.name, int(each.low), int(each.high), log=each.log)
            else:
                point[each.name] = trial.suggest_float(each.name, each.low, each.high, log=each.log)
        return trial.number, point, {TRIAL: json.dumps({"journal": str(self.journal), "trial": trial._trial_id})}

    def tell(self, number: int, value: float | None, *, pruned: bool) -> None:
        """How a trial ended: with a value, given up, or failed."""
        if value is not None:
            self._study.tell(number, value)
        else:
            self._study.tell(number, state=self._states.PRUNED if pruned else self._states.FAIL)


def _trial(about: dict[str, Any]) -> Any:
    optuna = _optuna()
    study = optuna.load_study(study_name="sweep", storage=_storage(Path(about["journal"])))
    return optuna.trial.Trial(study, about["trial"])


def _storage(journal: Path) -> Any:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "experimental", in Optuna 4
        return JournalStorage(JournalFileBackend(str(journal)))


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise UsageError("optuna isn't installed; install nbops with its extra: pip install 'nbops[tune]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
