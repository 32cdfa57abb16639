"""What is made of a kernel's messages is what nbformat makes of them, and what it refuses is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat import ValidationError
from nbformat.v4 import output_from_msg

from nbops.pipeline.cell_outputs import output_of

kinds = st.sampled_from(["text/plain", "application/json", "application/x+json", "application/x/json", "image/png"])
values = st.one_of(st.text(max_size=3), st.lists(st.text(max_size=3), max_size=2), st.integers(), st.just({"a": [1]}))
bundles = st.one_of(st.dictionaries(kinds, values, max_size=3), values)
contents = st.fixed_dictionaries(
    {},
    optional={
        "data": bundles,
        "metadata": st.one_of(st.just({}), st.just({"image/png": {"width": 1}}), st.none()),
        "execution_count": st.one_of(st.none(), st.integers(0, 3), st.text(max_size=2)),
        "name": st.one_of(st.sampled_from(["stdout", "stderr"]), st.none()),
        "text": values,
        "ename": st.text(max_size=3),
        "evalue": values,
        "traceback": st.lists(st.text(max_size=3), max_size=2),
    },
)
types = st.sampled_from(["stream", "display_data", "execute_result", "error", "status"])


def made(make: Any, message: dict[str, Any]) -> Any:
    try:
        return make(message)
    except (ValidationError, ValueError, KeyError) as error:
        return type(error)


def shape(value: Any) -> Any:
    """A value with the types of all that is in it."""
    if isinstance(value, dict):
        return type(value), [(key, shape(part)) for key, part in value.items()]
    return (type(value), [shape(part) for part in value]) if isinstance(value, list) else (type(value), value)


@given(types, contents)
def test_an_output_is_as_nbformat_makes_it(kind, content):
    message = {"header": {"msg_type": kind}, "msg_type": kind, "content": content}
    assert shape(made(output_of, message)) == shape(made(output_from_msg, message))


def test_what_the_format_does_not_know_is_refused():
    message = {"header": {"msg_type": "display_data"}, "content": {"data": {"text/plain": 1}, "metadata": {}}}
    with pytest.raises(ValidationError):
        output_of(message)
