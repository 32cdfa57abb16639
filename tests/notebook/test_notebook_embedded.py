"""Records in outputs: they survive what browsers do to JSON, stay small, and are told from forgeries."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbops.core import canonical, wire
from nbops.core.errors import NotebookError
from nbops.core.fingerprint import Column, Fingerprint
from nbops.core.runs import Artifact, CellRecord, CellStatus, DataUse, FileUse, Metric, ModelUse
from nbops.notebook import embedded
from nbops.notebook.files import Notebook
from needs import missing


def fingerprint(columns: int, name: str = "column") -> Fingerprint:
    return Fingerprint(
        kind="table",
        digest="f1:blake3:" + "ab" * 32,
        shape=(10**6, columns),
        columns=tuple(Column(name=f"{name}_{i}", dtype="float64", digest=f"{i:064x}") for i in range(columns)),
    )


def record(**changes: Any) -> CellRecord:
    return CellRecord(**{
        "run": "0123456789abcdef", "seq": 2, "cell_id": "c-1", "source": "j1:sha256:" + "0" * 64,
        "execution_count": 7, "status": CellStatus.OK, "seconds": 1.0,
        "started_at": datetime(2026, 1, 2, tzinfo=UTC),
    } | changes)  # fmt: skip


RICH = record(
    params={
        "lr": 1.0,
        "n": 2**60,
        "x": float("nan"),
        "y": -0.0,
        "inf": float("-inf"),
        "tiny": 1e-7,
        "s": "f:1",
        "d": {},
    },
    metrics=(Metric(name="mae", value=53.0, step=1), Metric(name="r2", value=0.1 + 0.2, data="f1:x")),
    reads=(DataUse(name="df", fingerprint=fingerprint(3)),),
    models=(ModelUse(name="m", type="sklearn.X", digest=None, params={"depth": None, "alpha": 2.0}),),
    files=(FileUse(path="a b.csv", mode="read", digest="f1:y", size=2**40),),
    artifacts=(Artifact(name="fig", kind="figure", digest="a1:z", size=10, about={"w": 1.5}),),
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def as_javascript(value: Any) -> Any:
    """What JSON.parse and JSON.stringify do to numbers and order: integral floats lose their point, keys that
    look like integers come first."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        keys = sorted(value, key=lambda k: (not (k.isascii() and k.isdigit()), k), reverse=True)
        return {k: as_javascript(value[k]) for k in keys}
    return [as_javascript(v) for v in value] if isinstance(value, list) else value


@given(st.dictionaries(st.text(max_size=4), VALUES, max_size=4))
def test_a_payload_survives_a_javascript_round_trip(params: dict[str, Any]) -> None:
    payload = embedded.payload_for(record(params=params))
    back = as_javascript(json.loads(json.dumps(payload)))
    assert embedded.check(back)
    again = embedded.record_from(back)
    assert canonical.canonical(wire.to_json(again)) == canonical.dump_encoded(payload["record"])


def test_a_payload_survives_a_real_javascript_engine() -> None:
    node = shutil.which("node")
    if node is None:
        missing("Node")
    payload = embedded.payload_for(RICH)
    turn = "let t='';process.stdin.on('data',d=>t+=d).on('end',()=>console.log(JSON.stringify(JSON.parse(t),null,1)))"
    done = subprocess.run([node, "-e", turn], input=json.dumps(payload), capture_output=True, text=True, check=True)
    back = json.loads(done.stdout)
    assert embedded.check(back)
    assert embedded.payload_for(embedded.record_from(back)) == payload


def test_record_from_gives_the_record_back() -> None:
    plain = record(params={"a": 1.0, "b": [1, 2.0]}, metrics=RICH.metrics, reads=RICH.reads, models=RICH.models)
    assert embedded.record_from(embedded.payload_for(plain)) == plain


def paths(value: Any, at: tuple = ()) -> list[tuple]:
    if isinstance(value, dict):
        return [p for k, v in value.items() for p in paths(v, (*at, k))] or [at]
    if isinstance(value, list):
        return [p for i, v in enumerate(value) for p in paths(v, (*at, i))] or [at]
    return [at]


def test_a_change_of_any_value_is_noticed() -> None:
    payload = embedded.payload_for(RICH)
    places = paths(payload["record"])
    assert len(places) > 50
    for path in places:
        forged = json.loads(json.dumps(payload))
        part = forged["record"]
        for key in path[:-1]:
            part = part[key]
        part[path[-1]] = "changed"
        assert not embedded.check(forged), path


@pytest.mark.parametrize(
    "payload",
    [{}, {"record": {}}, {"digest": "x"}, {"record": float("nan"), "digest": ""}, {"record": "\ud800", "digest": ""},
     {"record": {}, "digest": None}, {"record": {1, 2}, "digest": ""}],
)  # fmt: skip
def test_a_payload_of_another_shape_fails_the_check(payload: dict) -> None:
    assert embedded.check(payload) is False


@pytest.mark.parametrize(
    "payload",
    [{}, {"record": 3}, {"record": []}, {"record": {"run": "x"}},
     {"record": embedded.payload_for(RICH)["record"] | {"status": "no such"}},
     {"record": embedded.payload_for(RICH)["record"] | {"metrics": 5}}],
)  # fmt: skip
def test_an_unreadable_record_is_said_to_be_so(payload: dict) -> None:
    with pytest.raises(NotebookError, match="can't be read"):
        embedded.record_from(payload)


def test_a_record_of_a_newer_format_asks_for_an_upgrade() -> None:
    payload = embedded.payload_for(record(format=99))
    with pytest.raises(NotebookError, match=r"format 99.*upgrade"):
        embedded.record_from(payload)


def test_embedded_finds_payloads_in_results_and_displays_only(tmp_path: Any) -> None:
    payload = embedded.payload_for(RICH)
    data = {embedded.MIME: payload, "text/plain": ["card"]}
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": "hi"},
        {"output_type": "display_data", "data": data, "metadata": {}},
        {"output_type": "execute_result", "data": data, "metadata": {}, "execution_count": 1},
        {"output_type": "display_data", "data": {"text/plain": "x"}, "metadata": {}},
        {"output_type": "display_data", "data": {embedded.MIME: "no object"}, "metadata": {}},
        {"output_type": "error", "ename": "E", "evalue": "", "traceback": []},
    ]
    cells = [
        {"cell_type": "markdown", "source": "", "metadata": {}},
        {"cell_type": "code", "id": "c9", "source": ["a\n", "b"], "outputs": outputs, "metadata": {}},
    ]
    found = embedded.embedded(Notebook(path=tmp_path, data={"nbformat": 4, "cells": cells}))
    assert [(f.cell_index, f.cell_id, f.source) for f in found] == [(1, "c9", "a\nb")] * 2
    assert all(embedded.check(f.payload) for f in found)


def test_fit_leaves_a_small_record_alone() -> None:
    assert embedded.fit(RICH) is RICH


WIDE = [
    # what is large, what is left out, what must still be there
    (
        {"reads": (DataUse(name="df", fingerprint=fingerprint(500)),)},
        "digests of single columns",
        lambda r: [c.name for c in r.reads[0].fingerprint.columns] == [f"column_{i}" for i in range(500)],
    ),
    ({"params": {"text": "x" * 50_000, "lr": 0.1}}, "long parameter values", lambda r: r.params == {"lr": 0.1}),
    (
        {"reads": (DataUse(name="df", fingerprint=fingerprint(3000)),)},
        "names and types of columns",
        lambda r: r.reads[0].fingerprint.shape == (10**6, 3000) and r.reads[0].fingerprint.digest is not None,
    ),
    (
        {"metrics": tuple(Metric(name="loss", value=i / 7, step=i) for i in range(2000)), "params": {"a": 1}},
        "earlier metrics",
        lambda r: r.metrics == (Metric(name="loss", value=1999 / 7, step=1999),) and r.params == {"a": 1},
    ),
    (
        {"models": tuple(ModelUse(name=f"m{i}", type="t", digest="a1:x", params={f"p{j}": j for j in range(100)})
                         for i in range(30))},
        "parameters and signatures of models",
        lambda r: len(r.models) == 30,
    ),
    (
        {"files": tuple(FileUse(path=f"data/{i:0100d}.csv", mode="read", digest="f1:x") for i in range(1000))},
        "entries beyond the first 20",
        lambda r: len(r.files) == 20,
    ),
    (
        {"files": tuple(FileUse(path=f"{i:05d}" * 800, mode="read", digest="f1:x") for i in range(40)),
         "error": "E: " + "😀" * 9000},
        "reads, writes, parameters",
        lambda r: r.files == () and r.run == RICH.run and r.error.startswith("E: 😀"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "said", "holds"), WIDE, ids=[w[1] for w in WIDE])
def test_fit_leaves_out_in_the_documented_order(changes: dict, said: str, holds: Any) -> None:
    large = record(**changes)
    assert embedded.size(large) > embedded.LIMIT
    small = embedded.fit(large)
    assert embedded.size(small) <= embedded.LIMIT
    assert holds(small)
    assert said in small.notes[-1]
    assert "the detail is in the store" in small.notes[-1]
    assert embedded.check(embedded.payload_for(small))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 400), st.integers(0, 300), st.integers(0, 200), st.integers(0, 400),
    st.text(max_size=40), st.lists(st.text(max_size=2000), max_size=40),
)  # fmt: skip
def test_fit_always_fits(columns: int, metrics: int, files: int, models: int, name: str, notes: list[str]) -> None:
    large = record(
        reads=(DataUse(name=name, fingerprint=fingerprint(columns, name)),) * 2,
        metrics=tuple(Metric(name=f"{name}{i}", value=float(i)) for i in range(metrics)),
        files=tuple(FileUse(path=name * 20, mode="write", digest=None) for _ in range(files)),
        models=tuple(ModelUse(name=name, type=name, digest=None, params={"a": name}) for _ in range(models)),
        notes=tuple(notes),
    )
    small = embedded.fit(large)
    assert embedded.size(small) <= embedded.LIMIT
    assert (small is large) == (embedded.size(large) <= embedded.LIMIT)
