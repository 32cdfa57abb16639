"""A loop that fits many models keeps the last, and what is known of the others; unless told otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
from instrumented_cells import PREPARE, Cells

from nbops.capture.instruments import Observations
from nbops.core.canonical import parse
from nbops.core.errors import SettingsError
from nbops.workspace import open_workspace

LOOP = """
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error as mae
for i in range({n}):
    model = Ridge(alpha=1.0 + i).fit(train[["a"]], train["y"])
    error = mae(test["y"], model.predict(test[["a"]]))
"""


def ran(folder: Path, source: str, keep: str | None = None) -> tuple[Cells, Observations]:
    (folder / "nbops.toml").write_text(f"[capture]\nkeep_models = '{keep}'\n" if keep else "")
    cells = Cells(folder)
    try:
        cells.plain(PREPARE)
        return cells, cells.run(source)
    finally:
        cells.instruments.uninstall()


def test_of_a_thousand_models_the_last_is_kept_and_the_metadata_of_all(tmp_path: Path) -> None:
    cells, seen = ran(tmp_path, LOOP.format(n=1000))
    assert [m.params["alpha"] for m in seen.models if m.digest] == [1000.0]
    models = [a for a in seen.artifacts if a.kind == "model"]
    assert len(models) == 1 and len(list(cells.workspace.artifacts.digests())) < 10
    (kept,) = [a for a in seen.artifacts if a.kind == "fits"]
    fits = parse(cells.workspace.artifacts.read_bytes(kept.digest).decode())
    assert [f["params"]["alpha"] for f in fits] == [1.0 + i for i in range(1000)]
    assert all(f["type"].endswith("Ridge") and f["line"] == 5 for f in fits) and fits[0]["trained_on"]
    assert all(0 < f["metrics"]["mean_absolute_error"] < 10 for f in fits)
    assert [f["model"] for f in fits][-1] == models[0].digest and not any(f["model"] for f in fits[:-1])
    assert any("1000 models were fitted, 999 of them not kept" in note for note in seen.notes)


def test_all_of_them_are_kept_where_that_is_asked_for(tmp_path: Path) -> None:
    _, seen = ran(tmp_path, LOOP.format(n=30), "all")
    assert [m.params["alpha"] for m in seen.models] == [1.0 + i for i in range(30)]
    assert len({m.digest for m in seen.models}) == 30 and None not in {m.digest for m in seen.models}
    assert all(m.metrics["mean_absolute_error"] > 0 for m in seen.models)
    assert seen.models[-1].name == "model"
    assert not [a for a in seen.artifacts if a.kind == "fits"] and not any("not kept" in n for n in seen.notes)


def test_none_of_them(tmp_path: Path) -> None:
    _, seen = ran(tmp_path, LOOP.format(n=3), "none")
    assert not [a for a in seen.artifacts if a.kind == "model"]
    (kept,) = [a for a in seen.artifacts if a.kind == "fits"]
    assert kept.about == {"fits": 3}


def test_another_word_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "nbops.toml").write_text("[capture]\nkeep_models = 'some'\n")
    with pytest.raises(SettingsError, match="'some' is not 'last', 'all' or 'none'"):
        open_workspace(tmp_path, environ={})
