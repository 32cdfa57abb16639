"""A session: what one process (a kernel, a script) tracks, from its first tracked cell to its end.

Contract:

* nothing is on disk before the first tracked cell;
* one transaction at a cell's end writes its record, what is projected from it, and what changed of its run;
* tracking never breaks the user's cell: :meth:`Session.begin` and :meth:`Session.end` raise nothing, a failure is
  said in the :class:`Outcome`, and after three in a row tracking turns itself off;
* only the process that made the session writes: a forked child's calls do nothing.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbops.capture.cells import CellStart, OpenCell, outcome, parameter, series_and_last
from nbops.capture.circumstances import Circumstances, detail_of
from nbops.capture.data_uses import Known, look_before, written
from nbops.capture.environment import code_state, environment, packages, peak_memory_mb
from nbops.capture.identity import by_cells
from nbops.capture.instruments import Instruments
from nbops.capture.keeping import Keeper
from nbops.capture.observation import Observations, Scope
from nbops.capture.randomness import Randomness
from nbops.capture.session_runs import block_ended, block_run, redacted, session_run
from nbops.core.canonical import canonical, digest
from nbops.core.redaction import redact_text
from nbops.core.runs import Artifact, CellRecord, Metric, Run, RunKind, RunStatus
from nbops.core.wire import to_json
from nbops.notebook.code_secrets import literal_secrets, redact_code
from nbops.notebook.embedded import fitted, payload_of
from nbops.notebook.names import literals
from nbops.store import data_contents, records, runs
from nbops.store.database import Transaction
from nbops.workspace import Workspace, relative

log = logging.getLogger("nbops")
log.addHandler(logging.NullHandler())  # without one, a warning would go to the user's cell as stderr output

FAILURES_TO_OFF = 3


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a cell's tracking. `record` is as stored; `run` is the run it belongs to.
    `payload` is the record as a notebook carries it. `problem` says why there is no record."""

    record: CellRecord | None = None
    digest: str | None = None
    run: Run | None = None
    payload: Mapping[str, Any] | None = None
    problem: str | None = None

    @property
    def captured(self) -> bool:
        """Is there anything to show, beyond that a cell ran?"""
        r = self.record
        return r is not None and bool(
            r.reads or r.writes or r.params or r.metrics or r.models or r.files or r.notes or r.error or r.artifacts
        )


class Session:
    """Tracking in one process.

    Parameters
    ----------
    workspace : Workspace
    notebook : Path, optional
        The notebook (or script) the cells are from.
    run_id : str, optional
        A run that another process has opened and will close (the papermill engine); cells are added to it.
    """

    def __init__(self, workspace: Workspace, *, notebook: Path | None = None, run_id: str | None = None) -> None:
        self.workspace = workspace
        self.notebook = notebook
        self.run_id = run_id
        self.run: Run | None = None
        self.off = False
        self.failures = 0
        self.untracked = CellStart(source="")  # what runs while no tracked cell does
        self.listeners: list[Callable[[Metric], None]] = []  # told of each value that log_metric takes
        self.loose: OpenCell | None = None  # takes what is logged meanwhile
        self._open: OpenCell | None = None
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._modules_seen = 0
        self._known: Known = {}
        self._randomness = Randomness()
        self._circumstances = Circumstances(workspace)
        self._unclosed: list[Run] = []  # ended, but that could not be written yet
        self._keeper = Keeper(workspace, lambda: self._open is not None)
        self._instruments = Instruments()
        self._instruments.install()

    @property
    def here(self) -> bool:
        """Is this the process that tracks (and not a forked child)?"""
        return os.getpid() == self._pid

    @property
    def cell(self) -> OpenCell | None:
        """The cell that is being tracked now."""
        return self._open if self.here else None

    def begin(self, start: CellStart, namespace: Mapping[str, Any]) -> OpenCell | None:
        """A cell is about to run. None if it isn't tracked: tracking is off, or another cell is being tracked."""
        began = time.perf_counter()
        if self.off or not self.here or self._open is not None:
            return None
        run: Run | None = None
        try:
            with self._lock:
                run = self._run_for(start)
                cell = OpenCell(start=start, run=run, namespace=namespace, started_at=self.workspace.clock.now())
                look_before(cell, self.workspace.settings.capture.budget_s)
                self._instruments.begin(Scope(workspace=self.workspace, code=start.code))
                self._randomness.begin()
                cell.observing = True
                self._open = cell
        except BaseException as error:
            self._open = None
            self._instruments.end({})
            self._left_open(run, RunStatus.STOPPED, "it was not recorded")
            if not isinstance(error, Exception):  # an interrupt is the user's; tracking itself never breaks the cell
                raise
            problem = self._failed(error)
            self.untracked = dataclasses.replace(start, name=None)  # what is logged in it is not lost
            cell = OpenCell(
                start=start, run=None, namespace=namespace, started_at=self.workspace.clock.now(), notes=[problem]
            )
        cell.clock_started_s = time.perf_counter()
        cell.overhead_s = cell.clock_started_s - began
        return cell

    def end(self, cell: OpenCell, error: BaseException | None = None) -> Outcome:
        """The cell has run; `error` is what ended it, None if it came to its end."""
        ended = time.perf_counter()
        if not self.here:
            return Outcome()
        self._open = None
        if cell.run is None:
            return Outcome(problem="; ".join(cell.notes))
        try:
            with self._lock:
                done = self._record(cell, cell.run, error, ended)
        except BaseException as problem:
            _, status, said = outcome(error)
            self._left_open(cell.run, status, said)
            if not isinstance(problem, Exception):
                raise
            return Outcome(run=cell.run, problem=self._failed(problem))
        self.failures = 0
        return done

    def let_go(self, cell: OpenCell) -> None:
        """Nobody will tell the end of this cell; the next one can be tracked."""
        if self.here and self._open is cell:
            self._open = None
            self._instruments.end({})
            self._left_open(cell.run, RunStatus.STOPPED, "its end was never told")

    def keep_model(self, cell: OpenCell, estimator: Any, name: str) -> None:
        """Keep a fitted estimator, as it is now, with what the cell has made."""
        if cell.observing:
            self._instruments.note_model(estimator, name)
            return
        self._instruments.begin(Scope(workspace=self.workspace))  # nothing watches an untracked cell
        try:
            self._instruments.note_model(estimator, name)
        finally:
            observed = self._instruments.end({})
        cell.models += observed.models
        cell.artifacts += observed.artifacts
        cell.notes += observed.notes

    def close(self, status: RunStatus = RunStatus.COMPLETED, error: str | None = None) -> None:
        """The process ends: close the session's run. Does nothing where there is none, or it isn't ours."""
        self._instruments.uninstall()
        if not self.here or self.run is None:
            return
        try:
            with self._lock:
                self.flush()
                self._keeper.finish()
                with self.workspace.store.transaction() as tx:
                    self._close_left_open(tx)
                    if self.run_id is None:
                        known = runs.as_stored(tx, self.run.id)
                        ended = dataclasses.replace(
                            known, status=status, error=error, ended_at=self.workspace.clock.now()
                        )
                        runs.save(tx, ended)
                self.run = None
                self.workspace.store.close()
        except Exception as problem:  # noqa: BLE001  (the interpreter is going down; the run will show as LOST)
            self._failed(problem)

    def turn_on(self) -> None:
        """Track again, after failures have turned tracking off."""
        if self.off:
            self.off, self.failures = False, 0
            self._instruments.install()

    def outside(self) -> OpenCell:
        """The open cell that takes what is logged outside of tracked ones."""
        if self.loose is None:
            start, notes = self.untracked, []
            run: Run | None = None
            try:
                with self._lock:
                    run = self._run_for(start)
            except Exception as error:  # noqa: BLE001  (what logs must not fail; it is said when the cell has ended)
                notes.append(self._failed(error))
            self.loose = OpenCell(
                start=start, run=run, namespace={}, started_at=self.workspace.clock.now(), notes=notes
            )
            self.loose.clock_started_s = time.perf_counter()
        return self.loose

    def flush(self) -> Outcome | None:
        """Record what was logged outside of tracked cells since the last time."""
        loose, self.loose = self.loose, None
        if loose is None or not self.here:
            return None
        return self.end(loose)

    # A named cell has a run of its own; it is stored at once, so that it shows as LOST should the kernel die in it.
    def _run_for(self, start: CellStart) -> Run:
        if self.run is not None and start.name is None:
            return self.run
        block: Run | None = None
        found = {} if self.run else {"code": code_state(self.workspace.root), "environment": environment()}
        modules_seen = len(sys.modules)
        with self.workspace.store.transaction() as tx:
            session = self.run
            if session is None:
                session = session_run(tx, self.workspace, notebook=self.notebook, run_id=self.run_id, found=found)
                runs.save(tx, session)
            if start.name is not None:
                block = block_run(session, start, at=self.workspace.clock.now())
                runs.save(tx, block)
        if self.run is None:  # not before it is in the store
            self.run, self._modules_seen = session, modules_seen
        return block or session

    def _literals(self, cell: OpenCell, error: BaseException | None) -> dict[str, Any]:
        """The literals that the cell's text assigns, as far as the cell came to it; all that a parameters cell does."""
        if not cell.ran:
            return {}
        taken: dict[str, Any] = {}
        if cell.start.parameters and error is None:
            from nbops.notebook.parameters import held  # for this one cell of a notebook, if it has it

            taken = held(cell.start.code, cell.namespace)
        return taken | {
            name: value
            for name, value in literals(cell.start.code).items()
            if name in cell.namespace and type(cell.namespace[name]) is type(value) and cell.namespace[name] == value
        }

    def _record(self, cell: OpenCell, run: Run, error: BaseException | None, ended: float) -> Outcome:
        observed = self._instruments.end(cell.namespace) if cell.observing else Observations()
        status, run_status, said = outcome(error)
        seeds, unseeded = self._randomness.end(cell.start.code, cell.namespace) if cell.observing else ({}, [])
        given = {**seeds, **self._literals(cell, error), **observed.params, **cell.params}
        secrets = literal_secrets(cell.start.code)
        series, last = series_and_last(cell.metrics)
        outputs = written(cell, self._known, observed.seen)
        kept = self._keeper.keep(run.id, observed.files, [*cell.reads, *outputs], cell.namespace)
        full = CellRecord(
            run=run.id,
            seq=0,
            cell_id=cell.start.cell_id,
            source=digest(cell.start.source),
            execution_count=cell.start.execution_count,
            status=status,
            error=said,
            seconds=round(max(0.0, ended - cell.clock_started_s - observed.overhead_s), 6),
            peak_memory_mb=peak_memory_mb(),
            reads=tuple(cell.reads),
            writes=tuple(outputs),
            params={name: parameter(name, value, secrets) for name, value in given.items()},
            metrics=(*observed.metrics, *last),
            models=(*observed.models, *cell.models),
            files=kept.files,
            artifacts=(*observed.artifacts, *cell.artifacts),
            notes=(*cell.notes, *observed.notes, *kept.notes, *unseeded),
            uncacheable=(*observed.uncacheable, *(["random"] if unseeded else [])),
            started_at=cell.started_at,
        )
        cell_text = redact_code(cell.start.code) if cell.start.code.strip() else None
        around = self._circumstances.changed(self.notebook, step=self.run_id is not None)
        modules_seen = len(sys.modules)
        overhead = cell.overhead_s + time.perf_counter() - ended + observed.overhead_s
        with self.workspace.store.transaction() as tx:
            full = dataclasses.replace(full, seq=records.next_seq(tx, run.id), overhead_s=round(overhead, 6))
            record, form = fitted(full)
            if record is not full:  # the notebook carries the smaller one; the whole is kept as an artifact
                record, form = fitted(dataclasses.replace(full, artifacts=(self._detail(full), *full.artifacts)))
            beyond = [m for m in full.metrics if m.step is None and m not in record.metrics]
            stored = records.add(
                tx, record, series=[*observed.series, *series, *beyond], form=form, cell_text=cell_text
            )
            data_contents.add(tx, kept.contents)
            if record.params != full.params:
                runs.set_params(tx, run.id, dict(full.params))
            for artifact in around:  # they are the session's, not the cell's: the notebook doesn't carry them
                records.add_artifact(tx, self.run.id if self.run else run.id, full.seq, artifact)
            session = self._session_run_after(tx, cell)
            self._close_left_open(tx)
            if run.kind is RunKind.BLOCK:
                environment = (session or run).environment
                run = block_ended(
                    run, run_status, said, at=self.workspace.clock.now(), tags=cell.tags, environment=environment
                )
                run = dataclasses.replace(run, detail={**run.detail, **detail_of(self._circumstances.modules)})
                runs.save(tx, run)
        if session is not None:
            self.run, self._modules_seen = session, modules_seen
        self._unclosed.clear()
        self._keeper.start(kept.later)
        return Outcome(record=record, digest=stored, run=run, payload=payload_of(form))

    def _detail(self, record: CellRecord) -> Artifact:
        content = canonical(to_json(record)).encode()
        kept = self.workspace.artifacts.put_bytes(content)
        return Artifact(name="record.json", kind="detail", digest=kept, size=len(content), media="application/json")

    # Another process may own the run and change it meanwhile: only what we know is replaced, in what is stored now.
    def _session_run_after(self, tx: Transaction, cell: OpenCell) -> Run | None:
        """The session's run with what the cell has added to it, saved if that is anything."""
        if self.run is None:
            return None
        tags = () if cell.start.name else (*redacted(cell.start.tags), *cell.tags)
        imported = len(sys.modules) != self._modules_seen
        detail = detail_of(self._circumstances.modules)
        moved = self._moved(cell)
        same = {**self.run.detail, **detail} == self.run.detail and moved is None
        if not imported and same and set(tags) <= set(self.run.tags):
            return self.run
        known = runs.as_stored(tx, self.run.id)
        new = dataclasses.replace(
            known,
            tags=tuple(dict.fromkeys([*known.tags, *tags])),
            code=self.run.code,
            detail={**known.detail, **detail},
            notebook=moved if moved is not None else known.notebook,
            name=Path(moved).stem if moved is not None else known.name,
            environment={**self.run.environment, "packages": packages()} if imported else self.run.environment,
        )
        if new != known:
            runs.save(tx, new)
        return new

    def _moved(self, cell: OpenCell) -> str | None:
        """The notebook's new path, if it was renamed since, or wasn't known before."""
        if self.notebook is None or self.run is None or self.run_id is not None:
            return None
        if not self.notebook.exists():
            found = by_cells(self.notebook.parent, cell.start.cell_id, [cell.start.source])
        else:
            found = self.notebook if self.run.notebook is None else None
        self.notebook = found or self.notebook
        return relative(self.workspace, found) if found else None

    # A run whose end could not be written would stay open as long as this process lives.
    def _left_open(self, run: Run | None, status: RunStatus, error: str | None) -> None:
        if run is not None and run.kind is RunKind.BLOCK:
            self._unclosed.append(block_ended(run, status, error, at=self.workspace.clock.now()))

    def _close_left_open(self, tx: Transaction) -> None:
        for run in self._unclosed:
            runs.save(tx, run)

    def _failed(self, error: Exception) -> str:
        self.failures += 1
        log.warning("not recorded: %s: %s", type(error).__name__, error, exc_info=error)
        said = f"not recorded: {redact_text(str(error)) or type(error).__name__}"
        if self.failures >= FAILURES_TO_OFF:
            self.off = True
            self._instruments.uninstall()
            said += f"; {self.failures} cells in a row failed to be recorded, so tracking is off now"
        return said
