"""Where JupyterLab's extension can't be built, an editable install goes on without; a wheel is never made."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def hook(tmp_path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "labextension" / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    class WithoutRegistry(module.LabExtension):  # type: ignore[misc, name-defined]
        def _run(self, words: list[str], environ: dict[str, str]) -> None:
            super()._run(["false"], environ)

    (tmp_path / "src" / "nbops").mkdir(parents=True)
    shutil.copytree(ROOT / "labextension", tmp_path / "labextension", ignore=shutil.ignore_patterns("node_modules"))
    module._npm = lambda: (["npm"], {})
    return WithoutRegistry(str(tmp_path), {}, None, None, str(tmp_path), "wheel")


def test_an_editable_install_goes_on_without(hook: Any, capfd: pytest.CaptureFixture[str]) -> None:
    hook.initialize("editable", {})
    assert hook.bundle.is_dir(), "what is shared from there is looked for"
    assert list(hook.bundle.iterdir()) == []
    assert "the JupyterLab extension could not be built" in capfd.readouterr().err
    assert not hook._current(), "the next install tries again"


def test_a_wheel_is_never_made_without(hook: Any) -> None:
    with pytest.raises(RuntimeError, match="the JupyterLab extension could not be built"):
        hook.initialize("standard", {})
