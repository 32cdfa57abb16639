"""One resolver for everybody: wherever a face starts, it finds the same store."""

from __future__ import annotations

from pathlib import Path

import pytest

from nbops.core.errors import SettingsError
from nbops.workspace import find, open_workspace, relative


def test_the_nearest_toml_wins_then_the_store_then_git(tmp_path: Path) -> None:
    deep = tmp_path / "repo" / "project" / "notebooks"
    deep.mkdir(parents=True)
    (tmp_path / "repo" / ".git").mkdir()
    assert find(deep, {}).home == tmp_path / "repo" / ".nbops"
    (tmp_path / "repo" / "project" / "nbops.toml").touch()
    assert find(deep, {}).home == tmp_path / "repo" / "project" / ".nbops"
    (deep / ".nbops").mkdir()
    assert find(deep, {}).home == deep / ".nbops"
    assert "nearest store" in find(deep, {}).why


def test_a_notebook_a_server_and_a_shell_find_the_same_store(tmp_path: Path) -> None:
    (tmp_path / "nbops.toml").touch()
    notebook = tmp_path / "a" / "b" / "n.ipynb"
    notebook.parent.mkdir(parents=True)
    notebook.write_text("{}")
    starts = [notebook, notebook.parent, tmp_path / "a", tmp_path]
    assert len({find(start, {}).database for start in starts}) == 1


def test_the_environment_goes_first(tmp_path: Path) -> None:
    (tmp_path / "nbops.toml").touch()
    place = find(tmp_path, {"NBOPS_HOME": str(tmp_path / "elsewhere")})
    assert (place.root, place.home) == (tmp_path, tmp_path / "elsewhere")
    place = find(tmp_path, {"NBOPS_STORE": f"sqlite:///{tmp_path}/x.db"})
    assert place.database == tmp_path / "x.db"
    place = find(tmp_path, {"NBOPS_STORE": "postgresql://me@db/x"})
    assert (place.database, place.home) == ("postgresql://me@db/x", tmp_path / ".nbops")
    with pytest.raises(
        SettingsError, match=r"mysql://me:\[redacted\]@db/x.*give a path, sqlite:///PATH or postgresql://"
    ):
        find(tmp_path, {"NBOPS_STORE": "mysql://me:hunter2@db/x"})


def test_without_anything_the_users_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    lonely = tmp_path / "lonely"
    lonely.mkdir()
    place = find(lonely, {})
    assert place.home == tmp_path / "share" / "nbops"
    assert "user's data folder" in place.why
    ws = open_workspace(lonely, environ={})
    assert relative(ws, lonely / "train.ipynb") == str(lonely / "train.ipynb"), "folders share this store"


def test_opening_makes_nothing(tmp_path: Path) -> None:
    (tmp_path / "nbops.toml").write_text('[store]\nartifacts = "kept"\ndurability = "full"\n')
    ws = open_workspace(tmp_path, environ={})
    assert ws.artifacts.root == tmp_path / "kept"
    assert ws.store.durability == "full"
    assert [p.name for p in tmp_path.iterdir()] == ["nbops.toml"]
    assert relative(ws, tmp_path / "a" / "b.csv") == "a/b.csv"
    assert relative(ws, Path("/somewhere/b.csv")) == "/somewhere/b.csv"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[stor]\n", "unknown key 'stor'; did you mean 'store'?"),
        ("[store]\nkeep_under_mb = 'x'\n", "keep_under_mb: expected float, got 'x'"),
        ("[pipelines.p.steps.a]\nparams = {}\n", "'notebook' is missing"),
        ("[deployments.d.gates]\nmaxx = {}\n", "did you mean 'max'?"),
        ("[deployments.d]\nkey = 'id'\n", "expected a list, got 'id'"),
        ("[deployments.d.triggers]\ndrift = 1\n", "expected bool, got 1"),
        ("not toml", "not valid TOML"),
        ("[store]\ndurability = 'some'\n", "neither 'normal' nor 'full'"),
    ],
)
def test_settings_that_make_no_sense_are_said(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "nbops.toml").write_text(text)
    with pytest.raises(SettingsError) as error:
        open_workspace(tmp_path, environ={})
    assert sentence in str(error.value)
