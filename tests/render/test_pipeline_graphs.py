"""A pipeline's graph drawn: every step, every edge, every state; what is written in names is text, never markup."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from nbops.render.pipeline import columns, graph_svg, graph_text

STEP = {"when": None, "foreach": {}, "on_failure": False}
DESCRIBED = {
    "name": "train <main>",
    "order": ["prepare", "train & co", "report"],
    "steps": [
        {**STEP, "name": "prepare", "notebook": "p.ipynb", "foreach": {"month": [1]}},
        {**STEP, "name": "train & co", "notebook": "t.ipynb"},
        {**STEP, "name": "report", "notebook": "r.ipynb", "when": "params.full"},
        {**STEP, "name": "tell", "notebook": "x.ipynb", "on_failure": True},
    ],
    "edges": [["prepare", "train & co", "out/<x>.csv"], ["train & co", "report", "needs"]],
}


def test_as_text() -> None:
    assert graph_text(DESCRIBED, {"prepare": "cached"}).splitlines() == [
        "prepare  p.ipynb  [cached]  for each month",
        "  train & co  t.ipynb  ← prepare (out/<x>.csv)",
        "    report  r.ipynb  ← train & co  when params.full",
        "tell  x.ipynb  when a step has failed",
    ]


def test_as_svg() -> None:
    root = ET.fromstring(graph_svg(DESCRIBED, {"report": "FAILED"}))
    texts = [e.text for e in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[::2] == ["prepare ×n", "train & co", "report", "tell"]
    assert texts[5] == "failed"
    assert len(list(root.iter("{http://www.w3.org/2000/svg}path"))) == 2
    rects = [(int(e.attrib["x"]), int(e.attrib["y"])) for e in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert len(set(rects)) == 4, "no step stands on another"


def test_a_step_stands_right_of_all_it_needs() -> None:
    assert columns(["a", "b", "c", "d"], [["a", "b", ""], ["b", "c", ""], ["a", "d", ""], ["c", "d", ""]]) == {
        "a": 0,
        "b": 1,
        "c": 2,
        "d": 3,
    }
