"""Fan-out, conditions, early exit, retries, timeouts, the step for failures: what runs, what is said."""

from __future__ import annotations

import json

import pytest

from nbops.core.errors import ExecutionError, ParameterError, SettingsError
from nbops.core.runs import RunKind, RunStatus
from nbops.pipeline import conditions
from nbops.pipeline.run import run_pipeline
from nbops.store import runs


def statuses(run) -> dict[str, str]:
    return {step: how["status"] for step, how in run.detail["steps"].items()}


def pipeline_run(project):
    return runs.listed(project.ws().store, kinds=[RunKind.PIPELINE], limit=1)[0]


FANNED = """
[pipelines.main]
params = { base = 10 }
[pipelines.main.steps.parts]
notebook = "parts.ipynb"
outputs = ["parts"]
[pipelines.main.steps.each]
notebook = "each.ipynb"
foreach = { part = "inputs.parts" }
outputs = ["out/{part}.txt", "size"]
[pipelines.main.steps.gather]
notebook = "gather.ipynb"
inputs = ["out/*.txt", "size"]
[pipelines.main.steps.never]
notebook = "never.ipynb"
needs = ["parts"]
when = "inputs.parts.rows > 2 or params.base < 5"
[pipelines.main.steps.after_never]
notebook = "never.ipynb"
needs = ["never"]
[pipelines.main.steps.all_the_same]
notebook = "never.ipynb"
needs = ["never"]
after_skip = true
when = "inputs.parts.value == ['x', 'y'] and metrics.found == 2 and not params.base != 10"
"""


def test_fan_out_over_what_an_earlier_step_found_conditions_and_what_is_skipped(project, texts):
    (project.root / "out").mkdir()
    project.notebook("parts.ipynb", "import nbops\nnbops.output('parts', ['x', 'y'])\nnbops.log_metric('found', 2)")
    project.notebook(
        "each.ipynb",
        "# parameters\npart: str\nbase = 1",
        "import nbops\nopen(f'out/{part}.txt', 'w').write(part * base)\nnbops.output('size', base)",
    )
    project.notebook("gather.ipynb", "import nbops\nprint(nbops.input('size'), nbops.input('parts'))")
    project.notebook("never.ipynb", "print('ran')")
    project.toml(FANNED)
    run, last = project.run()
    assert statuses(run) == {
        "parts": "COMPLETED",
        "each": "COMPLETED",
        "gather": "COMPLETED",
        "never": "SKIPPED",
        "after_never": "SKIPPED",
        "all_the_same": "COMPLETED",
    }
    assert (project.root / "out/y.txt").read_text() == "y" * 10
    children = {r.name: r for r in runs.children(project.ws().store, run.id)}
    assert set(children) == {"parts", "each[x]", "each[y]", "gather", "never", "after_never", "all_the_same"}
    assert texts(project.root / children["gather"].detail["executed"]) == "[10, 10] ['x', 'y']\n"
    assert children["never"].status == RunStatus.SKIPPED
    assert last["never"].why == "when = 'inputs.parts.rows > 2 or params.base < 5' doesn't hold"
    assert children["after_never"].detail["why"] == "'never' was skipped"

    # nothing changed: every execution is cached by itself, and a dry run says so
    again, _ = project.run(dry_run=True)
    assert {s: how["verdict"] for s, how in again.detail["steps"].items()} == {
        "parts": "cached",
        "each": "cached",
        "gather": "cached",
        "never": "skipped",
        "after_never": "skipped",
        "all_the_same": "cached",
    }
    (project.root / "out/x.txt").unlink()
    again, _ = project.run()
    assert again.detail["steps"]["each"] == again.detail["steps"]["each"] | {"status": "CACHED", "why": "2 cached"}
    assert (project.root / "out/x.txt").read_text() == "x" * 10
    again, _ = project.run(dry_run=True, params={"base": 3})
    each = again.detail["steps"]["each"]
    assert (each["verdict"], each["why"]) == ("stale", "2 of 2: the parameter base: 10 became 3")


def test_fan_out_over_files_and_values_of_a_parameter(project):
    (project.root / "data").mkdir()
    for name in ("a", "b"):
        (project.root / f"data/{name}.csv").write_text(name)
    project.notebook("nb/each.ipynb", "# parameters\nfile: str\nn: int", "open(file).read()")
    project.toml(
        '[pipelines.main]\nparams = { many = [1, 2] }\n[pipelines.main.steps.each]\nnotebook = "nb/each.ipynb"\n'
        'foreach = { file = "data/*.csv", n = "params.many" }\noutputs = ["{file}-{n}.txt"]\n'
    )
    from nbops.pipeline import graph
    from nbops.pipeline.plan import plan, unfolded

    ws = project.ws()
    made = plan(ws, "main", graph.chosen(ws.settings, None)[1], {}, None)
    found = unfolded(ws, "each", made.steps["each"], {})
    assert [one.name for one in found] == [
        "each[data/a.csv, 1]",
        "each[data/a.csv, 2]",
        "each[data/b.csv, 1]",
        "each[data/b.csv, 2]",
    ]
    assert found[1].params == {"file": "../data/a.csv", "n": 2}
    assert (found[1].spec.inputs, found[1].spec.outputs) == (("data/a.csv",), ("a-2.txt",))
    assert (
        len(
            unfolded(
                ws,
                "each",
                plan(ws, "main", graph.chosen(ws.settings, None)[1], {"many": "[7]"}, None).steps["each"],
                {},
            )
        )
        == 2
    )


@pytest.mark.parametrize(
    ("line", "error", "says"),
    [
        ("foreach = { nn = [1] }", ParameterError, "foreach: .* has no parameter 'nn'; did you mean 'n'"),
        ("foreach = { n = ['x'] }", ParameterError, "'n' must be an integer, not 'x'"),
        ("foreach = { n = 3 }", SettingsError, "it must be a list, a glob, params.NAME or inputs.NAME, not 3"),
        ('when = "params.m > 1"', SettingsError, "there is no parameter 'm'; known: n"),
        ('when = "open(1)"', SettingsError, r"'open\(1\)' can't stand in a condition|'open' is not known here"),
        ('when = "params.n >"', SettingsError, "is no condition: invalid syntax"),
        ('cache = "soon"', SettingsError, "write true, false or how long"),
        ("retries = -1", SettingsError, "can't be negative"),
        (
            'outputs = ["parts/*.txt"]',
            SettingsError,
            r"the output 'parts/\*.txt' is a pattern, which nobody can look for",
        ),
    ],
)
def test_what_is_wrong_in_a_step_is_said_before_anything_runs(project, line, error, says):
    project.notebook("a.ipynb", "# parameters\nn = 1")
    project.toml(f'[pipelines.main.steps.a]\nnotebook = "a.ipynb"\n{line}\n')
    with pytest.raises(error, match=says):
        run_pipeline(project.ws())
    assert not project.ws().store.exists()


SKIPS = """
[pipelines.main.steps.skips]
notebook = "skips.ipynb"
[pipelines.main.steps.after]
notebook = "after.ipynb"
needs = ["skips"]
[pipelines.main.steps.all_the_same]
notebook = "after.ipynb"
needs = ["skips"]
after_skip = true
"""


def test_an_early_exit_is_skipped_with_its_reason_and_so_is_what_needs_it(project):
    project.notebook("skips.ipynb", "import nbops\nnbops.skip('no data today')", "open('never', 'w')")
    project.notebook("after.ipynb", "1")
    project.toml(SKIPS)
    run, last = project.run()
    assert run.status == RunStatus.COMPLETED
    assert statuses(run) == {"skips": "SKIPPED", "after": "SKIPPED", "all_the_same": "COMPLETED"}
    assert (last["skips"].state, last["skips"].why) == ("skipped", "no data today")
    step = runs.children(project.ws().store, run.id)[0]
    assert (step.status, step.detail["skipped"], step.error) == (RunStatus.SKIPPED, "no data today", None)
    assert not (project.root / "never").exists()
    # it is asked again the next time: having been skipped is no result that stands
    assert project.run(dry_run=True)[1]["skips"].state == "would run"


TRIES = """
[pipelines.main]
on_failure = "tell"
[pipelines.main.steps.tries]
notebook = "tries.ipynb"
retries = 2
retry_wait_s = 0.1
[pipelines.main.steps.slow]
notebook = "slow.ipynb"
cell_timeout_s = 1
[pipelines.main.steps.tell]
notebook = "tell.ipynb"
"""


def test_retries_a_cell_that_takes_too_long_and_the_step_for_failures(project, texts):
    project.notebook(
        "tries.ipynb",
        "from pathlib import Path\nn = len(list(Path().glob('try*')))\nPath(f'try{n}').touch()\nassert n == 1, n",
    )
    project.notebook("slow.ipynb", "import time", "time.sleep(60)")
    project.notebook("tell.ipynb", "# parameters\nfailed = ''\nerror = ''", "print(failed, '|', error)")
    project.toml(TRIES)
    told = []
    with pytest.raises(ExecutionError, match=r"'slow' .*a cell was not done after 1 s \(its cell_timeout_s\)"):
        run_pipeline(project.ws(), progress=told.append)
    run = pipeline_run(project)
    assert statuses(run) == {"tries": "COMPLETED", "slow": "FAILED", "tell": "COMPLETED"}
    children = runs.children(project.ws().store, run.id)
    attempts = [(r.status, r.detail["attempt"]) for r in children if r.name == "tries"]
    assert attempts == [("FAILED", 1), ("COMPLETED", 2)]
    assert [e.why for e in told if e.state == "retrying"] == ["attempt 2 of 3 in 0.1 s"]
    assert texts(project.root / children[-1].detail["executed"]).startswith("slow | step 'slow' (slow.ipynb) failed")


def test_conditions_are_pythons_and_nothing_more() -> None:
    known = {("params", "n"): 3, ("params", "mode"): "full", ("inputs", "t"): {"rows": lambda: 5, "size": 10}}

    def holds(text: str) -> bool:
        return conditions.holds(text, lambda root, name: known[root, name])

    assert holds("params.n > 2 and params.mode in ('full', 'part')")
    assert holds("inputs.t.rows == 5 and inputs.t.size / 2 == 5")
    assert holds("1 < params.n <= 3 and not params.n == 2")
    assert holds("params.n % 2 == 1 or params.none")
    assert not holds("params.n - 3")
    assert not holds("False and params.nothing")
    with pytest.raises(SettingsError, match="can't be told: '<' not supported"):
        holds("params.mode < 3")
    with pytest.raises(SettingsError, match=r"'inputs.t.row' isn't there; did you mean 'rows'"):
        holds("inputs.t.row > 1")
    for text in ("__import__('os')", "params.n.__class__()", "[x for x in 'ab']", "lambda: 1", "params['n']", "f'{1}'"):
        with pytest.raises(SettingsError):
            conditions.names(text)
    assert json.dumps(conditions.names("params.a and inputs.b.rows > metrics.c"))


def test_the_step_for_failures_gets_lists_where_it_asks_for_lists(project, texts):
    project.notebook("n.ipynb", "1")
    project.notebook(
        "tell.ipynb", "# parameters\nfailed = []\nerror: list[str] | None = None", "print(failed, len(error))"
    )
    steps = ['[pipelines.main]\non_failure = "tell"\nparams = { n = 1 }']
    steps += [f'[pipelines.main.steps.{name}]\nnotebook = "n.ipynb"\nwhen = "params.n > []"' for name in ("b", "c")]
    project.toml("\n".join([*steps, '[pipelines.main.steps.tell]\nnotebook = "tell.ipynb"']))
    with pytest.raises(ExecutionError, match="can't be told"):
        run_pipeline(project.ws())
    run = pipeline_run(project)
    assert statuses(run) == {"b": "FAILED", "c": "FAILED", "tell": "COMPLETED"}
    (told,) = runs.children(project.ws().store, run.id)
    assert texts(project.root / told.detail["executed"]) == "['b', 'c'] 2\n"
