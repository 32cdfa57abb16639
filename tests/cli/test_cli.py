"""The command line as its user meets it: the list of commands, errors in one sentence, JSON everywhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from nbops.cli.main import main  # noqa: F401  registers the commands
from nbops.cli.program import SECTIONS, program

COMMANDS = {
    "init": set(),
    "demo": set(),
    "doctor": set(),
    "verify": set(),
    "run": set(),
    "params": set(),
    "pipeline": {"list", "run", "show", "status", "infer", "split"},
    "sweep": set(),
    "runs": {"list", "show", "diff", "delete", "restore"},
    "lineage": set(),
    "stale": set(),
    "leakage": set(),
    "slice": set(),
    "reproduce": set(),
    "diff": set(),
    "data": {"list", "show", "diff", "get", "profile", "check", "tag", "describe", "gc"},
    "promote": set(),
    "approve": set(),
    "reject": set(),
    "rollback": set(),
    "models": {"list", "show", "history", "approvals"},
    "deployments": {"list", "show", "add"},
    "score": set(),
    "labels": {"add", "list"},
    "drift": set(),
    "alerts": set(),
    "tick": set(),
    "decisions": set(),
    "schedule": {"add", "list", "pause", "resume", "run-now", "stop", "remove", "history"},
    "worker": set(),
    "plan": set(),
    "apply": set(),
    "export": {"cron", "systemd", "airflow", "argo"},
}
WRITING = {
    "init",
    "demo",
    "run",
    "deployments add",
    "worker",
    "schedule pause",
    "schedule resume",
    "schedule stop",
    "schedule remove",
}


def nbops(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from nbops.cli.main import main; main()", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "nbops.toml").touch()
    return tmp_path


def leaves() -> dict[str, click.Command]:
    found = {}
    for name, command in program.commands.items():
        if isinstance(command, click.Group):
            found |= {f"{name} {sub}": c for sub, c in command.commands.items()}
        else:
            found[name] = command
    return found


def test_the_commands_are_these_and_each_has_a_heading() -> None:
    have = {n: set(c.commands) if isinstance(c, click.Group) else set() for n, c in program.commands.items()}
    assert have == COMMANDS
    assert sorted(name for names in SECTIONS.values() for name in names) == sorted(COMMANDS)


def test_every_reading_command_speaks_json() -> None:
    for name, command in leaves().items():
        options = {o for p in command.params for o in p.opts}
        assert ("--json" in options) == (name not in WRITING), name
        assert command.help, name


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["runs", "show", "zz"], 2, "there is no run 'zz'"),
        (["models", "show", "nothing"], 2, "there is no model 'nothing'; 'nbops promote RUN --name NAME' makes one"),
        (["data", "show", "nothing"], 2, "there is no data 'nothing'"),
        (["verify", "nothing.ipynb"], 2, "nothing.ipynb"),
        (["run", "nothing.ipynb"], 2, "nothing.ipynb"),
        (["promote", "nothing.ipynb", "--name", "x"], 2, "nothing.ipynb"),
        (["score", "nothing", "--input", "x.csv", "--output", "o"], 2, "there is no deployment 'nothing'"),
        (["drift", "nothing"], 2, "there is no deployment 'nothing'"),
        (["pipeline", "run"], 2, "pipeline"),
        (["pipeline", "status"], 2, "no pipeline has run yet; 'nbops pipeline run' runs one"),
        (["sweep", "x.ipynb", "--minimize", "--maximize"], 2, "--minimize and --maximize contradict each other"),
        (["params", "nothing.ipynb"], 2, "nothing.ipynb"),
        (["run", "x.ipynb", "-p", "novalue"], 2, "write it as -p name=value"),
        (["models", "history", "x", "--at", "soon"], 2, "there is no model 'x'"),
        (["reproduce", "zz"], 2, "there is no run 'zz'"),
        (["runs", "list", "--limit", "0"], 2, "'--limit': 0 is not in the range"),
        (["labels", "list", "nothing"], 2, "there is no deployment 'nothing'"),
        (["alerts", "nothing"], 2, "there is no deployment 'nothing'"),
        (["decisions", "nothing"], 2, "there is no deployment 'nothing'"),
        (["schedule", "pause", "nothing"], 2, "there is no schedule 'nothing'"),
        (["schedule", "add", "x", "--every", "1h", "--pipeline", "nothing"], 2, "there is no pipeline 'nothing'"),
        (["schedule", "add", "x", "--pipeline", "nothing"], 2, "on-degradation; none is given"),
        (["runs", "--filter", "mae <", "--kind", "step"], 2, "filter 'mae <': there is no field 'mae'; your own are"),
        (["demo", "--data", "nothing.csv"], 2, "rentals (No such file or directory)"),
        (["nonsense"], 2, "No such command 'nonsense'"),
    ],
)
def test_a_mistake_is_one_sentence_and_its_exit_code(project: Path, words: list[str], code: int, sentence: str) -> None:
    done = nbops(project, *words)
    assert done.returncode == code, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project / ".nbops").exists(), "asking makes nothing"


@pytest.mark.parametrize(
    "words",
    [
        ["runs"],
        ["models"],
        ["deployments"],
        ["labels"],
        ["alerts"],
        ["decisions"],
        ["pipeline"],
        ["data"],
        ["schedule"],
    ],
)
def test_an_empty_project_says_what_to_do(project: Path, words: list[str]) -> None:
    assert "no " in nbops(project, *words).stdout
    answer = json.loads(nbops(project, *words, "--json").stdout)
    assert answer in ([], {})


def test_a_notebook_without_records_is_none_that_holds(project: Path) -> None:
    (project / "a.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    done = nbops(project, "verify", "a.ipynb")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no record in the notebook 'a.ipynb'; run it with tracking on" in done.stderr


def test_help_says_each_thing_to_its_end(project: Path) -> None:
    for words in ([], ["data"], ["runs"], ["export"], ["deployments"], ["models"], ["pipeline"], ["schedule"]):
        text = nbops(project, *words, "--help").stdout
        assert "..." not in text.replace("[ARGS]...", ""), words


def test_a_list_of_some_runs_doesnt_say_that_there_are_none(project: Path) -> None:
    assert "no runs yet" in nbops(project, "runs", "list").stdout
    assert nbops(project, "runs", "list", "--status", "failed").stdout == "no such runs\n"


def test_doctor_closes_a_lost_run_once(project: Path) -> None:
    script = "import os, nbops\nnbops.log_param('a', 1)\nos.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", script], cwd=project, check=False)
    assert nbops(project, "runs").stdout.rstrip().endswith("lost")
    assert nbops(project, "doctor").returncode == 4
    mended = nbops(project, "doctor", "--repair")
    assert (mended.returncode, "closed as LOST" in mended.stdout) == (0, True)
    again = nbops(project, "doctor")
    assert (again.returncode, "all is well" in again.stdout) == (0, True)


def test_init_makes_a_project_once(tmp_path: Path) -> None:
    done = nbops(tmp_path, "init")
    assert done.returncode == 0, done.stderr
    assert ".nbops/" in (tmp_path / ".gitignore").read_text().splitlines()
    again = nbops(tmp_path, "init")
    assert again.returncode == 2
    assert "there already" in again.stderr


def test_what_the_file_system_refuses_is_one_sentence_too(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").mkdir()
    done = nbops(tmp_path, "init")
    assert (done.returncode, done.stderr) == (1, f"nbops: Is a directory: {str(tmp_path / '.gitignore')!r}\n")


def test_doctor_says_which_store_and_why(project: Path) -> None:
    done = nbops(project, "doctor")
    assert done.returncode == 0, done.stderr
    assert "nearest nbops.toml" in done.stdout
    assert "survives kill -9" in done.stdout


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\nfrom nbops.cli.main import main\nsys.argv = ['nbops', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('pandas', 'numpy', 'sklearn', 'papermill', 'nbformat', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


@pytest.mark.parametrize(
    ("words", "params"),
    [
        (["n.ipynb", "-p", "lr", "0.1", "-p", "k=v"], ("lr=0.1", "k=v")),
        (["n.ipynb", "out.ipynb", "-p", "lr=-1", "--parameter", "n", "-3"], ("lr=-1", "n=-3")),
        (["-p", "a", "b c", "n.ipynb"], ("a=b c",)),
        (["n.ipynb", "-p", "text", "x=y"], ("text=x=y",)),
    ],
)
def test_run_takes_papermills_way_to_write_parameters(words: list[str], params: tuple[str, ...]) -> None:
    command = program.commands["run"]
    context = command.make_context("run", list(words))
    assert context.params["params"] == params
    assert str(context.params["notebook"]) == "n.ipynb"


def test_a_group_with_options_only_is_its_list(project: Path) -> None:
    assert json.loads(nbops(project, "runs", "--kind", "step", "--json").stdout) == []
    assert "Commands:" in nbops(project, "runs", "--help").stdout
