"""Figures, as the user saw them: the very PNG that IPython made of a matplotlib figure to show it.

Nothing is drawn again where a front end draws. Where none does (a script), what is open in pyplot at the end and
has changed since it was last kept is rendered once.
"""

from __future__ import annotations

import base64
import io
import sys
import warnings
import weakref
from typing import Any

from nbops.capture.instruments.code_swap import Swaps
from nbops.capture.instruments.watch import CallProbe, Current, Watch, argument
from nbops.core.redaction import redact_text

MOST = 5
_MOST_BYTES = 5_000_000
_PNG = b"\x89PNG"


class FigureProbe(CallProbe):
    """``IPython.core.pylabtools.print_figure``, which every inline figure goes through."""

    what = "a figure"

    def after(self, watch: Watch, seen: Any, result: Any) -> None:
        content = base64.b64decode(result) if isinstance(result, str) and result[:5] == "iVBOR" else result
        figure = argument(seen[0], seen[1], 0, "fig")
        if isinstance(content, bytes):
            _keep(watch, content, figure)


def watch_figures(current: Current, swaps: Swaps) -> None:
    module = sys.modules.get("IPython.core.pylabtools")
    swaps.watch(getattr(module, "print_figure", None), FigureProbe(current))


class OpenFigures:
    """Figures that stay open from cell to cell; each state is kept once."""

    def __init__(self) -> None:
        self._kept: weakref.WeakKeyDictionary[Any, bytes] = weakref.WeakKeyDictionary()

    def finish(self, watch: Watch) -> None:
        """Render what is open, unless a front end shows it."""
        pyplot = sys.modules.get("matplotlib.pyplot")
        if pyplot is None or "inline" in str(getattr(sys.modules["matplotlib"], "get_backend", str)()).lower():
            return
        managers = sys.modules["matplotlib._pylab_helpers"].Gcf.get_all_fig_managers()
        for figure in [manager.canvas.figure for manager in managers[-MOST:]]:
            if not (figure.axes or figure.lines):
                continue
            content = io.BytesIO()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                figure.savefig(content, format="png", dpi=figure.dpi)
            # whether it has changed can't be asked: ``stale`` stays true after a figure was saved
            if self._kept.get(figure) != content.getvalue():
                self._kept[figure] = content.getvalue()
                _keep(watch, content.getvalue(), figure)


def _keep(watch: Watch, content: bytes, figure: Any) -> None:
    if not content.startswith(_PNG) or len(content) > _MOST_BYTES:
        return
    watch.figures += 1
    if watch.figures > MOST:
        watch.note(f"more than {MOST} figures were shown; the first {MOST} are kept")
        return
    title = next((axes.get_title() for axes in getattr(figure, "axes", ()) if axes.get_title()), "")
    watch.keep(
        content,
        name=f"figure-{watch.figures}.png",
        kind="figure",
        media="image/png",
        about={"title": redact_text(title)[:200]},
    )
