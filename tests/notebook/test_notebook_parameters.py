"""The parameters cell as a schema, and values given to it."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbops.core.errors import ParameterError
from nbops.notebook.files import Notebook
from nbops.notebook.parameters import Parameter, coerce, schema, values


def notebook(source: str, *tags: str) -> Notebook:
    cell = {"cell_type": "code", "source": source, "metadata": {"tags": list(tags or ("parameters",))}}
    return Notebook(path=Path("train.ipynb"), data={"nbformat": 4, "cells": [cell]})


def one(source: str) -> Parameter:
    (parameter,) = schema(notebook(source))
    return parameter


LINES = [
    # the cell, its type, default, help: the first ones are those of papermill's own tests
    ("a = 2", "int", 2, ""),
    ("a: int = 2", "int", 2, ""),
    ("a = 2 # type:int", "int", 2, ""),
    ("a = False # Nice variable a", "bool", False, "Nice variable a"),
    ("a: float = 2.258 # type: int Nice variable a", "float", 2.258, "Nice variable a"),
    ("a = 'this is a string' # type: str Nice variable a", "str", "this is a string", "Nice variable a"),
    ("a: List[str] = ['this', 'is'] # Nice variable a", "List[str]", ["this", "is"], "Nice variable a"),
    ("a: List[str] = [\n  'this', # First\n\n  'is' # Last\n] # Nice", "List[str]", ["this", "is"], "Nice"),
    ("b: float = -2.3432 # My b variable", "float", -2.3432, "My b variable"),
    ("a = None  # optional", "Any", None, "optional"),
    ("a = {'x': [1, 2.5]}", "dict", {"x": [1, 2.5]}, ""),
    ("a = (1, 2)", "tuple", [1, 2], ""),
    ("a = 60 * 60  # seconds", "int", 3600, "seconds"),
    ("a = '# no comment'", "str", "# no comment", ""),
    ("start = '2011-01-01'  # first day", "str", "2011-01-01", "first day"),
    ("a: 'float' = 1  # quoted", "float", 1, "quoted"),
    ("a: float | None = None", "float | None", None, ""),
    ("a: typing.Optional[int] = 3", "typing.Optional[int]", 3, ""),
    ("a: Annotated[float, Ge(0), 'learning rate'] = 0.1", "float", 0.1, "learning rate"),
    ("a: Annotated[int, Field(ge=1, description='trees')] = 5", "int", 5, "trees"),
    ("a: np.ndarray = None", "np.ndarray", None, ""),
    ("%matplotlib inline\na = 1  # one", "int", 1, "one"),
    ("import os\nfrom x import y\na = 1\nprint(a)\n# alone", "int", 1, ""),
]


@pytest.mark.parametrize(("source", "kind", "default", "said"), LINES, ids=[line[0] for line in LINES])
def test_one_parameter(source: str, kind: str, default: Any, said: str) -> None:
    found = one(source)
    assert (found.type, found.default, found.help) == (kind, default, said)
    assert type(found.default) is type(default)
    assert found.known
    assert not found.required


def test_a_cell_of_many_keeps_their_order_and_lines() -> None:
    found = schema(
        notebook("lr = 0.1\nn, m = 1, 'x'\nmonth: str\na = b = None\nday = date.today()\nlr = 0.2\nif x:\n  q = 1")
    )
    assert [p.name for p in found] == ["lr", "n", "m", "month", "a", "b", "day"]
    by_name = {p.name: p for p in found}
    assert (by_name["lr"].default, by_name["lr"].line) == (0.2, 6)
    assert (by_name["n"].default, by_name["m"].default) == (1, "x")
    assert [p.name for p in found if p.required] == ["month"]
    assert (by_name["day"].known, by_name["day"].written, by_name["day"].type) == (False, "date.today()", "Any")


def test_a_declaration_then_an_assignment_keep_the_type() -> None:
    found = one("lr: float  # rate\nlr = 1")
    assert (found.type, found.declared, found.default, found.required, found.help) == ("float", True, 1, False, "rate")


def test_choices_and_bounds_are_shown() -> None:
    assert one("a: Literal['mae', 'rmse'] = 'mae'").choices == ("mae", "rmse")
    assert one("a: Annotated[float, Interval(gt=0, le=1)] = 1").bounds == "> 0, ≤ 1"
    assert one("a: Annotated[float, Ge(0), annotated_types.Lt(10)] = 1").bounds == "≥ 0, < 10"


def test_only_the_first_parameters_cell_counts_and_other_tags_do_not() -> None:
    cells = [
        {"cell_type": "markdown", "source": "a = 0", "metadata": {"tags": ["parameters"]}},
        {"cell_type": "code", "source": "a = 1", "metadata": {"tags": ["injected-parameters"]}},
        {"cell_type": "code", "source": "b = 1", "metadata": {"tags": ["x", "parameters"]}},
        {"cell_type": "code", "source": "c = 1", "metadata": {"tags": ["parameters"]}},
    ]
    assert [p.name for p in schema(Notebook(path=Path("n.ipynb"), data={"nbformat": 4, "cells": cells}))] == ["b"]
    assert schema(notebook("a = 1", "other")) == ()


def test_a_parameters_cell_that_does_not_parse_names_the_line() -> None:
    with pytest.raises(ParameterError, match=r"'train\.ipynb' \(cell 1\) isn't valid Python: line 2, .*'b = = 2'"):
        schema(notebook("a = 1\nb = = 2"))


GOOD = [
    ("a = 1", "5", 5),
    ("a = 1", " 5 ", 5),
    ("a = 1", np.int64(5), 5),
    ("a = 0.1", "1", 1.0),
    ("a = 0.1", "1e-3", 0.001),
    ("a = 0.1", 3, 3.0),
    ("a = 0.1", np.float32(0.5), 0.5),
    ("a = True", "false", False),
    ("a = True", "YES", True),
    ("a = True", "0", False),
    ("a = True", np.bool_(False), False),
    ("a = 'x'", "5", "5"),
    ("a = 'x'", " spaced ", " spaced "),
    ("a = 'x'", Path("data/x.csv"), "data/x.csv"),
    ("a = [1]", "[1, 2.5, null]", [1, 2.5, None]),
    ("a = [1]", "(1, 'x')", [1, "x"]),
    ("a = [1]", "{3, 1}", [1, 3]),
    ("a = [1]", "1, 2", [1, 2]),
    ("a = (1,)", (1, 2), [1, 2]),
    ("a: list[int] = []", "[1, 2]", [1, 2]),
    ("a: list[float] = []", [1, 2], [1.0, 2.0]),
    ("a: tuple[int, ...] = ()", "[1]", [1]),
    ("a: tuple[float, str] = (0.5, 'a')", "(1, 'b')", [1.0, "b"]),
    ("a: list[tuple[int, int]] = []", "[(1, 2), (3, 4)]", [[1, 2], [3, 4]]),
    ("a: dict[str, float] = {}", '{"x": 1}', {"x": 1.0}),
    ("a = {}", "{'x': True}", {"x": True}),
    ("a = None", "None", None),
    ("a = None", "null", None),
    ("a = None", "5", 5),
    ("a = None", "0.5", 0.5),
    ("a = None", "true", True),
    ("a = None", "2011-10", "2011-10"),  # no subtraction
    ("a = None", "2011-01", "2011-01"),
    ("a = None", "some text", "some text"),
    ("a = None", "nan", "nan"),
    ("a = None", "NaN", "NaN"),
    ("a = None", "\\d+", "\\d+"),
    ("a = None", "'\\d'", "\\d"),
    ("a = None", b"x".decode(), "x"),
    ("a = None", dt.date(2011, 1, 2), "2011-01-02"),
    ("a = None", np.float64(0.5), 0.5),
    ("a: float | None = 1", "none", None),
    ("a: float | None = 1", "2", 2.0),
    ("a: Optional[str] = None", "x", "x"),
    ("a: int | str = 1", "5", 5),
    ("a: str | int = 1", "five", "five"),
    ("a: date = date(2011, 1, 1)", "2011-12-31", "2011-12-31"),
    ("a: date = None", dt.date(2011, 12, 31), "2011-12-31"),
    ("a: pd.Timestamp = None", "2011-12-31T13:00", "2011-12-31T13:00"),
    ("a: pd.Timestamp = None", pd.Timestamp("2011-12-31"), "2011-12-31T00:00:00"),
    ("a: Path = Path('x')", "data.csv", "data.csv"),
    ("a: Literal['x', 'y'] = 'x'", "y", "y"),
    ("a: Literal[1, 2] = 1", "2", 2),
    ("a: Literal['auto', 5] = 5", "5", 5),
    ("a: Literal['auto', None] = None", "none", None),
    ("a: Annotated[float, Interval(gt=0, le=1)] = 1", "1", 1.0),
    ("a: Annotated[date, Ge('2011-01-01')] = None", "2011-01-01", "2011-01-01"),
    ("a: Annotated[list[int], Ge(0)] = []", "[0, 3]", [0, 3]),
    ("a: Annotated[int | None, Ge(0)] = None", "null", None),
    ("a: Unknown[3] = 1", "[1]", [1]),
]


@pytest.mark.parametrize(("source", "value", "expected"), GOOD, ids=[f"{g[0]} ← {g[1]!r}" for g in GOOD])
def test_a_value_is_brought_to_its_type(source: str, value: Any, expected: Any) -> None:
    result = coerce(schema(notebook(source)), {"a": value})["a"]
    assert result == expected
    assert type(result) is type(expected)


BAD = [
    ("a = 1", "x", "must be an integer, not 'x'"),
    ("a = 1", "0.5", "declare another in the parameters cell: a: TYPE"),
    ("a: int = 1", "0.5", "must be an integer, not '0.5'"),
    ("a: int = 1", True, "must be an integer, not True"),
    ("a: int = 1", 1.0, "not 1.0"),
    ("a = 0.1", "fast", "must be a number, not 'fast'"),
    ("a = True", "maybe", "must be true or false, not 'maybe'"),
    ("a = True", 1, "must be true or false, not 1"),
    ("a = 'x'", 5, "must be a text, not 5"),
    ("a = 'x'", None, "must be a text, not None"),
    ("a = [1]", "1 2", "must be a list ([1, 2]), not '1 2'"),
    ("a = [1]", "{}", "must be a list"),
    ("a = {}", "[1]", "must be an object"),
    ("a = {}", {1: 2}, "must be an object"),
    ("a: list[int] = []", '["1"]', "element 0 of the list is '1'"),
    ("a: tuple[int, str] = (1, 'a')", "[1]", "tuple[int, str]: 2 values, it has 1"),
    ("a: tuple[int, str] = (1, 'a')", "['a', 1]", "element 0 of the list is 'a'"),
    (
        "a: list[tuple[int, int]] = []",
        "[[1, 2, 3]]",
        "element 0 of the list must be tuple[int, int]: 2 values, it has 3",
    ),
    ("a: list[int] = []", [1, 2.5], "element 1 of the list must be an integer, it is 2.5"),
    ("a: dict[str, int] = {}", '{"x": "y"}', "'x' of the object"),
    ("a: date = None", "2011-02-30", "must be a date (2011-12-31), not '2011-02-30'"),
    ("a: datetime = None", "noon", "must be a date and time"),
    ("a: float | None = 1", "x", "must be a number or None, not 'x'"),
    ("a: Literal['x', 'y'] = 'x'", "z", "must be one of 'x', 'y', not 'z'"),
    ("a: Literal[1, 2] = 1", "3", "must be one of 1, 2, not '3'"),
    ("a: Literal[1, 2] = 1", True, "must be an integer, not True"),
    ("a: Annotated[float, Interval(gt=0, le=1)] = 1", "0", "must be > 0, not '0'"),
    ("a: Annotated[float, Interval(gt=0, le=1)] = 1", "1.5", "must be ≤ 1, not '1.5'"),
    ("a: Annotated[float, Ge(0)] = 1", "nan", "must be ≥ 0, not 'nan'"),
    ("a: Annotated[date, Ge('2011-01-01')] = None", "2010-12-31", "must be ≥ 2011-01-01"),
    ("a: Annotated[list[int], Ge(0)] = []", "[0, -3]", "must be ≥ 0"),
    ("a = None", object, "must be a number, text, list or object"),
    ("a = 1", "9" * 5000, "must be an integer"),
]


@pytest.mark.parametrize(("source", "value", "said"), BAD, ids=[f"{b[0]} ← {b[1]!r:.30}" for b in BAD])
def test_an_ill_typed_value_is_quoted(source: str, value: Any, said: str) -> None:
    with pytest.raises(ParameterError) as caught:
        coerce(schema(notebook(source)), {"a": value}, "train.ipynb")
    text = str(caught.value)
    assert said in text
    assert text.startswith("train.ipynb: parameter 'a' must be")
    assert len(text) < 400
    assert caught.value.exit_code == 2


def test_an_unknown_name_gets_close_matches() -> None:
    found = schema(notebook("learning_rate = 0.1\nn_estimators = 10"))
    with pytest.raises(
        ParameterError, match=r"train\.ipynb has no parameter 'learning_rte'; did you mean 'learning_rate'\?"
    ):
        coerce(found, {"n_estimators": "5", "learning_rte": "1"}, "train.ipynb")
    with pytest.raises(ParameterError, match="known: learning_rate, n_estimators"):
        coerce(found, {"zz": "1"})


@pytest.mark.parametrize("made", [notebook("a = 1", "other"), notebook("# none yet"), notebook("print(1)")])
def test_values_for_a_notebook_without_parameters(made: Notebook) -> None:
    with pytest.raises(
        ParameterError, match=r"train\.ipynb takes no parameters, but 'a', 'b' were given; .*tag 'parameters'"
    ):
        coerce(schema(made), {"a": "1", "b": "2"}, "train.ipynb")
    assert coerce(schema(made), {}) == {}


def test_a_required_parameter_must_be_given() -> None:
    found = schema(notebook("month: str\nyear: int = ...\nlr = 0.1"))
    with pytest.raises(ParameterError, match="needs a value for 'month', 'year'; give it with -p month=…"):
        coerce(found, {"lr": "1"})
    assert coerce(found, {"year": "2011", "month": "07"}) == {"year": 2011, "month": "07"}


def test_values_fill_in_the_defaults_that_the_text_tells() -> None:
    found = schema(notebook("lr = 0.1\nsizes = (1, 2)\nday = date.today()\nname = None"))
    assert values(found, {"lr": "1"}) == {"lr": 1.0, "sizes": [1, 2], "name": None}
    assert values(found, {"day": "2011-01-01"})["day"] == "2011-01-01"


NUMBERS = st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@given(JSON)
def test_a_default_given_back_as_text_is_itself(default: Any) -> None:
    found = schema(notebook(f"a = {default!r}"))
    text = default if isinstance(default, str) else json.dumps(default)
    assert coerce(found, {"a": text}) == {"a": default}
    assert coerce(found, {"a": default}) == {"a": default}
    assert found[0].default == default


@given(
    st.text(max_size=20),
    st.sampled_from(["a = 1", "a = 0.1", "a = []", "a = None", "a: int | None = 1", "a: date = 1"]),
)
def test_any_text_gives_a_value_that_json_carries_or_one_sentence(text: str, source: str) -> None:
    try:
        result = coerce(schema(notebook(source)), {"a": text})
    except ParameterError as error:
        assert repr(text)[:79] in str(error)
    else:
        assert json.loads(json.dumps(result)) == result or result["a"] != result["a"]


def test_what_comes_out_runs_through_papermill() -> None:
    from papermill.translators import PythonTranslator

    found = schema(notebook("a = [1]\nb: date = None\nc = {}\nd = 0.1\ne = (1, 2)\nf = None"))
    given = {"a": "(1, 'x')", "b": "2011-01-01", "c": "{'k': [1]}", "d": "nan", "e": "[3]", "f": "null"}
    space: dict[str, Any] = {}
    exec(PythonTranslator.codify(coerce(found, given)), space)
    assert (space["a"], space["b"], space["c"], space["e"], space["f"]) == (
        [1, "x"],
        "2011-01-01",
        {"k": [1]},
        [3],
        None,
    )
    assert space["d"] != space["d"]


PAGE = Path(__file__).parents[2] / "docs" / "parameters.md"


def test_the_page_shows_a_cell_that_is_read_as_it_says() -> None:
    source = PAGE.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    exec(source, {})  # as the page shows it, with nothing to be imported before
    found = {p.name: p for p in schema(notebook(source))}
    assert [(p.type, p.required) for p in found.values()] == [
        ("str", True), ("float", False), ("int", False), ("Literal['squared_error', 'poisson']", False),
        ("list", False), ("date | None", False),
    ]  # fmt: skip
    assert found["n_trees"].bounds == "≥ 1, ≤ 2000"
    assert found["month"].help.endswith("must be given")
    assert coerce(tuple(found.values()), {"month": "2011-06", "lr": "0.05"}) == {"month": "2011-06", "lr": 0.05}


def test_the_page_quotes_the_messages_as_they_are() -> None:
    page = PAGE.read_text(encoding="utf-8")
    source = page.split("```python\n")[1].split("```")[0]
    tries = [
        ("learning_rate = 1", {"learning_rte": "1"}),
        ("", {"lr": "1"}),
        (source, {"month": "1", "n_trees": "many"}),
        (source, {"month": "1", "loss": "mae"}),
        (source, {"month": "1", "n_trees": "5000"}),
        (source, {}),
        ("a = 1\nb = = 2", {}),
    ]
    for text, given_values in tries:
        with pytest.raises(ParameterError) as caught:
            coerce(schema(notebook(text)), given_values, "the notebook 'train.ipynb'")
        assert f"`{caught.value}`" in page
