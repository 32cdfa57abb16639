"""``nbops.param(…)``: read from a cell's text, called in a kernel, and secrets looked up where they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import nbops
from nbops.core import wire
from nbops.core.errors import ParameterError
from nbops.core.redaction import redact, redact_text, without_hidden
from nbops.notebook.files import Notebook
from nbops.notebook.parameters import Parameter, coerce, find_secrets, schema

SECRET = "tulip <moon> 'lamp'"  # no shape gives it away


def cell(source: str) -> tuple[Parameter, ...]:
    body = {"cell_type": "code", "source": source, "metadata": {"tags": ["parameters"]}}
    return schema(Notebook(path=Path("train.ipynb"), data={"nbformat": 4, "cells": [body]}))


@pytest.fixture(autouse=True)
def nothing_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nbops.core.redaction._HIDDEN", [])


def test_the_call_says_what_an_annotation_says() -> None:
    rate, loss, month, n = cell(
        "rate = nbops.param(0.1, gt=0, le=1, help='learning rate')\n"
        "loss: str = nbops.param('mae', choices=['mae', 'rmse'])  # what counts\n"
        "month: date = nbops.param(help='up to')\n"
        "n = param(default=5, ge=1)"
    )
    assert (rate.type, rate.default, rate.bounds, rate.help) == ("float", 0.1, "> 0, ≤ 1", "learning rate")
    assert (loss.choices, loss.help, loss.default) == (("mae", "rmse"), "what counts", "mae")
    assert (month.required, month.type, month.help) == (True, "date", "up to")
    assert (n.default, n.bounds) == (5, "≥ 1")
    with pytest.raises(ParameterError, match="'rate' must be ≤ 1, not '2'"):
        coerce([rate], {"rate": "2"})
    with pytest.raises(ParameterError, match="'loss' must be one of 'mae', 'rmse'"):
        coerce([loss], {"loss": "r2"})
    assert [p.to_json()["min"] for p in (rate, n)] == [0, 1]
    assert rate.to_json()["max"] == 1


def test_called_it_gives_the_default_and_checks_it() -> None:
    assert nbops.param(0.1, ge=0, help="x") == 0.1
    assert nbops.param("mae", choices=["mae"]) == "mae"
    assert nbops.param() is ...
    with pytest.raises(ParameterError, match=r"the default must be ≤ 1"):
        nbops.param(2, le=1)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("a = nbops.param(1, minimum=2)", "'train.ipynb': 'a': nbops.param takes no 'minimum'; known: default, secret"),
        ("a = nbops.param(1, ge=low)", r"nbops.param\(ge=low\) must be written out"),
        ("a = nbops.param(secret=True)", 'needs env="NAME"'),
    ],
)
def test_what_cannot_be_read_is_said(source: str, says: str) -> None:
    with pytest.raises(ParameterError, match=says):
        cell(source)


def test_one_form_for_every_face() -> None:
    source = (
        "month: Annotated[str, 'the month']\nn: Annotated[int, Interval(ge=1, lt=9)] = 2\n"
        "loss: Literal['a', 'b'] = 'a'\ntoken = nbops.param(secret=True, env='TOKEN')\nparts: dict[str, list[int]] = {}"
    )
    found = {p["name"]: p for p in json.loads(json.dumps(wire.to_json(cell(source))))}
    keys = {"name", "type", "base", "default", "written", "known", "help", "choices", "min", "max", "bounds"}
    assert all(set(p) == keys | {"required", "secret", "env"} for p in found.values())
    assert (found["month"]["required"], found["month"]["help"], found["month"]["base"]) == (True, "the month", "str")
    assert (found["n"]["min"], found["n"]["max"], found["n"]["bounds"]) == (1, 9, "≥ 1, < 9")
    assert found["loss"]["choices"] == ["a", "b"]
    assert (found["token"]["secret"], found["token"]["env"], found["token"]["default"]) == (True, "TOKEN", None)
    assert found["parts"]["type"] == "dict[str, list[int]]"


def test_a_secret_is_never_taken_as_a_value_and_found_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    found = cell("token = nbops.param(secret=True, env='NBOPS_TEST_KEY', help='of the API')")
    monkeypatch.delenv("NBOPS_TEST_KEY", raising=False)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    with pytest.raises(ParameterError, match=r"'token' is a secret: .* set the environment variable NBOPS_TEST_KEY"):
        coerce(found, {"token": SECRET})
    with pytest.raises(ParameterError, match=r"train.ipynb needs the secret 'token'; set .*keyring set nbops NBOPS_T"):
        find_secrets(found, "train.ipynb")
    monkeypatch.setenv("NBOPS_TEST_KEY", "abc")
    with pytest.raises(ParameterError, match="fewer than 4 characters"):
        find_secrets(found)
    monkeypatch.setenv("NBOPS_TEST_KEY", SECRET)
    assert redact_text(SECRET) == SECRET, "nothing about it looks like a secret"
    find_secrets(found)
    assert nbops.param(secret=True, env="NBOPS_TEST_KEY") == SECRET


def test_what_is_hidden_is_hidden_however_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    import html
    import urllib.parse

    import jinja2
    import pandas as pd

    monkeypatch.setenv("NBOPS_TEST_KEY", SECRET)
    nbops.param(secret=True, env="NBOPS_TEST_KEY")
    ways = [SECRET, repr(SECRET), json.dumps(SECRET), html.escape(SECRET), urllib.parse.quote(SECRET, "")]
    ways += [json.dumps(SECRET, ensure_ascii=False), urllib.parse.quote(SECRET), urllib.parse.urlencode({"k": SECRET})]
    ways += [pd.DataFrame({"k": [SECRET]}).to_html(), str(jinja2.filters.escape(SECRET))]
    value: dict[str, Any] = {"a": [{"b": f"<p>{way}</p>"} for way in ways], "n": 1}
    for way in (without_hidden(value), redact(value)):
        assert "tulip" not in str(way)
        assert "lamp" not in str(way)
    assert "tulip" not in redact_text(" ".join(ways))


def test_a_secret_in_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    import keyring
    from keyring.backend import KeyringBackend

    class Drawer(KeyringBackend):
        priority = 1

        def get_password(self, service: str, username: str) -> str | None:
            return {("bank", "NBOPS_TEST_KEY"): SECRET}.get((service, username))

        def set_password(self, service: str, username: str, password: str) -> None:
            raise NotImplementedError

    before = keyring.get_keyring()
    keyring.set_keyring(Drawer())
    try:
        monkeypatch.delenv("NBOPS_TEST_KEY", raising=False)
        assert nbops.param(secret=True, env="NBOPS_TEST_KEY", keyring="bank") == SECRET
        with pytest.raises(ParameterError, match="keyring set nbops NBOPS_TEST_KEY"):
            nbops.param(secret=True, env="NBOPS_TEST_KEY")
    finally:
        keyring.set_keyring(before)


def test_the_pages_cell_is_read_as_it_says() -> None:
    page = (Path(__file__).parents[2] / "docs" / "parameters.md").read_text(encoding="utf-8")
    found = cell(page.split("```python\n")[2].split("```")[0])
    assert [(p.name, p.type, p.required) for p in found] == [
        ("rate", "float", False),
        ("loss", "str", False),
        ("month", "date", True),
        ("token", "str", False),
    ]
