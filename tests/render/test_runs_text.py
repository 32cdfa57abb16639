"""Runs as text: what a reader looks for is there, counted and named rightly."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

from nbops.core.fingerprint import Fingerprint
from nbops.core.runs import CellRecord, CellStatus, DataUse, Metric, ModelUse, Run, RunKind, RunStatus
from nbops.render.runs import listed, shown

BEGAN = datetime(2026, 1, 31, 12, tzinfo=UTC)
RUN = Run(
    id="3f2a3f2a3f2a3f2a",
    kind=RunKind.STEP,
    name="train",
    experiment="train.ipynb",
    status=RunStatus.COMPLETED,
    started_at=BEGAN,
    ended_at=BEGAN + timedelta(seconds=2.5),
)


def text(run: Run, **params: object) -> str:
    return shown(run=run, params=params, metrics=[], records=[], children=[])


def test_a_run_in_full_says_how_long_it_took_and_what_was_scored() -> None:
    assert "2026-01-31 12:00 UTC, took 2.5 s" in text(RUN)
    assert "took" not in text(dataclasses.replace(RUN, ended_at=None, status=RunStatus.IN_PROGRESS))
    scored = dataclasses.replace(RUN, kind=RunKind.SCORE, detail={"deployment": "bikes", "rows": 742, "rejected": 0})
    lines = dict(line.split(maxsplit=1) for line in text(scored).splitlines())
    assert (lines["deployment"], lines["rows"], lines["rejected"]) == ("bikes", "742", "0")


def test_parameters_of_one_run_arent_cut_where_a_line_has_room() -> None:
    features = ["hr", "weekday", "workingday", "holiday", "weathersit", "temp", "atemp", "hum", "windspeed"]
    assert "'windspeed']" in text(RUN, features=features)
    assert text(RUN, long="x" * 1000).splitlines()[-1].endswith("x…")


def test_text_that_looks_like_a_number_stays_as_it_is() -> None:
    assert "007" in text(RUN, agent="007")


def test_an_empty_list_says_what_to_do_unless_only_some_were_asked_for() -> None:
    assert "%%track" in listed([], {})
    assert listed([], {}, filtered=True) == "no such runs"


def test_a_metric_says_of_which_model_and_on_which_data_it_is_and_none_hides_another() -> None:
    data = {name: Fingerprint(kind="array", digest=f"f1:{name}") for name in ("y_train", "y_test")}
    metrics = [
        Metric(name="mae", value=1.0, source="sklearn", model="a1:m", data="f1:y_train"),
        Metric(name="mae", value=2.0, source="sklearn", model="a1:m", data="f1:y_test"),
        Metric(name="mae", value=3.0, source="sklearn", data="f1:y_test", line=1),  # two models that are gone
        Metric(name="mae", value=4.0, source="sklearn", data="f1:y_test", line=2),
        Metric(name="mae", value=5.0, source="sklearn"),
    ]
    record = CellRecord(
        run=RUN.id,
        seq=0,
        cell_id=None,
        source="",
        execution_count=1,
        status=CellStatus.OK,
        reads=tuple(DataUse(name=name, fingerprint=each) for name, each in data.items()),
        models=(ModelUse(name="ridge", type="Ridge", digest="a1:m"),),
    )
    said = shown(run=RUN, params={}, metrics=metrics, records=[record], children=[])
    lines = [line.split(maxsplit=2) for line in said.splitlines() if line.startswith("  mae")]
    assert [(value, of) for _, value, of in lines] == [
        ("1", "of ridge on y_train"),
        ("2", "of ridge on y_test"),
        ("3", "on y_test"),
        ("4", "on y_test"),
        ("5", "sklearn"),
    ]


def test_a_metric_is_of_the_model_by_its_first_name_and_on_what_the_cell_calls_it() -> None:
    metrics = [
        Metric(name="score", value=1.0, model="a1:m", data="f1:1", on="y[10:]"),
        Metric(name="r2_score", value=0.5, model="a1:m", data="f1:1"),
    ]
    cells = [
        CellRecord(
            run=RUN.id,
            seq=seq,
            cell_id=None,
            source="",
            execution_count=seq + 1,
            status=CellStatus.OK,
            metrics=(metric,),
            models=(ModelUse(name=name, type="Ridge", digest="a1:m"),),
        )
        for seq, (name, metric) in enumerate(zip(("best", "loaded"), metrics, strict=True))
    ]
    said = shown(run=RUN, params={}, metrics=metrics, records=cells, children=[])
    assert said.count("of best on y[10:]") == 2 and "of loaded" not in said
