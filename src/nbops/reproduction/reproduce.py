"""Do a run again, in a clean kernel and a folder of its own, and compare cell by cell.

The folder has a store of its own, so that the original's history, cache and handed-on values stay as they are; what is
added to the workspace's store is one CHECK run under the original, tagged ``reproduction``, that says how it went.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from nbops.capture.environment import VARIABLES
from nbops.core.errors import ExecutionError, NbopsError, StoreError, UsageError
from nbops.core.ids import new_id
from nbops.core.reproduction import Environment, EnvironmentChange, Reproduction, Restored, Verdict
from nbops.core.runs import Artifact, CellRecord, CellStatus, Run, RunKind, RunStatus
from nbops.core.wire import to_json
from nbops.modelfiles.alike import same_but_for
from nbops.notebook import files
from nbops.notebook.code import reads_outside
from nbops.notebook.files import Notebook
from nbops.notebook.names import names
from nbops.pipeline.execute import NotebookFailedError, run_notebook
from nbops.pipeline.progress import Progress
from nbops.pipeline.step_run import RUN_LEVEL
from nbops.reproduction import environment
from nbops.reproduction.cells import Key, by_cell, recorded
from nbops.reproduction.compare import Alike, compared, first_divergence, worst
from nbops.reproduction.layout import Layout, layout, placed
from nbops.reproduction.original import NotKeptError, Original, original
from nbops.reproduction.restore import handed_over, restore_files, restore_modules
from nbops.settings import FILE
from nbops.store import records, runs
from nbops.workspace import Workspace, open_workspace

TAG = "reproduction"
# A digest that isn't there for want of time can't be compared: the copy takes the time it needs.
_SETTINGS = """# Made by 'nbops reproduce'.
[capture]
budget_s = 3600.0
keep_models = "{keep}"
[store]
never_keep = ["*"]
"""


def reproduce(
    ws: Workspace,
    source: str,
    *,
    rtol: float = 1e-9,
    env: Environment = Environment.CHECK,
    keep: Path | None = None,
    progress: Progress | None = None,
) -> Reproduction:
    """Execute what a run executed, on the data it read, and compare what comes out.

    Parameters
    ----------
    ws : Workspace
    source : str
        What to do again: see :func:`nbops.reproduction.named.named`.
    rtol : float
        Relative difference (of the larger value) within which metrics count as equal.
    env : Environment
        Whether to compare the installed packages with those it ran with, to build an environment that has those, or
        neither.
    keep : Path, optional
        A new or empty folder to do it in, which then stays; by default a temporary one.
    progress : callable, optional
        Told how the notebook gets on.

    Returns
    -------
    Reproduction
        Whose verdict is "couldn't" where data or code is gone, the environment can't be built, or a cell failed that
        didn't then.

    Raises
    ------
    UnknownNameError, AmbiguousError, NotebookError
        If `source` names nothing.
    UsageError
        If it is no run of a notebook, or `keep` is no empty folder.
    """
    if not 0 <= rtol < 1:
        raise UsageError(f"rtol={rtol!r}: the relative tolerance lies between 0 and 1")
    began = time.monotonic()
    try:
        known = original(ws, source)
    except NotKeptError as error:
        return Reproduction(
            source=source, run="", name="", notebook="", verdict=Verdict.COULD_NOT, why=str(error), rtol=rtol
        )
    with _folder(keep) as scratch:
        result = _done(ws, known, layout(ws, known, scratch), rtol, env, progress)
    result = dataclasses.replace(
        result, source=source, seconds=round(time.monotonic() - began, 3), kept=str(keep.absolute()) if keep else None
    )
    return _noted(ws, known, result)


def _done(
    ws: Workspace, known: Original, where: Layout, rtol: float, env: Environment, progress: Progress | None
) -> Reproduction:
    inputs, gone = restore_files(ws, known, where)
    modules, no_code = restore_modules(ws, known, where)
    handovers, told, not_kept = handed_over(ws, known)
    path, data, said = placed(where, known)
    exactly = Restored(what="notebook", name=known.place, how=known.how, exact=True)
    result = Reproduction(
        source="",
        run=known.run_id,
        name=known.name,
        notebook=known.place,
        verdict=Verdict.COULD_NOT,
        why="; ".join([*no_code, *gone, *not_kept]),
        rtol=rtol,
        metric=known.metric,
        restored=(exactly, *modules, *inputs, *told),
        notes=(*known.notes, *said),
    )
    if result.why:
        return result
    if env is Environment.BUILD:
        try:
            built = environment.build(ws, known.run, local=_local(ws, known), imported=_imported(known))
        except ExecutionError as error:
            return dataclasses.replace(result, why=str(error))
        result = dataclasses.replace(result, restored=(*result.restored, _told(built)))
    else:
        built = environment.Built(folder=None, versions={})
    keeps = ws.settings.capture.keep_models
    (where.scratch / FILE).write_text(_SETTINGS.format(keep=keeps), encoding="utf-8")
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, data)
    own = open_workspace(where.scratch, clock=ws.clock, identity=ws.identity, environ={})
    try:
        _seed(ws, own, handovers)
        with built.kernel() as kernel:
            problem = _execute(own, path, known, where, {a.name: a.digest for a in handovers}, progress, kernel)
        run = next(iter(runs.listed(own.store, kinds=[RunKind.STEP], limit=1)), None)
        now = by_cell(recorded(own.store, run)) if run else {}
    finally:
        own.store.close()
    cells = compared(known.cells, now, where=where, rtol=rtol, lines=_lines(data), alike=_alike(ws, own))
    result = dataclasses.replace(
        result,
        cells=cells,
        first=first_divergence(cells, _outside(known)),
        environment=_other_environment(known, run, env),
    )
    failed = _failed_newly(known.cells, now)
    if problem and (failed is not None or not now):
        return dataclasses.replace(result, why=problem)
    return _judged(result)


def _alike(ws: Workspace, own: Workspace) -> Alike:
    """How model files of then and now are compared whose digests differ; where they aren't kept, they aren't."""

    def parts(then: str, now: str) -> Sequence[str]:
        try:
            return same_but_for(ws.artifacts.verified(then), own.artifacts.verified(now))
        except NbopsError:
            return ()

    return parts


def _other_environment(known: Original, now: Run | None, env: Environment) -> tuple[EnvironmentChange, ...]:
    if env is Environment.IGNORE:
        return ()
    # in an environment that was built, everything imported is installed
    gone = environment.not_installed(known.run, _imported(known)) if env is Environment.CHECK else ()
    return (*environment.changes(known.run, now), *gone)


def _execute(
    own: Workspace,
    path: Path,
    known: Original,
    where: Layout,
    inputs: Mapping[str, str],
    progress: Progress | None,
    kernel: str | None,
) -> str:
    """Execute the notebook; why that failed, empty if it didn't. Not where the executed one lies: it is temporary, or
    in the folder that was asked for."""
    try:
        run_notebook(
            own,
            path,
            params=where.there(known.params),
            name=known.name,
            require_tracking=True,
            progress=progress,
            kernel=kernel,
            inputs_named=inputs,
            tags=(TAG,),
            variables=_variables(known.run),
            warm=False,
        )
    except ExecutionError as error:
        said = error.said if isinstance(error, NotebookFailedError) else str(error)
        return str(where.back(said.splitlines()[0]))
    except NbopsError as error:
        return str(error)
    return ""


def _local(ws: Workspace, known: Original) -> set[str]:
    """The names of modules and packages that are the workspace's own: those recorded, those beside the notebook."""
    recorded = {part.removesuffix(".py") for path in known.modules for part in Path(path).parts}
    folders = {ws.root, (ws.root / known.place).parent, ws.root / (known.folder or ".")}
    return recorded | {p.stem for f in folders if f.is_dir() for p in f.iterdir() if p.is_dir() or p.suffix == ".py"}


def _imported(known: Original) -> set[str]:
    """The packages that the notebook's own text names."""
    texts = [cell.source for cell in Notebook(path=Path(known.place), data=known.data).code_cells()]
    return {target.partition(".")[0] for text in texts for target in names(text).imports.values()}


def _told(built: environment.Built) -> Restored:
    if built.folder is None:
        return Restored(what="environment", name="packages", how="as installed, which is as it was", exact=True)
    versions = ", ".join(f"{name} {version}" for name, version in built.versions.items())
    return Restored(what="environment", name="packages", how=f"built with {versions}, in {built.folder}", exact=True)


def _judged(result: Reproduction) -> Reproduction:
    """The verdict over all cells, or of the one metric that was asked for."""
    findings = [(c, f) for c in result.cells for f in c.findings]
    if result.metric is not None:
        asked = [(c, f) for c, f in findings if f.what == "metric" and f.name.partition(" (")[0] == result.metric]
        verdict = worst(f.verdict for _, f in asked)
        why = "; ".join(f"cell {c.cell}: {f.why}" for c, f in asked if f.why) or f"{result.metric} came out the same"
        return dataclasses.replace(result, verdict=verdict, why=why)
    verdict = worst(f.verdict for _, f in findings)
    changed = [f.name for _, f in findings if f.what == "input" and f.verdict is Verdict.DIFFERENT]
    if verdict is Verdict.NOT_COMPARED:
        why = "it ran, but its records hold nothing that could be compared"
        return dataclasses.replace(result, verdict=Verdict.COULD_NOT, why=why)
    if verdict is Verdict.DIFFERENT and result.first is not None:
        first = result.first
        column = f", column {first.column!r}" if first.column and not first.why.endswith(f": {first.column}") else ""
        why = f"first in cell {first.cell}: {first.what} {first.name!r}{column}: {first.why}"
        if changed:
            why = f"the input {', '.join(dict.fromkeys(changed))} has changed since; {why}"
        return dataclasses.replace(result, verdict=verdict, why=why)
    count = sum(f.verdict is not Verdict.NOT_COMPARED for _, f in findings)
    left = len(findings) - count
    why = f"{count} things compared in {len(result.cells)} cells" + (f", {left} could not be" if left else "")
    return dataclasses.replace(result, verdict=verdict, why=why)


def _failed_newly(then: Mapping[Key, CellRecord], now: Mapping[Key, CellRecord]) -> Key | None:
    """The first cell that failed now and not then."""
    for key, record in now.items():
        if record.status is not CellStatus.OK and (key not in then or then[key].status is CellStatus.OK):
            return key
    return None


def _variables(then: Run | None) -> dict[str, str | None]:
    """The environment variables that change results, as they were; none where the run doesn't say."""
    kept = then.environment.get("variables") if then else None
    return {} if kept is None else {name: kept.get(name) for name in VARIABLES}


def _outside(known: Original) -> dict[int, set[str]]:
    """What each cell depends on besides code, parameters and files, as seen when it ran and as its text says."""
    read = Notebook(path=Path(known.place), data=known.data)
    ran = [cell.index for cell in read.code_cells() if cell.source.strip()]
    found: dict[int, set[str]] = {}
    for (number, _), record in known.cells.items():
        found.setdefault(number, set()).update(record.uncacheable)
    for hint in reads_outside(read):
        found.setdefault(ran.index(hint.cell) + 1, set()).add(hint.reason)
    return found


def _lines(data: Mapping[str, object]) -> dict[int, str]:
    texts = [cell.source for cell in Notebook(path=Path(), data=data).code_cells() if cell.source.strip()]
    firsts = [next((x.strip() for x in text.splitlines() if x.strip() and x.strip()[0] != "#"), "") for text in texts]
    return {number: line[:100] for number, line in enumerate(firsts, 1)}


def _seed(ws: Workspace, own: Workspace, handovers: list[Artifact]) -> None:
    """What ``nbops.input`` will find, under a run of the scratch folder's own store."""
    if not handovers:
        return
    now = ws.clock.now()
    run = Run(
        id=new_id(),
        kind=RunKind.BLOCK,
        name="handed on",
        experiment=TAG,
        status=RunStatus.COMPLETED,
        started_at=now,
        ended_at=now,
    )
    with own.store.transaction() as tx:
        runs.save(tx, run)
        for artifact in handovers:
            own.artifacts.put_file(ws.artifacts.verified(artifact.digest))
            records.add_artifact(tx, run.id, RUN_LEVEL, artifact)


def _noted(ws: Workspace, known: Original, result: Reproduction) -> Reproduction:
    """The result, recorded as a check under the run it is about."""
    now = ws.clock.now()
    run = Run(
        id=new_id(),
        kind=RunKind.CHECK,
        name=f"{TAG} of {known.name}",
        experiment=known.run.experiment if known.run else TAG,
        status=RunStatus.FAILED if result.verdict is Verdict.COULD_NOT else RunStatus.COMPLETED,
        started_at=now,
        ended_at=now,
        parent=known.run.id if known.run else None,
        error=f"couldn't: {result.why}" if result.verdict is Verdict.COULD_NOT else None,
        tags=(TAG,),
        detail={
            "reproduced": known.run_id,
            "verdict": result.verdict.value,
            "why": result.why,
            "first": to_json(result.first),
            "rtol": result.rtol,
        },
    )
    try:
        with ws.store.transaction() as tx:
            runs.save(tx, run)
    except StoreError as error:
        return dataclasses.replace(result, notes=(*result.notes, f"not recorded: {error}"))
    return dataclasses.replace(result, check=run.id)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="nbops-reproduce-", ignore_cleanup_errors=True) as made:
            yield Path(made).resolve()
        return
    if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise UsageError(f"{str(keep)!r} is not an empty folder; give a new one")
    keep.mkdir(parents=True, exist_ok=True)
    yield keep.resolve()
