"""``%nbops`` and ``%%track``. They parse, call one function, and print its answer."""

from __future__ import annotations

import inspect
import shlex
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError as ShellUsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class

from nbops.capture.current import open_session
from nbops.core.errors import NbopsError, UsageError, suggestion
from nbops.ipython.hooks import CellHooks
from nbops.ipython.track_line import USAGE, parse

if TYPE_CHECKING:
    from nbops.workspace import Workspace

CARDS = ("full", "line", "off")


@magics_class
class NbopsMagics(Magics):
    """The commands by name; each takes its words and returns the text to print."""

    def __init__(self, shell: Any, hooks: CellHooks) -> None:
        super().__init__(shell)
        self.hooks = hooks
        self.commands: dict[str, Callable[[list[str]], str]] = {
            "auto": self._auto,
            "card": self._card,
            "diff": self._diff,
            "help": self._help,
            "leakage": self._leakage,
            "lineage": self._lineage,
            "off": self._off,
            "on": self._on,
            "run": self._run,
            "runs": self._runs,
            "show": self._show,
            "stale": self._stale,
            "step": self._step,
        }

    @line_magic
    def nbops(self, line: str) -> None:
        """Steer the tracking of this notebook, and look at what was recorded.

        ::

            %nbops auto on|off         track every cell, or only those marked %%track
            %nbops off                 track nothing
            %nbops on                  track again
            %nbops card full|line|off  how a tracked cell's card is drawn
            %nbops run [PIPELINE]      run a pipeline, with -p NAME=VALUE, --force, or --resume the last run
            %nbops runs                the last runs
            %nbops show [RUN]          one run; by default the last
            %nbops diff RUN RUN        how two runs differ
            %nbops lineage NAME        what a variable (file, model, run) came from, and what came of it
            %nbops leakage             which models were judged on rows that they, or a transformer, were fitted on
            %nbops stale               which cells don't show what they would, run from top to bottom
            %nbops step NAME           here begins a step, for 'nbops pipeline split'
            %nbops help                this list; what a terminal can do: 'nbops --help'
        """
        try:
            words = shlex.split(line)
        except ValueError as error:
            raise ShellUsageError(f"%nbops {line}: {error}") from None
        name, *rest = words or ["help"]
        if name in ("-h", "--help"):
            name = "help"
        try:
            if name not in self.commands:
                near = suggestion(name, self.commands, limit=len(self.commands))
                raise UsageError(f"there is no '%nbops {name}'{near}; '%nbops help' says what each does")
            answer = self.commands[name](rest)
            if answer:
                print(answer)  # noqa: T201  (the answer of a magic)
        except NbopsError as error:
            raise ShellUsageError(str(error)) from None

    @cell_magic
    def track(self, line: str, cell: str) -> None:
        """Record what this cell reads, with which parameters, and what comes out.

        ::

            %%track [NAME] [-t TAG …]

        With a NAME each execution is a run of its own, listed by ``%nbops runs``; without one the cell is recorded
        under the notebook's session. The cell itself runs as it would without this line.
        """
        # An input transformer has blanked the line before IPython sees it; what comes here could not be read.
        try:
            parse(line)
        except UsageError as error:
            raise ShellUsageError(str(error)) from None
        if not cell.strip():
            raise ShellUsageError(f"%%track: there is nothing below it to run; use {USAGE} as a cell's first line")
        raise ShellUsageError("%%track must be the first line of a cell (only %%time and %%capture may stand above it)")

    def _auto(self, words: list[str]) -> str:
        self.hooks.auto = _choice("auto", words, ("on", "off")) == "on"
        if self.hooks.auto:
            self._on([])
            return "nbops: every cell is tracked from the next one on"
        return "nbops: only cells marked %%track are tracked"

    def _off(self, words: list[str]) -> str:
        _none("off", words)
        self.hooks.off = True
        return "nbops: nothing is tracked; '%nbops on' tracks again"

    def _on(self, words: list[str]) -> str:
        _none("on", words)
        self.hooks.off = False
        session = open_session()
        if session is not None:
            session.turn_on()
        return f"nbops: {'every cell is' if self.hooks.auto else 'cells marked %%track are'} tracked"

    def _card(self, words: list[str]) -> str:
        self.hooks.card = _choice("card", words, CARDS)
        return f"nbops: card {self.hooks.card}"

    def _run(self, words: list[str]) -> str:
        from nbops.ipython.pipeline_run import run_pipeline

        name: str | None = None
        params: dict[str, str] = {}
        flags: set[str] = set()
        left = list(words)
        while left:
            word = left.pop(0)
            if word == "-p" and left:
                key, equals, value = left.pop(0).partition("=")
                if not equals:
                    raise UsageError(f"%nbops run -p takes NAME=VALUE, got {key!r}")
                params[key] = value
            elif word in ("--force", "--resume"):
                flags.add(word)
            elif word.startswith("-") or name is not None:
                takes = "[PIPELINE] [-p NAME=VALUE …] [--force] [--resume]"
                raise UsageError(f"%nbops run: {word!r} is not understood; it takes {takes}")
            else:
                name = word
        resume = "last" if "--resume" in flags else None
        done = run_pipeline(name, params=params, force="--force" in flags, resume=resume)
        return f"run {done[:6]} completed: '%nbops show {done[:6]}'"

    def _runs(self, words: list[str]) -> str:
        from nbops.render.runs import listed
        from nbops.store import records, runs

        _none("runs", words)
        store = self._workspace().store
        found = runs.listed(store, limit=20)
        return listed(found, records.latest_metrics(store, [r.id for r in found]))

    def _show(self, words: list[str]) -> str:
        from nbops.render.runs import shown
        from nbops.store import records, runs

        store = self._workspace().store
        if len(words) > 1:
            raise UsageError(f"%nbops show takes one run, got {len(words)}: {' '.join(words)!r}")
        last = runs.listed(store, limit=1) if not words else [runs.get(store, words[0])]
        if not last:
            return "nbops: nothing has been recorded yet"
        run = last[0]
        return shown(
            run=run,
            params=runs.params(store, run.id),
            metrics=records.metrics(store, run.id),
            records=records.of_run(store, run.id),
            children=runs.children(store, run.id),
        )

    def _diff(self, words: list[str]) -> str:
        from nbops.render.difference import difference_text
        from nbops.reproduction.difference import difference

        if len(words) != 2:
            raise UsageError(f"%nbops diff takes two runs, got {len(words)}; '%nbops runs' lists them")
        return difference_text(difference(self._workspace(), *words))

    def _lineage(self, words: list[str]) -> str:
        from nbops.lineage.graph import lineage
        from nbops.render.lineage import lineage_text
        from nbops.render.lineage_picture import lineage_svg

        if len(words) != 1:
            raise UsageError(f"%nbops lineage takes one name, got {len(words)}")
        session = open_session()
        kernel = session.run.id if session is not None and session.run is not None else None
        graph = lineage(self._workspace(), words[0], kernel=kernel)
        picture = {"image/svg+xml": lineage_svg(graph), "text/plain": lineage_text(graph)}
        self.hooks.shell.display_pub.publish(data=picture, metadata={})
        return ""

    def _leakage(self, words: list[str]) -> str:
        from nbops.lineage.leakage import check
        from nbops.render.lineage import leakage_text

        _none("leakage", words)
        session = open_session()
        if session is None or session.run is None:
            return "nbops: nothing has been tracked in this kernel yet"
        found = check(session.workspace, session.run.id)
        return leakage_text([(f.model, f.kind.value, f.doubt, f.cells, f.why) for f in found])

    def _stale(self, words: list[str]) -> str:
        from nbops.lineage.stale import stale_session
        from nbops.notebook.files import read
        from nbops.render.lineage import stale_text

        _none("stale", words)
        session = open_session()
        if session is None or session.run is None:
            return "nbops: nothing has been tracked in this kernel yet"
        book = session.notebook
        saved = read(book) if book is not None and book.suffix == ".ipynb" and book.is_file() else None
        found = stale_session(session.workspace, session.run.id, saved)
        seen = "the notebook as last saved" if saved else "the cells as they ran: the notebook's file isn't known"
        return stale_text([(f.said, f.kind.value, f.why) for f in found], seen)

    def _step(self, words: list[str]) -> str:
        if len(words) != 1:
            raise UsageError(f"%nbops step takes one name, got {len(words)}")
        return ""  # a mark, read from the cell's text

    def _workspace(self) -> Workspace:
        from nbops.workspace import open_workspace

        session = open_session()
        return session.workspace if session is not None else open_workspace(self.hooks.start_folder())

    def _help(self, words: list[str]) -> str:
        _none("help", words)
        table = (inspect.getdoc(NbopsMagics.nbops) or "").partition("::")[2]
        return textwrap.dedent(table).strip("\n")


def _choice(command: str, words: list[str], choices: tuple[str, ...]) -> str:
    if len(words) == 1 and words[0] in choices:
        return words[0]
    raise UsageError(f"%nbops {command} takes one of {', '.join(choices)}; got {' '.join(words) or 'nothing'}")


def _none(command: str, words: list[str]) -> None:
    if words:
        raise UsageError(f"%nbops {command} takes nothing more; got {' '.join(words)!r}")
