"""The order of steps, and every way a description of a pipeline can be wrong. No kernel is started here."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbops.core.errors import InputDataError, NotebookError, ParameterError, SettingsError, UnknownNameError
from nbops.pipeline import graph
from nbops.pipeline.run import run_pipeline
from nbops.settings import Pipeline, Settings, Step
from nbops.store import runs
from nbops.workspace import open_workspace


def pipeline(**steps: dict) -> Pipeline:
    return Pipeline(steps={name: Step(notebook=f"{name}.ipynb", **how) for name, how in steps.items()})


def test_steps_come_after_what_they_need_and_after_what_makes_their_inputs():
    found = pipeline(
        report={"needs": ("train",)},
        train={"inputs": ("data/clean-*.parquet", "scaler")},
        prepare={"outputs": ("data/clean-1.parquet",)},
        scale={"inputs": ("./data/clean-1.parquet",), "outputs": ("scaler",)},
    )
    drawn = graph.graph(found)
    assert drawn.order == ("prepare", "scale", "train", "report")
    assert drawn.earlier("train") == ["prepare", "scale"]
    assert graph.edges(found, drawn) == [
        ("train", "report", "needs"),
        ("prepare", "train", "data/clean-*.parquet"),
        ("scale", "train", "scaler"),
        ("prepare", "scale", "./data/clean-1.parquet"),
    ]


def test_a_glob_meets_part_by_part():
    found = pipeline(
        a={"outputs": ("data/deep/x.csv",)}, b={"inputs": ("data/*.csv",)}, c={"inputs": ("data/**/*.csv",)}
    )
    assert graph.graph(found).needs == {"a": (), "b": (), "c": ("a",)}


def test_a_circle_is_named():
    found = pipeline(
        a={"needs": ("c",)},
        b={"needs": ("a",), "outputs": ("b.csv",)},
        c={"inputs": ("b.csv",)},
        d={"needs": ("a",)},
    )
    with pytest.raises(SettingsError, match="a needs c needs b needs a"):
        graph.graph(found, "main")


def test_an_unknown_need_is_named_with_what_comes_close():
    with pytest.raises(SettingsError, match=r"step 'b'.* needs 'prepair'.*did you mean 'prepare'"):
        graph.graph(pipeline(prepare={}, b={"needs": ("prepair",)}))


def test_no_pipeline_several_pipelines_and_a_wrong_name():
    one, two = pipeline(a={}), pipeline(b={})
    with pytest.raises(SettingsError, match="names no pipeline"):
        graph.chosen(Settings(), None)
    assert graph.chosen(Settings(pipelines={"x": one}), None) == ("x", one)
    with pytest.raises(SettingsError, match=r"several pipelines \(x, y\)"):
        graph.chosen(Settings(pipelines={"x": one, "y": two}), None)
    with pytest.raises(UnknownNameError, match="did you mean 'train'"):
        graph.chosen(Settings(pipelines={"train": one}), "trian")
    with pytest.raises(SettingsError, match="has no steps"):
        graph.graph(Pipeline(steps={}), "x")


@given(
    st.permutations(range(6)), st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(lambda e: e[0] < e[1]))
)
def test_any_circle_free_graph_is_put_in_order(written, edges):
    """However the steps are written down, each comes after those it needs."""
    found = Pipeline(
        steps={
            f"s{i}": Step(notebook="x.ipynb", needs=tuple(f"s{a}" for a, b in sorted(edges) if b == i)) for i in written
        }
    )
    order = graph.graph(found).order
    assert sorted(order) == sorted(found.steps)
    assert all(order.index(f"s{a}") < order.index(f"s{b}") for a, b in edges)


TOML = """
[pipelines.main.steps.a]
notebook = "a.ipynb"
"""


@pytest.mark.parametrize(
    ("toml", "params", "error", "says"),
    [
        (TOML.replace("a.ipynb", "aa.ipynb"), {}, NotebookError, "no notebook 'aa.ipynb'.*did you mean 'a.ipynb'"),
        (TOML, {"rate": 1}, ParameterError, "no step .*parameter 'rate'"),
        (TOML, {"mont": "x"}, ParameterError, "no parameter 'mont'|parameter 'mont'.*did you mean 'month'"),
        (TOML, {"month": "July"}, ParameterError, "'month' must be"),
        (TOML + "params = { mnth = 3 }", {}, ParameterError, "did you mean 'month'"),
        (TOML + 'inputs = ["data/*.csv"]', {}, InputDataError, r"no file matches its input 'data/\*.csv'"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_executed_or_recorded(project, toml, params, error, says):
    project.notebook("a.ipynb", "# parameters\nmonth = 3")
    project.toml(toml)
    with pytest.raises(error, match=says):
        run_pipeline(project.ws(), params=params)
    assert not project.ws().store.exists()


def test_an_unknown_step_to_begin_from(project):
    project.notebook("a.ipynb", "1")
    project.toml(TOML)
    with pytest.raises(UnknownNameError, match=r"no step of the pipeline 'main' called 'b'; known: a$"):
        run_pipeline(project.ws(), from_step="b")


def test_a_dry_run_says_what_it_would_do_and_leaves_nothing_behind(project):
    project.notebook("a.ipynb", "open('out.csv', 'w')")
    project.notebook("b.ipynb", "1")
    project.toml(TOML + 'outputs = ["out.csv"]\n[pipelines.main.steps.b]\nnotebook = "b.ipynb"\ninputs = ["out.csv"]')
    done, last = project.run(dry_run=True)
    assert (last["a"].state, last["a"].why) == ("would run", "it has not completed before")
    assert (last["b"].state, last["b"].why) == ("would run", "unless 'a' makes what it made before")
    assert not (project.root / ".nbops").exists()
    assert runs.listed(project.ws().store) == []
    assert done.detail["steps"].keys() == {"a", "b"}


def test_what_a_run_keeps_of_its_code_stands_only_while_its_files_have_their_bytes(project):
    """The short way to know a step's code must never differ from the long one."""
    from nbops.notebook import files
    from nbops.pipeline.code_text import code_text

    notebook = project.notebook("nb/a.ipynb", "import rules, later")
    (project.root / "rules.py").write_text("A = 1\n")
    ws = project.ws()

    def now(known):
        read = files.read(notebook)
        found = code_text(ws, read, known)
        assert found == code_text(ws, read, None)
        return found

    first = now(None)
    assert code_text(ws, files.read(notebook), first) is first
    assert list(first.modules) == ["rules.py"]
    (project.root / "rules.py").write_text("A = 1  # one\n")
    second = now(first)
    assert second.modules == first.modules
    (project.root / "rules.py").write_text("import time\nA = time.time()\n")
    third = now(second)
    assert third.outside == "rules.py, line 2, uses the time of day (time.time)"
    (project.root / "nb/later.py").write_text("B = 1\n")  # a module that wasn't there
    fourth = now(third)
    assert list(fourth.modules) == ["nb/later.py", "rules.py"]
    (project.root / "nb/rules.py").write_text("A = 2\n")  # one that stands before another
    assert list(now(fourth).modules) == ["nb/later.py", "nb/rules.py"]
    (project.root / "nb/later.py").unlink()
    assert list(now(fourth).modules) == ["nb/rules.py"]
    project.notebook("nb/a.ipynb", "import rules", "open('x')")
    assert now(fourth).code != fourth.code


def test_one_value_for_every_face(project):
    from nbops.pipeline.description import described

    project.notebook("a.ipynb", "# parameters\nmonth: str\nn: Annotated[int, Ge(1)] = 2  # how many")
    project.notebook("b.ipynb", "# parameters\nn = 2\nkey = nbops.param(secret=True, env='KEY')")
    project.toml(
        '[pipelines.main]\nparams = { month = "2011-01" }\non_failure = "c"\n'
        '[pipelines.main.steps.b]\nnotebook = "b.ipynb"\ninputs = ["x"]\nwhen = "params.n > 1"\n'
        '[pipelines.main.steps.a]\nnotebook = "a.ipynb"\noutputs = ["x"]\n'
        '[pipelines.main.steps.c]\nnotebook = "b.ipynb"\n'
    )
    found = described(project.ws())
    assert (found["name"], found["order"], found["edges"]) == ("main", ["a", "b"], [["a", "b", "x"]])
    assert [(s["name"], s["when"], s["on_failure"]) for s in found["steps"]] == [
        ("a", None, False),
        ("b", "params.n > 1", False),
        ("c", None, True),
    ]
    taken = {p["name"]: p for p in found["parameters"]}
    assert (taken["month"]["default"], taken["month"]["required"], taken["month"]["steps"]) == ("2011-01", False, ["a"])
    assert (taken["n"]["min"], taken["n"]["help"], taken["n"]["steps"]) == (1, "how many", ["b", "a", "c"])
    assert taken["key"]["secret"] is True


def test_executions_of_one_step_make_files_of_their_own(tmp_path):
    fanned = {"foreach": {"m": ["a", "b"], "n": [1, 2]}}
    with pytest.raises(
        SettingsError, match=r"every execution of the step 'a' makes the same file 'x\.csv'.*'x-{m}\.csv'"
    ):
        graph.graph(pipeline(a={**fanned, "outputs": ("x.csv",)}))
    cell = {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": "m = ''\nn = 0"}
    (tmp_path / "a.ipynb").write_text(json.dumps({"nbformat": 4, "cells": [cell], "metadata": {}}))
    for output, fails in (("out/{m}.csv", True), ("out/{m}-{n}.csv", False), ("handed_on", False)):
        ws = dataclasses.replace(
            open_workspace(tmp_path, environ={}),
            settings=Settings(pipelines={"p": pipeline(a={**fanned, "outputs": (output,)})}),
        )
        if fails:
            with pytest.raises(SettingsError, match=r"a\[a, 1\] and a\[a, 2\] both make the output 'out/a\.csv'"):
                run_pipeline(ws, dry_run=True)
        else:
            assert list(run_pipeline(ws, dry_run=True).detail["steps"])


@pytest.mark.parametrize("key", ["timeout_s", "cell_timeout_s"])
def test_a_time_in_which_no_step_can_be_done_is_refused(key):
    with pytest.raises(SettingsError, match=f"step 'a': {key} = -1: it is more than 0, or left out"):
        graph.graph(pipeline(a={key: -1.0}))


def test_a_condition_that_is_none_is_said_with_its_step_and_what_can_stand_there():
    said = r"step 'a': when = .*\"inputs.s.value\['mae'\]\" can't stand in a condition; write inputs.s.value.mae$"
    with pytest.raises(SettingsError, match=said):
        graph.graph(pipeline(a={"when": "inputs.s.value['mae'] < 200"}))
    with pytest.raises(SettingsError, match=r"step 'a': .*can't stand in a condition; there can: params\.NAME"):
        graph.graph(pipeline(a={"when": "len(params.x) > 1"}))
