"""The canonical form survives JSON readers that know only doubles, and tells values apart."""

from __future__ import annotations

import json
import math
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbops.core.canonical import canonical, digest, dump_encoded, encode, parse
from nbops.core.errors import NotCanonicalError
from needs import missing

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def same(a: object, b: object) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return math.copysign(1, a) == math.copysign(1, b) and a == b
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return type(a) is type(b) and a == b


@given(values)
def test_a_value_comes_back_with_its_types(value: object) -> None:
    assert same(parse(canonical(value)), value)


def as_javascript(value: object) -> object:
    """What JSON.parse and JSON.stringify make of parsed JSON: every number a double."""
    if isinstance(value, int) and not isinstance(value, bool):
        return int(float(value))
    if isinstance(value, float):
        assert math.isfinite(value)
        return int(value) if value.is_integer() else value
    if isinstance(value, list):
        return [as_javascript(v) for v in value]
    if isinstance(value, dict):
        return {k: as_javascript(v) for k, v in reversed(value.items())}
    return value


@given(values)
def test_javascript_changes_nothing(value: object) -> None:
    saved = json.loads(json.dumps(as_javascript(encode(value))))
    assert dump_encoded(saved) == canonical(value)


def test_a_real_javascript_engine_changes_nothing() -> None:
    if shutil.which("node") is None:
        missing("Node")
    value = {
        "a": [1.0, -0.0, 1e22, 1e-7, 0.1, 2**60, float("inf"), "f:1.0", "é\U0001f600", None],
        "2": 1,
        "10": 2,
    }
    script = "process.stdout.write(JSON.stringify(JSON.parse(require('fs').readFileSync(0,'utf8')),null,1))"
    saved = subprocess.run(
        ["node", "-e", script],
        input=canonical(value),
        capture_output=True,
        text=True,
        check=True,
        encoding="utf-8",
    )
    assert dump_encoded(json.loads(saved.stdout)) == canonical(value)


def test_kinds_have_different_digests() -> None:
    kinds = [
        1,
        1.0,
        True,
        "1",
        "f:1.0",
        None,
        "null",
        [1],
        {"1": 1},
        0.0,
        -0.0,
        0,
        False,
        "",
        [],
        {},
        float("nan"),
    ]
    assert len({digest(k) for k in kinds}) == len(kinds)


def test_what_has_no_form_is_refused_with_its_place() -> None:
    with pytest.raises(NotCanonicalError, match=r"\$\.a\[1\]: a set"):
        canonical({"a": [1, {2}]})
    with pytest.raises(NotCanonicalError, match="the key 1 is no string"):
        canonical({1: 2})


def test_a_lone_surrogate_can_still_be_written() -> None:
    assert canonical("\ud800").encode()
