"""A candidate that passed its gates and waits for a second person: asked, approved, rejected, taken back."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path

import pytest
from fitted_runs import bad, good, run_with, use, workspace
from test_promote_command import nbops

from nbops.core.errors import NbopsError, RefusedError, SettingsError, UnknownNameError, UsageError
from nbops.core.models import Action, ApprovalState, Outcome, Promotion
from nbops.promotion.approval import approve, pending, reject
from nbops.promotion.promote import promote
from nbops.registry.serving import serving
from nbops.store import deployments, models
from nbops.workspace import Workspace

ANYBODY = "[deployments.bikes.gates]\napproval = true\n"
OWNERS = '[deployments.bikes.gates]\napproval = "owner"\n[roles]\nowner = ["carl", "dora"]\n'


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return workspace(tmp_path / "project", ANYBODY)


def as_(ws: Workspace, who: str) -> Workspace:
    return dataclasses.replace(ws, identity=who)


def asked(ws: Workspace, model: object = None) -> Promotion:
    return promote(ws, run_with(ws, (use(ws, model or good()),)).id, name="bikes")


def gate(promotion: Promotion) -> tuple[Outcome, str]:
    return next((r.outcome, r.why) for r in promotion.results if r.gate == "approval")


def test_nothing_moves_before_somebody_else_agrees(ws: Workspace) -> None:
    line = asked(ws)
    assert (line.action, line.to_version, line.by) == (Action.PENDING, None, "ann")
    assert gate(line) == (Outcome.PENDING, "a second person has yet to agree")
    assert models.names(ws.store) == []
    assert deployments.listed(ws.store) == []
    assert [a.id for a in pending(ws)] == [line.id]
    with pytest.raises(RefusedError, match=r"'ann' asked for .* somebody else has to agree"):
        approve(ws, line.id)
    done = approve(as_(ws, "bob"), line.id[:6], why="compared with last year")
    assert (done.action, done.to_version, done.by) == (Action.PROMOTED, 1, "ann")
    assert gate(done) == (Outcome.PASSED, "approved by bob: compared with last year")
    assert serving(ws, "bikes").created_by == "ann"
    assert pending(ws) == []
    (closed,) = pending(ws, closed=True)
    assert (closed.state, closed.decided_by, closed.promotion) == (ApprovalState.APPROVED, "bob", done.id)
    assert [p.action for p in models.history(ws.store, "bikes")] == [Action.PENDING, Action.PROMOTED]
    assert models.aliased_at(ws.store, "bikes", "production", line.at) is None
    with pytest.raises(RefusedError, match="was approved by bob"):
        approve(as_(ws, "carl"), line.id)
    told = [(e["noun"], e["what"]) for e in ws.store.events_after(0) if e["noun"] == "approval"]
    assert told == [("approval", "pending"), ("approval", "approved")]


def test_asking_twice_is_asking_once(ws: Workspace) -> None:
    run = run_with(ws, (use(ws, good()),))
    first = promote(ws, run.id, name="bikes")
    assert promote(ws, run.id, name="bikes") == first
    assert len(pending(ws)) == 1
    promote(ws, run.id, name="bikes", bounds={"max": {"mae": 10}})
    ids = [a.id for a in pending(ws)]
    assert len(ids) == 2
    with pytest.raises(UnknownNameError, match="nbops models approvals"):
        approve(as_(ws, "bob"), "zzzz")
    with pytest.raises(UnknownNameError):
        approve(as_(ws, "bob"), "")


def test_what_a_gate_refuses_waits_for_nobody(tmp_path: Path) -> None:
    ws = workspace(tmp_path, ANYBODY + "max = { mae = 0.5 }\n")
    with pytest.raises(RefusedError, match="metric bound"):
        asked(ws, bad())
    assert pending(ws) == []


def test_rejected_with_a_reason_that_is_recorded(ws: Workspace) -> None:
    line = asked(ws)
    with pytest.raises(UsageError, match="say why"):
        reject(as_(ws, "bob"), line.id, why=" ")
    no = reject(as_(ws, "bob"), line.id, why="the rows are of 2011; password=hunter2secret")
    assert (no.action, no.by, no.to_version) == (Action.REFUSED, "bob", None)
    outcome, why = gate(no)
    assert outcome is Outcome.FAILED
    assert why.startswith("rejected by bob: the rows are of 2011")
    assert "hunter2secret" not in why
    assert models.history(ws.store, "bikes") == [line, no]
    assert models.names(ws.store) == []
    with pytest.raises(RefusedError, match="was rejected by bob"):
        approve(as_(ws, "carl"), line.id)
    again = promote(ws, line.run or "", name="bikes")  # a new request, if somebody insists
    assert again.id != line.id
    assert gate(reject(ws, again.id, why="the wrong run"))[1] == "rejected by ann: the wrong run"  # taken back


def test_approving_judges_again_against_what_is_in_production_by_then(tmp_path: Path) -> None:
    ws = workspace(tmp_path / "project", ANYBODY)
    worse, better = asked(ws, bad()), asked(ws, good())
    assert approve(as_(ws, "bob"), better.id).to_version == 1
    with pytest.raises(RefusedError, match="margin over the champion") as refusal:
        approve(as_(ws, "bob"), worse.id)
    assert gate(refusal.value.promotion) == (Outcome.PASSED, "approved by bob")
    assert serving(ws, "bikes").number == 1
    assert [a.state for a in pending(ws, closed=True)] == [ApprovalState.REFUSED, ApprovalState.APPROVED]


def test_only_those_of_the_role_decide(tmp_path: Path) -> None:
    ws = workspace(tmp_path, OWNERS)
    line = asked(ws)
    assert gate(line)[1] == "a second person of the role 'owner' has yet to agree"
    for act in (lambda w: approve(w, line.id), lambda w: reject(w, line.id, why="no")):
        with pytest.raises(RefusedError, match="'bob' isn't of it"):
            act(as_(ws, "bob"))
    own = promote(as_(ws, "dora"), line.run or "", name="bikes", bounds={"max": {"mae": 10}})
    with pytest.raises(RefusedError, match="'dora' asked"):
        approve(as_(ws, "dora"), own.id)
    assert approve(as_(ws, "dora"), line.id).to_version == 1


def test_a_role_that_nobody_defined_is_an_error_that_says_so(tmp_path: Path) -> None:
    ws = workspace(tmp_path, ANYBODY.replace("true", '"lead"'))
    line = asked(ws)
    with pytest.raises(SettingsError, match=r"'lead', which it doesn't define; add \[roles\] lead"):
        approve(as_(ws, "bob"), line.id)


def test_another_deployment_of_the_same_alias_is_no_way_round(ws: Workspace) -> None:
    approve(as_(ws, "bob"), asked(ws, bad()).id)
    run = run_with(ws, (use(ws, good()),))
    line = promote(ws, run.id, name="trams", model="bikes")
    assert line.action is Action.PENDING
    assert serving(ws, "bikes").number == 1


def test_two_who_agree_at_once_promote_once(ws: Workspace) -> None:
    line = asked(ws)
    answers: list[object] = []

    def agree(who: str) -> None:
        try:
            answers.append(approve(as_(ws, who), line.id))
        except NbopsError as error:
            answers.append(error)

    threads = [threading.Thread(target=agree, args=(who,)) for who in ("bob", "carl")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(models.versions(ws.store, "bikes")) == 1
    assert [p.action for p in models.history(ws.store, "bikes")] == [Action.PENDING, Action.PROMOTED]
    assert len([a for a in answers if isinstance(a, Promotion)]) >= 1
    assert pending(ws, closed=True)[0].state is ApprovalState.APPROVED


def test_by_command(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_with(ws, (use(ws, good()),))
    monkeypatch.setenv("NBOPS_IDENTITY", "ann")
    done = nbops(ws, "promote", run.id, "--name", "bikes")
    assert done.returncode == 0, done.stderr
    line = pending(ws)[0]
    assert f"'nbops approve {line.id[:6]}'" in done.stdout
    assert "… approval" in done.stdout
    listed = nbops(ws, "models", "approvals")
    assert line.id[:6] in listed.stdout
    assert "bikes@production" in listed.stdout
    assert nbops(ws, "approve", line.id).returncode == 3
    monkeypatch.setenv("NBOPS_IDENTITY", "bob")
    agreed = nbops(ws, "approve", line.id)
    assert agreed.returncode == 0, agreed.stderr
    assert "bikes version 1 is production now, deployed as bikes" in agreed.stdout
    assert "nothing waits for approval" in nbops(ws, "models", "approvals").stdout
    assert nbops(ws, "reject", line.id, "--why", "late").returncode == 3
