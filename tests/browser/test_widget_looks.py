"""What widgets draw, laid out by a browser: nothing cut off, nothing too small to be read. Needs no Jupyter."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import nbops.widgets
from nbops.core.lineage import Edge, Graph, Node, NodeKind
from nbops.core.runs import Run, RunKind, RunStatus
from nbops.render.charts import parallel_coordinates
from nbops.render.elements import Element, element, from_svg, html
from nbops.render.lineage_picture import lineage_svg
from nbops.render.run_table import run_table

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
CSS = (Path(nbops.widgets.__file__).parent / "view.css").read_text()
WIDE = {"mean_absolute_error": 12.5, "root_mean_squared_error": 14.5, "accuracy_of_everything": 0.5}


@pytest.fixture
def page(browser: Any) -> Any:
    made = browser.new_context(viewport={"width": 900, "height": 700}).new_page()
    yield made
    made.context.close()


def draw(page: Any, drawn: Element) -> None:
    page.set_content(f"<style>{CSS}</style><div class='nbops-view'>{html(drawn)}</div>")


def test_a_runs_name_and_time_are_on_one_line_each(page: Any) -> None:
    run = Run(
        id="3f2a3f2a3f2a3f2a",
        kind=RunKind.BLOCK,
        name="ridge-with-a-long-name",
        experiment="e",
        status=RunStatus.COMPLETED,
        started_at=datetime(2026, 1, 31, 12, tzinfo=UTC),
    )
    draw(page, run_table([(run, {"alpha": 1}, WIDE)], frozenset(), "started_at", True))
    assert page.locator("tbody tr").bounding_box()["height"] < 2 * page.locator("small").bounding_box()["height"]


def test_a_lineage_is_scrolled_and_not_shrunk(page: Any) -> None:
    nodes = [Node(id=f"n{i}", kind=NodeKind.DATA, label=f"table {i}", detail={}) for i in range(9)]
    edges = [Edge(source=f"n{i}", target=f"n{i + 1}", kind="made") for i in range(8)]
    graph = Graph(nodes=tuple(nodes), edges=tuple(edges), start=("n8",), cut=False)
    draw(page, element("div", from_svg(lineage_svg(graph)), data_scroll="lineage"))
    assert page.locator("svg").evaluate("e => e.getBoundingClientRect().width / e.viewBox.baseVal.width") == 1
    assert page.locator("[data-scroll]").evaluate("e => e.scrollWidth > e.clientWidth")


def test_every_axis_of_the_parallel_coordinates_is_named_within_the_picture(page: Any) -> None:
    drawn = parallel_coordinates([("a", WIDE), ("b", {k: v + 1 for k, v in WIDE.items()})], list(WIDE), "runs")
    draw(page, drawn)
    outside = """svg => { const frame = svg.getBoundingClientRect();
        return [...svg.querySelectorAll('text')].filter(t => { const at = t.getBoundingClientRect();
        return at.left < frame.left || at.right > frame.right; }).map(t => t.textContent); }"""
    assert page.locator("svg").evaluate(outside) == []
