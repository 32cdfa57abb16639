"""Which card goes out for a cell, and as what: the record itself as a MIME type, and the same to look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nbops.capture.session import Outcome
from nbops.core.runs import RunKind
from nbops.notebook.embedded import MIME
from nbops.render.card import card_html, card_text, notice_html, notice_text

LOST_CLEAR = "no card is shown: it would have carried out the cell's pending clear_output(wait=True)"


def show(
    shell: Any,
    done: Outcome,
    form: str,
    *,
    marked: bool,
    opened: bool,
    state: Sequence[str] = (),
    budget_s: float | None = None,
) -> None:
    """Put out the card of a cell that has just run.

    Parameters
    ----------
    form : {"full", "line", "off"}
    marked : bool
        Whether the user asked for this cell (``%%track``). Others get a card only if something was captured.
    opened : bool
        Whether the card is open, where the form is "full"; else it is one line.
    state : sequence of str
        What is to be said of the notebook's state: it brings a card out by itself.
    budget_s : float, optional
        What fingerprints may take in a cell, in seconds.
    """
    record = done.record
    if done.problem is not None:
        say(shell, done.problem)
    elif record is not None and form != "off" and (marked or state or done.captured):
        full = opened and form == "full"
        name = done.run.name if done.run is not None and done.run.kind is RunKind.BLOCK else None
        _publish(
            shell,
            {
                MIME: done.payload,
                "text/html": card_html(record, name=name, full=full, state=state, budget_s=budget_s),
                "text/plain": card_text(record, name=name, full=full, state=state, budget_s=budget_s),
            },
            {
                MIME: {"name": name, "full": full} | ({"state": list(state)} if state else {})
            },  # for JupyterLab's own card, drawn from the record
        )


def say(shell: Any, problem: str) -> None:
    """Put out one sentence, where there is no record to show."""
    _publish(shell, {"text/html": notice_html(problem), "text/plain": notice_text(problem)})


def _publish(shell: Any, bundle: dict[str, Any], metadata: dict[str, Any] | None = None) -> None:
    shell.display_pub.publish(data=bundle, metadata=metadata or {})
