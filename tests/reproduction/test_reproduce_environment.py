"""The packages it ran with: compared, built, from the cache; and what can't be built. The wheels are made here, the
venvs and kernels are real."""

from __future__ import annotations

import dataclasses
import hashlib
import zipfile
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest
from test_reproduce_bikes import nbops

from nbops.core.errors import ExecutionError
from nbops.core.reproduction import Environment, Verdict
from nbops.core.runs import Run
from nbops.pipeline.execute import run_notebook
from nbops.reproduction import environment
from nbops.reproduction.reproduce import reproduce
from nbops.store import runs
from nbops.workspace import Workspace

OLDER = "1.12.3"


def wheel(folder: Path, name: str, version: str) -> None:
    """A wheel of one module that says its version."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"__version__ = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = {p: urlsafe_b64encode(hashlib.sha256(t.encode()).digest()).decode().rstrip("=") for p, t in files.items()}
    listed = [f"{p},sha256={digests[p]},{len(text)}\n" for p, text in files.items()]
    files[f"{info}/RECORD"] = "".join([*listed, f"{info}/RECORD,,\n"])
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)


@pytest.fixture(autouse=True)
def only_these_wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installers find what this test made, and nothing else."""
    place = tmp_path.parent / f"{tmp_path.name}-wheels"
    wheel(place, "six", OLDER)
    wheel(place, "nbops_test_absent", "1.0")
    for name, value in {
        "UV_FIND_LINKS": str(place),
        "PIP_FIND_LINKS": str(place),
        "UV_NO_INDEX": "1",
        "PIP_NO_INDEX": "1",
        "UV_OFFLINE": "1",
        "UV_CACHE_DIR": str(tmp_path.parent / f"{tmp_path.name}-cache"),
    }.items():
        monkeypatch.setenv(name, value)


def saying(ws: Workspace, run: Run, **packages: str) -> Run:
    """The run, with other packages in its record."""
    changed = dataclasses.replace(run, environment={**run.environment, "packages": packages})
    with ws.store.transaction() as tx:
        runs.save(tx, changed)
    return changed


@pytest.mark.slow
def test_a_run_with_another_version_is_the_same_only_in_an_environment_that_has_it(project) -> None:
    ws = project.ws()
    notebook = project.notebook(
        "n.ipynb", "import nbops, six", "nbops.log_metric('minor', int(six.__version__.split('.')[1]))"
    )
    made = environment.overlay(ws, {"six": OLDER})
    assert made.versions == {"six": OLDER}
    with made.kernel() as kernel:
        run = run_notebook(ws, notebook, kernel=kernel, require_tracking=True)
    assert run.environment["packages"]["six"] == OLDER

    checked = nbops(project.root, "reproduce", run.id)
    assert checked.returncode == 4, checked.stderr
    assert f"environment: six {OLDER} then, " in checked.stdout
    assert "metric 'minor'" in checked.stdout
    ignored = reproduce(ws, run.id, env=Environment.IGNORE)
    assert (ignored.verdict, ignored.environment) == (Verdict.DIFFERENT, ())

    built = nbops(project.root, "reproduce", run.id, "--env", "build")
    assert built.returncode == 0, built.stdout + built.stderr
    assert f"environment packages: built with six {OLDER}, in {made.folder}" in built.stdout  # the cached one
    assert "then," not in built.stdout
    assert [p.name for p in (ws.home / environment.FOLDER).iterdir()] == [made.folder.name]


@pytest.mark.slow
def test_a_package_that_is_not_installed_is_missing_only_until_it_is_built(project) -> None:
    ws = project.ws()
    notebook = project.notebook("n.ipynb", "import nbops, nbops_test_absent", "nbops.log_metric('one', 1)")
    with environment.overlay(ws, {"nbops_test_absent": "1.0"}).kernel() as kernel:
        run = run_notebook(ws, notebook, kernel=kernel, require_tracking=True)

    without = reproduce(ws, run.id)
    assert without.verdict is Verdict.COULD_NOT
    assert without.why.endswith("ModuleNotFoundError: No module named 'nbops_test_absent'")  # and no path that isn't
    assert [(e.name, e.now) for e in without.environment] == [("nbops_test_absent", "not installed")]

    built = reproduce(ws, run.id, env=Environment.BUILD)
    assert (built.verdict, built.environment) == (Verdict.IDENTICAL, ())


def test_what_can_not_be_installed_is_said_and_nothing_is_executed(project) -> None:
    ws = project.ws()
    run = saying(ws, run_notebook(ws, project.notebook("n.ipynb", "x = 1")), six="0.0.7")
    done = nbops(project.root, "reproduce", run.id, "--env", "build")
    assert done.returncode == 1
    assert "the environment can't be built: six==0.0.7 could not be installed (" in done.stderr
    assert "cell 1" not in done.stdout
    assert list((ws.home / environment.FOLDER).iterdir()) == []


def test_pip_installs_where_there_is_no_uv(project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    made = environment.overlay(project.ws(), {"six": OLDER})
    assert made.folder is not None
    assert next(made.folder.glob("lib/python*/site-packages/six.py")).read_text() == f"__version__ = {OLDER!r}\n"


def test_what_is_there_already_needs_no_environment_and_what_is_unknown_has_none(project) -> None:
    import six

    ws = project.ws()
    run = project.session(("x = 1", {}))
    assert environment.build(ws, saying(ws, run, six=six.__version__, nbops="0.0.1")).folder is None
    # a package of the workspace's own is not asked of a registry
    own = environment.build(ws, saying(ws, run, mine="3.1", six=six.__version__), imported={"mine"}, local={"mine"})
    assert own.folder is None
    # nor is one that came inside another package; one that the notebook imports is
    vendored = saying(ws, run, vendored="3.1", six=six.__version__)
    assert environment.build(ws, vendored).folder is None
    with pytest.raises(ExecutionError, match=r"vendored==3\.1 could not be installed"):
        environment.build(ws, vendored, imported={"vendored"})
    with pytest.raises(ExecutionError, match="which packages it ran with isn't known"):
        environment.build(ws, None)
    older = dataclasses.replace(run, environment={"python": "3.7.2", "packages": {"six": "1.0"}})
    with pytest.raises(ExecutionError, match=r"it ran on Python 3\.7\.2.*install nbops for Python 3\.7"):
        environment.build(ws, older)
    had = saying(ws, run, six="1.0", no_such_package="2.0", vendored="1.0")
    (gone,) = environment.not_installed(had, {"six", "no_such_package"})
    assert (gone.name, gone.then, gone.now) == ("no_such_package", "2.0", "not installed")
