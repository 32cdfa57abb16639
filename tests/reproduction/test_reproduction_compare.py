"""Two records of one cell compared: every kind of thing, the same, near, other, gone, or not to be told."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from nbops.core.fingerprint import Column, Fingerprint
from nbops.core.reproduction import Verdict
from nbops.core.runs import SEARCH_TABLE, Artifact, CellRecord, CellStatus, DataUse, FileUse, Metric, ModelUse
from nbops.reproduction.compare import compared, first_divergence, worst
from nbops.reproduction.layout import Layout

WHERE = Layout(root=Path("/w/project"), base=Path("/w/project"), scratch=Path("/tmp/copy"))
EMPTY = CellRecord(run="r", seq=0, cell_id=None, source="s", execution_count=1, status=CellStatus.OK)


def frame(**columns: str) -> Fingerprint:
    made = tuple(Column(name=n, dtype="int64", digest=d) for n, d in columns.items())
    return Fingerprint(kind="dataframe", digest="f1:" + "".join(columns.values()), shape=(2, len(made)), columns=made)


def one(then: dict[str, Any], now: dict[str, Any], rtol: float = 1e-9) -> tuple[Verdict, str, str | None]:
    """The one finding about a cell."""
    cells = compared(
        {(1, 0): dataclasses.replace(EMPTY, **then)},
        {(1, 0): dataclasses.replace(EMPTY, **now)},
        where=WHERE,
        rtol=rtol,
        lines={},
    )
    ((finding,),) = (cell.findings for cell in cells)
    return finding.verdict, finding.why, finding.column


def data(print_: Fingerprint) -> dict[str, Any]:
    return {"writes": (DataUse(name="df", fingerprint=print_),)}


def metric(value: float) -> dict[str, Any]:
    return {"metrics": (Metric(name="m", value=value),)}


def test_data_is_the_same_or_names_its_first_column() -> None:
    assert one(data(frame(a="1", b="2")), data(frame(a="1", b="2")))[0] is Verdict.IDENTICAL
    verdict, why, column = one(data(frame(a="1", b="2", c="3")), data(frame(a="1", b="9", c="8")))
    assert (verdict, column) == (Verdict.DIFFERENT, "b")
    assert "values changed in: b, c" in why
    assert one(data(frame(a="1")), data(frame(a="1", new="2")))[2] == "new"
    assert one(data(frame(a="1")), {})[:2] == (Verdict.DIFFERENT, "not there this time")
    unknown = Fingerprint(kind="dataframe", digest=None, reason="not fingerprinted: budget")
    assert one(data(unknown), data(frame(a="1")))[:2] == (Verdict.NOT_COMPARED, "not fingerprinted: budget")


def test_what_differs_only_in_how_long_something_took_is_not_compared() -> None:
    times = one(data(frame(fit_time="1", test_score="2")), data(frame(fit_time="9", test_score="2")))
    assert times[:2] == (
        Verdict.NOT_COMPARED,
        "it differs in how long something took (fit_time), and in nothing else",
    )
    assert one(data(frame(std_fit_time="1", a="2")), data(frame(std_fit_time="9", a="3")))[0] is Verdict.DIFFERENT
    item = [DataUse(name=f"cv['{key}']", fingerprint=frame(x="1")) for key in ("score_time", "test_score")]
    array = [Fingerprint(kind="array", digest=f"f1:{i}", shape=(5,)) for i in range(2)]
    for use, verdict in zip(item, (Verdict.NOT_COMPARED, Verdict.DIFFERENT), strict=True):
        then, now = ({"writes": (dataclasses.replace(use, fingerprint=a),)} for a in array)
        assert one(then, now)[0] is verdict


@pytest.mark.parametrize(
    ("name", "mode", "size", "verdict"),
    [
        ("plot.pdf", "write", 9, Verdict.NOT_COMPARED),
        ("table.csv.gz", "write", 9, Verdict.NOT_COMPARED),
        ("plot.pdf", "write", 8, Verdict.DIFFERENT),
        ("table.csv", "write", 9, Verdict.DIFFERENT),
        ("table.csv.gz", "read", 9, Verdict.DIFFERENT),
    ],
)
def test_a_written_file_that_holds_when_it_was_made_is_not_compared(
    name: str, mode: str, size: int, verdict: Verdict
) -> None:
    then, now = (
        {"files": (FileUse(path=f"/w/project/{name}", mode=mode, digest=f"f1:{n}", size=n),)} for n in (9, size)
    )
    now = {"files": (dataclasses.replace(now["files"][0], digest="f1:other"),)}
    assert one(then, now)[0] is verdict


def test_a_search_is_the_same_if_its_scores_and_all_else_are_though_its_file_keeps_times() -> None:
    def search(digest: str, table: str, best: int = 1) -> dict[str, Any]:
        params = {"cv": 3, "best_params_": {"alpha": best}}
        return {
            "models": (ModelUse(name="search", type="GridSearchCV", digest=digest, params=params, trained_on="f1:x"),),
            "artifacts": (Artifact(name=SEARCH_TABLE, kind="detail", digest=table, size=1),),
        }

    verdict, why, _ = one(search("a1:1", "a1:t"), search("a1:2", "a1:t"))
    assert verdict is Verdict.NOT_COMPARED
    assert why.startswith("its file keeps how long its fits took")
    assert one(search("a1:1", "a1:t"), search("a1:2", "a1:u"))[0] is Verdict.DIFFERENT
    assert one(search("a1:1", "a1:t"), search("a1:2", "a1:t", best=2))[0] is Verdict.DIFFERENT
    assert one({**search("a1:1", ""), "artifacts": ()}, {**search("a1:2", ""), "artifacts": ()})[0] is Verdict.DIFFERENT


def test_an_outputs_number_is_no_name() -> None:
    """An untracked cell more or less shifts it; records of before told it as a name beside the data's own."""
    shown = {"writes": (*data(frame(a="1"))["writes"], DataUse(name="Out[2]", fingerprint=frame(a="1")))}
    shifted = {"writes": (*data(frame(a="1"))["writes"], DataUse(name="Out[1]", fingerprint=frame(a="1")))}
    assert one(shown, shifted)[0] is Verdict.IDENTICAL


@pytest.mark.parametrize(
    ("a", "b", "rtol", "verdict"),
    [
        (1.0, 1.0, 0.0, Verdict.IDENTICAL),
        (float("nan"), float("nan"), 0.0, Verdict.IDENTICAL),
        (1.0, 1.0 + 1e-12, 1e-9, Verdict.WITHIN),
        (1.0, 1.0 + 1e-6, 1e-9, Verdict.DIFFERENT),
        (1.0, 1.0 + 1e-6, 1e-3, Verdict.WITHIN),
        (0.0, 1e-300, 1e-3, Verdict.DIFFERENT),
        (1.0, float("nan"), 0.5, Verdict.DIFFERENT),
        (float("inf"), 1.0, 0.5, Verdict.DIFFERENT),
    ],
)
def test_metrics_have_a_relative_tolerance(a: float, b: float, rtol: float, verdict: Verdict) -> None:
    assert one(metric(a), metric(b), rtol)[0] is verdict


def test_two_metrics_of_one_name_are_compared_in_their_order() -> None:
    both = {"metrics": (Metric(name="m", value=1.0), Metric(name="m", value=2.0))}
    swapped = {"metrics": (Metric(name="m", value=2.0), Metric(name="m", value=1.0))}
    cells = compared(
        {(1, 0): dataclasses.replace(EMPTY, **both)},
        {(1, 0): dataclasses.replace(EMPTY, **swapped)},
        where=WHERE,
        rtol=0.1,
        lines={},
    )
    assert [(f.name, f.verdict) for f in cells[0].findings] == [
        ("m", Verdict.DIFFERENT),
        ("m (2)", Verdict.DIFFERENT),
    ]


def test_a_model_says_why_it_may_differ() -> None:
    model = ModelUse(name="model", type="Ridge", digest="a1:1", params={"alpha": 1.0}, trained_on="f1:x")

    def against(**other: Any) -> tuple[Verdict, str, str | None]:
        return one({"models": (model,)}, {"models": (dataclasses.replace(model, **other),)})

    assert against()[0] is Verdict.IDENTICAL
    assert against(digest="a1:2", params={"alpha": 2.0})[1] == "its parameters differ: alpha"
    assert against(digest="a1:2", trained_on="f1:y")[1] == "it was fitted on other data"
    assert "same parameters and data" in against(digest="a1:2")[1]
    assert against(digest=None, reason="too large")[:2] == (Verdict.NOT_COMPARED, "too large")


def test_paths_and_parameters_are_read_as_if_they_lay_in_the_workspace() -> None:
    assert one({"params": {"p": "/w/project/x"}}, {"params": {"p": "/tmp/copy/x"}})[0] is Verdict.IDENTICAL
    assert one({"params": {"p": 1}}, {"params": {"p": True}})[0] is Verdict.DIFFERENT
    here = FileUse(path="out/x.csv", mode="write", digest="f1:1", size=3)
    there = dataclasses.replace(here, path="/tmp/copy/out/x.csv")
    assert one({"files": (here,)}, {"files": (there,)})[0] is Verdict.IDENTICAL
    longer = dataclasses.replace(here, digest="f1:2", size=4)
    assert one({"files": (here,)}, {"files": (longer,)})[:2] == (Verdict.DIFFERENT, "3 bytes became 4")


def test_parts_with_random_names_are_compared_by_their_folder_and_content() -> None:
    def parts(name: str, digest: str) -> dict[str, Any]:
        return {"files": (FileUse(path=f"parts/k=1/{name}.parquet", mode="write", digest=digest, size=3),)}

    assert one(parts("aba2", "f1:x"), parts("77c1", "f1:x"))[0] is Verdict.IDENTICAL
    cells = compared(
        {(1, 0): dataclasses.replace(EMPTY, **parts("aba2", "f1:x"))},
        {(1, 0): dataclasses.replace(EMPTY, **parts("77c1", "f1:y"))},
        where=WHERE,
        rtol=0.0,
        lines={},
    )
    assert [f.why for f in cells[0].findings] == ["not there this time", "there this time only"]


def test_text_is_moved_there_and_back_at_the_borders_of_a_path_only() -> None:
    text = "open('/w/project/a') or open('/w/project2/b') or '/w/project'"
    moved = WHERE.there(text)
    assert moved == "open('/tmp/copy/a') or open('/w/project2/b') or '/tmp/copy'"
    assert WHERE.back(moved) == text
    assert WHERE.there({"a": ["/w/project/x", 1]}) == {"a": ["/tmp/copy/x", 1]}


def test_a_changed_input_is_the_cause_and_what_it_first_changed_the_place() -> None:
    read = FileUse(path="a.csv", mode="read", digest="f1:1")
    then = {
        (1, 0): dataclasses.replace(EMPTY, files=(read,)),
        (2, 0): dataclasses.replace(EMPTY, **data(frame(a="1"))),
    }
    other = dataclasses.replace(EMPTY, files=(dataclasses.replace(read, digest="f1:2"),))
    now = {(1, 0): other, (2, 0): dataclasses.replace(EMPTY, **data(frame(a="2")))}
    first = first_divergence(compared(then, now, where=WHERE, rtol=0, lines={}), {2: {"clock"}})
    assert first is not None
    assert (first.cell, first.name, first.column) == (2, "df", "a")
    assert "the time of day" in first.why
    only = first_divergence(compared(then, now | {(2, 0): then[2, 0]}, where=WHERE, rtol=0, lines={}), {2: {"clock"}})
    assert only is not None
    assert (only.cell, only.what, only.name) == (1, "input", "a.csv")


def test_the_verdict_of_several_is_the_worst_and_of_none_is_none() -> None:
    assert worst([Verdict.IDENTICAL, Verdict.NOT_COMPARED]) is Verdict.IDENTICAL
    assert worst([Verdict.IDENTICAL, Verdict.WITHIN]) is Verdict.WITHIN
    assert worst([Verdict.WITHIN, Verdict.DIFFERENT]) is Verdict.DIFFERENT
    assert worst([]) is Verdict.NOT_COMPARED
