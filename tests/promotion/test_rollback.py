"""Back, further back, and what the history says afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
from fitted_runs import START, X, Y, bad, run_with, use, workspace
from sklearn.linear_model import Ridge

from nbops.core.errors import CorruptArtifactError, RefusedError, UnknownNameError, UsageError
from nbops.core.models import Action
from nbops.promotion.deploy import deploy
from nbops.promotion.promote import promote
from nbops.promotion.rollback import rollback
from nbops.registry.serving import serving
from nbops.store import models
from nbops.workspace import Workspace


def promoted(ws: Workspace, alpha: float) -> int:
    run = run_with(ws, (use(ws, Ridge(alpha=alpha).fit(X, Y)),))
    return promote(ws, run.id, name="bikes").to_version or 0


def test_back_and_further_back_and_forth_only_when_asked(tmp_path: Path) -> None:
    ws = workspace(tmp_path)
    assert [promoted(ws, alpha) for alpha in (1000.0, 100.0, 10.0)] == [1, 2, 3]
    first = rollback(ws, "bikes")
    assert (first.action, first.from_version, first.to_version, first.by) == (Action.ROLLED_BACK, 3, 2, "ann")
    assert rollback(ws, "bikes").to_version == 1
    with pytest.raises(UsageError, match="has had no version before 1"):
        rollback(ws, "bikes")
    assert rollback(ws, "bikes", to=3).to_version == 3
    with pytest.raises(UsageError, match="is version 3 already"):
        rollback(ws, "bikes", to=3)
    with pytest.raises(UsageError, match="version 9 was never bikes@production; these were: 1, 2, 3"):
        rollback(ws, "bikes", to=9)
    with pytest.raises(UnknownNameError, match="no deployment 'bike'; did you mean 'bikes'"):
        rollback(ws, "bike")
    assert serving(ws, "bikes").number == 3
    assert promoted(ws, 1.0) == 4  # numbers are never used again

    history = models.history(ws.store, "bikes")
    assert [(p.from_version, p.to_version) for p in history] == [
        (None, 1),
        (1, 2),
        (2, 3),
        (3, 2),
        (2, 1),
        (1, 3),
        (3, 4),
    ]
    at = [models.aliased_at(ws.store, "bikes", "production", p.at) for p in history]
    assert at == [1, 2, 3, 2, 1, 3, 4]
    assert models.aliased_at(ws.store, "bikes", "production", START) is None


def test_a_refusal_is_no_version_to_go_back_to(tmp_path: Path) -> None:
    ws = workspace(tmp_path)
    promoted(ws, 0.1)
    with pytest.raises(RefusedError):
        promote(ws, run_with(ws, (use(ws, bad()),)).id, name="bikes")
    with pytest.raises(UsageError, match="no version before"):
        rollback(ws, "bikes")


def test_an_older_run_promoted_again_gets_its_own_version_back(tmp_path: Path) -> None:
    ws = workspace(tmp_path)
    old = run_with(ws, (use(ws, Ridge(alpha=10.0).fit(X, Y)),))
    promote(ws, old.id, name="bikes")
    promoted(ws, 1.0)
    elsewhere = promote(ws, old.id, name="bikes", to="staging")
    assert (elsewhere.to_version, elsewhere.alias) == (1, "staging")
    assert models.aliases(ws.store, "bikes") == {"production": 2, "staging": 1}
    assert len(models.versions(ws.store, "bikes")) == 2
    assert serving(ws, "bikes").number == 2  # a deployment isn't moved to another alias by the way


def test_damaged_or_pinned_is_not_rolled_back(tmp_path: Path) -> None:
    ws = workspace(tmp_path)
    promoted(ws, 100.0)
    promoted(ws, 1.0)
    deploy(ws, "frozen", "bikes", version=1)
    with pytest.raises(UsageError, match="pinned to bikes version 1"):
        rollback(ws, "frozen")
    path = ws.artifacts.path(models.get(ws.store, "bikes", 1).artifact)
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    with pytest.raises(CorruptArtifactError):
        rollback(ws, "bikes")
    assert serving(ws, "bikes").number == 2
