"""Sweeps as a table and as parallel coordinates."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from nbops.render.sweep import parallel_coordinates, sweep_table

ROWS = [
    {
        "id": "a" * 32,
        "status": "COMPLETED",
        "point": {"lr": 0.1, "loss": "<mae>"},
        "value": 1.0,
        "metrics": {},
        "seconds": 2.0,
    },
    {
        "id": "b" * 32,
        "status": "COMPLETED",
        "point": {"lr": 0.3, "loss": "mse"},
        "value": 3.0,
        "metrics": {},
        "seconds": 1.0,
    },
    {
        "id": "c" * 32,
        "status": "PRUNED",
        "point": {"lr": 0.2, "loss": "mse"},
        "value": None,
        "metrics": {},
        "seconds": None,
    },
]
SVG = "{http://www.w3.org/2000/svg}"


def test_a_table_has_a_line_a_trial() -> None:
    assert [line.split() for line in sweep_table(ROWS, ["lr", "loss"], "mae").splitlines()] == [
        ["run", "state", "lr", "loss", "mae", "seconds"],
        ["aaaaaaaa", "completed", "0.1", "<mae>", "1", "2.0"],
        ["bbbbbbbb", "completed", "0.3", "mse", "3", "1.0"],
        ["cccccccc", "pruned", "0.2", "mse", "–", "–"],
    ]
    assert sweep_table([], [], None) == "no trials yet"


def test_lines_stand_where_their_values_are_and_the_best_is_the_darkest_and_on_top() -> None:
    root = ET.fromstring(parallel_coordinates(ROWS, ["lr", "loss"], "mae", maximize=False))
    lines = root.findall(f"{SVG}polyline")
    assert [line.find(f"{SVG}title").text[:3] for line in lines] == ["ccc", "bbb", "aaa"]
    assert lines[2].attrib["stroke"] == "rgb(13,71,161)"
    assert lines[2].attrib["points"] == "150,310.0 300,310.0 450,310.0"
    assert lines[1].attrib["points"] == "150,50.0 300,50.0 450,50.0"
    assert len(lines[0].attrib["points"].split()) == 2, "without a value it ends before the metric"
    upside = ET.fromstring(parallel_coordinates(ROWS, ["lr", "loss"], "mae", maximize=True))
    assert upside.findall(f"{SVG}polyline")[-1].find(f"{SVG}title").text.startswith("bbb")


def test_one_value_no_metric_and_values_that_are_no_numbers() -> None:
    rows = [{**ROWS[0], "point": {"n": True, "c": ["x"]}, "value": float("nan")}]
    root = ET.fromstring(parallel_coordinates(rows, ["n", "c"], None, maximize=False))
    assert len(root.findall(f"{SVG}polyline")[0].attrib["points"].split()) == 2
    ET.fromstring(parallel_coordinates(rows, ["n"], "mae", maximize=False))
