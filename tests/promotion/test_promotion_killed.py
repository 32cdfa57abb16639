"""kill -9 at every write and rename of a promotion, a refusal and a rollback: nothing lost, doubled or half-visible."""

from __future__ import annotations

from pathlib import Path

import pytest
from fitted_runs import X, Y, bad, good, run_with, use, workspace
from killed_promotions import TOML
from sklearn.linear_model import Ridge

from kill_points import killed_everywhere
from nbops.core.errors import RefusedError
from nbops.core.models import Action
from nbops.promotion.promote import promote
from nbops.promotion.rollback import rollback
from nbops.registry.serving import serving
from nbops.store import deployments, models
from nbops.workspace import Workspace

HERE = Path(__file__).parent


def whole(ws: Workspace) -> None:
    """What must hold at any moment, whoever was killed when."""
    assert ws.store.integrity() == []
    for name in models.names(ws.store):
        versions = models.versions(ws.store, name)
        assert [v.number for v in versions] == list(range(1, len(versions) + 1))
        moves = [p for p in models.history(ws.store, name) if p.action is not Action.REFUSED]
        assert {p.to_version for p in moves} == {v.number for v in versions}, "a version without its promotion"
        assert models.aliases(ws.store, name) == {"production": moves[-1].to_version}
        for version in versions:
            ws.artifacts.verified(version.artifact)
    for deployment in deployments.listed(ws.store):
        assert serving(ws, deployment).number > 0
    seqs = [e["seq"] for e in ws.store.events_after(0)]
    assert seqs == list(range(1, len(seqs) + 1))


def test_a_first_promotion(tmp_path: Path) -> None:
    template = workspace(tmp_path / "template", TOML)
    run = run_with(template, (use(template, good()),))
    template.store.close()
    seen = set()
    for root, point in killed_everywhere(
        tmp_path / "template", tmp_path / "runs", "killed_promotions:promote_it", path=HERE, arguments={"run": run.id}
    ):
        ws = workspace(root, TOML)
        whole(ws)
        done = bool(models.names(ws.store))
        seen.add(done)
        assert done == (point is None or point.endswith("after COMMIT")), point
        assert bool(deployments.listed(ws.store)) == done
        if point is None or "COMMIT" in point:  # at the other points the store is as it was before
            again = promote(ws, run.id, name="bikes")  # whoever comes next can do it, once
            assert again.to_version == 1
            whole(ws)
            assert len(models.history(ws.store, "rides")) == 1
        ws.store.close()
    assert seen == {True, False}


@pytest.mark.parametrize("refused", [False, True])
def test_a_challenger(tmp_path: Path, refused: bool) -> None:
    template = workspace(tmp_path / "template", TOML)
    promote(template, run_with(template, (use(template, Ridge(alpha=1).fit(X, Y)),)).id, name="bikes")
    run = run_with(template, (use(template, bad() if refused else good()),))
    template.store.close()
    target = "killed_promotions:promote_refused" if refused else "killed_promotions:promote_it"
    for root, point in killed_everywhere(
        tmp_path / "template", tmp_path / "runs", target, path=HERE, arguments={"run": run.id}
    ):
        ws = workspace(root, TOML)
        whole(ws)
        committed = point is None or point.endswith("after COMMIT")
        history = models.history(ws.store, "rides")
        assert len(history) == 1 + committed, point
        assert serving(ws, "bikes").number == (2 if committed and not refused else 1)
        ws.store.close()


def test_a_rollback(tmp_path: Path) -> None:
    template = workspace(tmp_path / "template", TOML)
    for alpha in (1.0, 0.01):
        promote(template, run_with(template, (use(template, Ridge(alpha=alpha).fit(X, Y)),)).id, name="bikes")
    template.store.close()
    for root, point in killed_everywhere(
        tmp_path / "template", tmp_path / "runs", "killed_promotions:roll_back", path=HERE
    ):
        ws = workspace(root, TOML)
        whole(ws)
        committed = point is None or point.endswith("after COMMIT")
        assert serving(ws, "bikes").number == (1 if committed else 2), point
        if not committed:
            rollback(ws, "bikes")
            whole(ws)
        ws.store.close()


def test_a_killed_refusal_is_refused_again(tmp_path: Path) -> None:
    ws = workspace(tmp_path, TOML + "gates = { max = { mae = 0.5 } }\n")
    run = run_with(ws, (use(ws, bad()),))
    for _ in range(2):
        with pytest.raises(RefusedError):
            promote(ws, run.id, name="bikes")
    assert [p.action for p in models.history(ws.store, "rides")] == [Action.REFUSED] * 2
