"""The DAG file, read as Python: what Airflow is told of a pipeline, and what is refused. Airflow itself reads and runs
one in test_airflow.py."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from exported import NIGHTLY, TOML, exported, notebook, project
from hypothesis import given, settings
from hypothesis import strategies as st

from nbops.core.errors import NbopsError, ParameterError, SettingsError, UnknownNameError, UsageError
from nbops.exchange import airflow
from nbops.exchange.orchestrated import Taken, told
from nbops.notebook.kinds import ANY


def calls(text: str, name: str) -> list[dict[str, Any]]:
    """The arguments of every call of `name`: literals as values, the rest as text."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
            said = {str(i): value for i, value in enumerate(node.args)} | {str(k.arg): k.value for k in node.keywords}
            found.append({key: value(node) for key, node in said.items()})
    return found


def value(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ast.unparse(node)


def test_each_step_is_a_task_with_what_nbops_toml_says_of_it(tmp_path: Path) -> None:
    ws, pipeline = exported(tmp_path)
    text, notes = airflow.dag(ws, pipeline, environ={})
    (dag,) = calls(text, "DAG")
    assert (dag["dag_id"], dag["schedule"], dag["catchup"]) == ("train", None, False)
    assert (dag["max_active_runs"], dag["max_active_tasks"], dag["tags"]) == (1, 2, ["nbops"])
    prepare, holiday, train, tell = calls(text, "step")
    backoff = {"retries": 1, "retry_delay": "timedelta(seconds=0.5)", "retry_exponential_backoff": 2}
    assert prepare == {"0": "prepare", **backoff, "execution_timeout": "timedelta(seconds=720)"}
    assert holiday == {"0": "the holiday's", "after": ["prepare"], "task_id": "the_holiday_s", "pool": "train-db"}
    assert train == {
        "0": "train", "after": ["the holiday's", "prepare"], "trigger_rule": "none_failed", "pool": "train-gpu",
    }  # fmt: skip
    assert tell == {"0": "tell", "after": ["prepare", "the holiday's", "train"]}
    assert ".as_teardown()" in text.splitlines()[-1]
    assert "nbops" not in {name.split(".")[0] for name in imported(text)}
    assert "airflow pools set train-gpu 1" in "\n".join(notes)


def imported(text: str) -> list[str]:
    nodes = list(ast.walk(ast.parse(text)))
    return [a.name for n in nodes if isinstance(n, ast.Import) for a in n.names] + [
        str(n.module) for n in nodes if isinstance(n, ast.ImportFrom)
    ]


def test_parameters_are_typed_and_what_nobody_can_say_is_left_to_the_notebooks(tmp_path: Path) -> None:
    ws, pipeline = exported(tmp_path)
    store = {"NBOPS_STORE": "postgresql://me:hunter2Zq@db/x", "NBOPS_HOME": "/h"}
    text, notes = airflow.dag(ws, pipeline, environ=store)
    by_name = dict(zip(_names(text), calls(text, "Param"), strict=True))
    assert by_name["months"] == {
        "0": 6, "type": "integer", "minimum": 1, "description": 'how many "months"',
    }  # fmt: skip
    assert by_name["mode"] == {"0": "a", "type": "string", "enum": ["a", "b"]}
    assert by_name["lr"] == {"0": None, "type": ["null", "number"]}, "two notebooks say different things"
    assert by_name["day"] == {"0": None, "type": ["null", "string"]}, "only execution can tell"
    assert by_name["nothing"] == {"0": None, "type": ["integer", "null"]}
    assert by_name["big"] == {"0": None}, "JSON has no infinity"
    assert by_name["password"] == {"0": None, "type": ["null", "string"]}
    assert by_name["parts"] == {"0": [1, 2], "type": "array"}
    assert {"token", "failed"} & by_name.keys() == set(), "a secret; what the pipeline itself tells"
    assert "hunter2" not in text + "".join(notes)
    assert "API_TOKEN, NBOPS_STORE" in "".join(notes)
    assert 'STORE = {"NBOPS_HOME": "/h"}' in text


def _names(text: str) -> list[str]:
    (dag,) = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Call) and ast.unparse(n.func) == "DAG"]
    (params,) = [k.value for k in dag.keywords if k.arg == "params"]
    assert isinstance(params, ast.Dict)
    return [ast.literal_eval(key) for key in params.keys if key is not None]


def test_a_schedule_brings_its_times_its_parameters_and_its_retries(tmp_path: Path) -> None:
    ws, pipeline = exported(tmp_path, TOML + NIGHTLY)
    text, notes = airflow.dag(ws, pipeline, environ={})
    (dag,) = calls(text, "DAG")
    now = ws.clock.now()
    start = f"pendulum.datetime({now.year}, {now.month}, {now.day}, tz='Europe/Berlin')"
    assert (dag["schedule"], dag["start_date"], dag["catchup"]) == ("0 6 * * 1-5", start, False)
    assert dag["dagrun_timeout"] == "timedelta(seconds=7200)"
    by_name = dict(zip(_names(text), calls(text, "Param"), strict=True))
    assert (by_name["months"]["0"], by_name["note"]["0"]) == (12, "it's")
    prepare, holiday, *_ = calls(text, "step")
    assert (prepare["retries"], holiday["retries"], holiday["retry_delay"]) == (1, 2, "timedelta(seconds=300)")
    assert "not carried over: on_failure: who is told of it" in "".join(notes)
    assert "hook" not in text
    for more, schedule, catchup in (
        ('cron = "@daily"\nmissed = "all"', "0 0 * * *", True),
        ('every = "90m"\nmissed = "skip"', "timedelta(seconds=5400)", False),
    ):
        ws, pipeline = exported(tmp_path, f'{TOML}[schedules.s]\npipeline = "train"\n{more}\n')
        (dag,) = calls(airflow.dag(ws, pipeline, environ={})[0], "DAG")
        assert (dag["schedule"], dag["catchup"]) == (schedule, catchup)


BAD = {
    "unknown": (TOML, {"name": "trian"}, UnknownNameError, "no pipeline 'trian'; did you mean 'train'"),
    "a circle": (
        TOML.replace('outputs = ["rows"]', 'outputs = ["rows"]\nneeds = ["train"]'),
        {}, SettingsError, "go round in a circle: ",
    ),
    "no such schedule": (TOML, {"schedule": "nightyl"}, UnknownNameError, "no schedule 'nightyl'"),
    "several schedules": (
        TOML + NIGHTLY + NIGHTLY.replace("nightly", "weekly"),
        {}, UsageError, r"several schedules run the pipeline 'train' \(nightly, weekly\)",
    ),
    "another pipeline's": (
        TOML + '[pipelines.b.steps.c]\nnotebook = "train.ipynb"\n[schedules.s]\nevery = "1h"\npipeline = "b"\n',
        {"schedule": "s"}, UsageError, "the schedule 's' runs the pipeline b, not the pipeline 'train'",
    ),
    "not at times": (
        TOML + '[schedules.s]\non_data = "in/*"\npipeline = "train"\n',
        {"schedule": "s"}, UsageError, "the schedule 's' waits for data",
    ),
    "a parameter that nobody has": (
        TOML.replace("months = 6", "month = 6"), {}, ParameterError, "has a parameter 'month'; did you mean 'months'",
    ),
    "one of the wrong type": (
        TOML.replace("months = 6", 'months = "six"'), {}, ParameterError, "'months' must be an integer, not 'six'",
    ),
    "a schedule's": (
        TOML + NIGHTLY.replace("months = 12", "month = 12"), {}, ParameterError, "'month'; did you mean 'months'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("toml, how, error, said", BAD.values(), ids=BAD)
def test_what_makes_no_sense_is_refused(
    tmp_path: Path, toml: str, how: dict[str, str], error: type[NbopsError], said: str
) -> None:
    with pytest.raises(error, match=said):
        told(project(tmp_path, toml), how.get("name", "train"), how.get("schedule"))


def test_a_required_parameter_is_asked_for_and_must_be_given_by_a_schedule(tmp_path: Path) -> None:
    ws = project(tmp_path)
    notebook(tmp_path, "train.ipynb", "# parameters\nmonth: str")
    text, _ = airflow.dag(ws, told(ws, "train"), environ={})
    assert dict(zip(_names(text), calls(text, "Param"), strict=True))["month"] == {"type": "string"}
    ws = project(tmp_path, TOML + NIGHTLY)
    notebook(tmp_path, "train.ipynb", "# parameters\nmonth: str")
    with pytest.raises(ParameterError, match=r"schedule 'nightly': .* needs a value for 'month'"):
        told(ws, "train")


def test_names_that_airflow_would_read_otherwise(tmp_path: Path) -> None:
    steps = "".join(f'[pipelines.train.steps."{name}"]\nnotebook = "train.ipynb"\n' for name in ("a b", "a/b"))
    ws, pipeline = exported(tmp_path, steps)
    first, second = calls(airflow.dag(ws, pipeline, environ={})[0], "step")
    assert (first["task_id"], second["task_id"]) == ("a_b", "a_b-2")
    for name in ("{{ x }}", "-p", "a\\nb", "run.sh"):
        ws, pipeline = exported(tmp_path, steps.replace("a b", name))
        with pytest.raises(UsageError, match="would read it as something else"):
            airflow.dag(ws, pipeline, environ={})
    with pytest.raises(UsageError, match="'a b' is no DAG id"):
        airflow.dag(*exported(tmp_path), dag_id="a b", environ={})


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(default=plain, help_=st.text(), name=st.text(min_size=1))
@settings(max_examples=200)
def test_whatever_a_value_or_name_is_python_and_bash_read_it_back(default: Any, help_: str, name: str) -> None:
    (read,) = calls(airflow._param(Taken(name="p", kind=ANY, default=default, known=True, help=help_)), "Param")
    assert (read["0"], read.get("description", "")) == (default, help_)
    assert ast.literal_eval(airflow._literal(name)) == name
    assert '"""' not in airflow._prose(name * 3) and "\\" not in airflow._prose(name)


def test_the_file_is_written_whole_and_never_over_another_one(tmp_path: Path) -> None:
    project(tmp_path)
    command = [sys.executable, "-c", "from nbops.cli.main import main; main()", "export", "airflow", "train"]

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *words], cwd=tmp_path, capture_output=True, text=True, check=False)

    printed = call()
    assert printed.returncode == 0, printed.stderr
    assert json.loads(call("--json").stdout)["dag"].rstrip() == printed.stdout.rstrip()
    (tmp_path / "dag.py").write_text("mine")
    refused = call("--out", "dag.py")
    assert (refused.returncode, "'dag.py' is there already; --force replaces it" in refused.stderr) == (2, True)
    assert (tmp_path / "dag.py").read_text() == "mine"
    assert call("--out", "dag.py", "--force").returncode == 0
    assert call("--out", "dags/deep/dag.py").returncode == 0, "the folder is made"
    assert (tmp_path / "dag.py").read_text() == printed.stdout
    assert [p.name for p in tmp_path.glob(".dag*")] == []
    assert f'NBOPS = "{Path(sys.executable).with_name("nbops")}"' in printed.stdout
