"""The gates' report as every face shows it."""

from __future__ import annotations

from nbops.core.models import GateResult, Outcome
from nbops.render.gates import gates_html, gates_text

RESULTS = (
    GateResult(gate="metric bound", outcome=Outcome.PASSED, asked="mae at most 5", seen="mae 4", why="mae 4"),
    GateResult(gate="margin", outcome=Outcome.FAILED, asked="mae < that of v1", seen="4 against 3", why="mae is worse"),
    GateResult(gate="leakage", outcome=Outcome.NOT_CHECKED, asked="none", seen="–", why="not built yet"),
)


def test_text() -> None:
    assert gates_text(RESULTS).splitlines() == [
        "✓ metric bound  passed       seen: mae 4 · asked: mae at most 5",
        "✗ margin        failed       seen: 4 against 3 · asked: mae < that of v1",
        "                             mae is worse",
        "– leakage       not checked  not built yet",
    ]
    assert gates_text(()) == "no gates were asked"


def test_html_says_the_same_and_escapes() -> None:
    html = gates_html(RESULTS)
    assert html.count("<tr>") == 4
    assert "mae &lt; that of v1" in html
    assert "<script" not in gates_html([GateResult(gate="<script>", outcome=Outcome.PASSED, asked="", seen="")])
