"""Candidate → gates → version, alias, deployment; and what is refused."""

from __future__ import annotations

import dataclasses
import math
import multiprocessing
import traceback
from pathlib import Path
from typing import Any

import pytest
from fitted_runs import NAMES, Tripling, X, Y, bad, evaluation, good, run_with, signature, use, workspace
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from nbops.core import wire
from nbops.core.errors import (
    CorruptArtifactError,
    RefusedError,
    SettingsError,
    UntrustedModelError,
    UsageError,
)
from nbops.core.models import Action, Outcome, Promotion
from nbops.core.runs import Run
from nbops.promotion.deploy import deploy
from nbops.promotion.judge import ORDER
from nbops.promotion.promote import promote
from nbops.promotion.reference import reference
from nbops.registry.loading import load_version
from nbops.registry.serving import serving
from nbops.store import deployments, models, records
from nbops.workspace import Workspace

TOML = """
[deployments.bikes]
model = "rides"
metric = "mae"
gates = { max = { mean_absolute_error = 0.5 } }
"""


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return workspace(tmp_path / "project", TOML)


def outcomes(promotion: Promotion) -> dict[str, str]:
    return {r.gate: r.outcome.value for r in promotion.results}


def a_run(ws: Workspace, model: Any, **changes: Any) -> Run:
    return run_with(ws, (use(ws, model, **changes),))


def test_a_good_candidate_becomes_version_alias_and_deployment(ws: Workspace) -> None:
    run = a_run(ws, good())
    done = promote(ws, run.id[:6], name="bikes")
    assert outcomes(done) == {
        "metric bound": "passed",
        "margin over the champion": "passed",
        "signature": "passed",
        "smoke score": "passed",
        "trusted types": "passed",
        "leakage": "not checked",
        "fairness slices": "not checked",
        "reproducibility": "not checked",
        "approval": "not checked",
    }
    assert tuple(outcomes(done)) == ORDER
    assert (done.action, done.model, done.alias, done.from_version, done.to_version) == (
        Action.PROMOTED,
        "rides",
        "production",
        None,
        1,
    )
    version = serving(ws, "bikes")
    assert (version.number, version.run, version.created_by, version.judged) == (1, run.id, "ann", None)
    assert version.metrics["mean_absolute_error"] == pytest.approx(0.08, abs=0.02)
    assert version.libraries["sklearn"]
    assert version.signature == signature()
    assert load_version(ws, version).predict(X) == pytest.approx(good().predict(X))
    assert models.history(ws.store, "rides") == [done]
    assert deployments.get(ws.store, "bikes").alias == "production"
    assert reference(ws, "bikes") == ("mean_absolute_error", version.metrics["mean_absolute_error"])


def test_promoting_the_same_again_does_nothing_twice(ws: Workspace) -> None:
    run = a_run(ws, good())
    first = promote(ws, run.id, name="bikes")
    assert promote(ws, run.id, name="bikes") == first
    assert len(models.versions(ws.store, "rides")) == len(models.history(ws.store, "rides")) == 1


def test_a_bound_refuses_and_says_what_was_asked_and_seen(ws: Workspace) -> None:
    run = a_run(ws, bad())
    with pytest.raises(RefusedError, match="'metric bound'") as refusal:
        promote(ws, run.id, name="bikes")
    said = str(refusal.value)
    assert "asked was at most 0.5" in said
    assert "mean_absolute_error is" in said
    refused = refusal.value.promotion
    assert refused.action is Action.REFUSED
    assert (refused.to_version, refused.run) == (None, run.id)
    assert outcomes(refused)["smoke score"] == "passed"  # the report is whole
    assert models.history(ws.store, "rides") == [refused]
    assert models.names(ws.store) == []
    assert deployments.listed(ws.store) == []


def test_refused_then_accepted_under_other_bounds_given_on_top(ws: Workspace) -> None:
    run = a_run(ws, bad())
    with pytest.raises(RefusedError):
        promote(ws, run.id, name="bikes")
    done = promote(ws, run.id, name="bikes", bounds={"max": {"mae": 50}, "min": {"r2": -5}})
    assert done.to_version == 1
    assert "r2_score" in serving(ws, "bikes").metrics
    assert [p.action for p in models.history(ws.store, "rides")] == [Action.REFUSED, Action.PROMOTED]


def test_a_worse_challenger_leaves_the_champion_where_it_is(ws: Workspace) -> None:
    promote(ws, a_run(ws, good()).id, name="bikes")
    worse = a_run(ws, Ridge(alpha=10).fit(X, Y))
    with pytest.raises(RefusedError, match=r"margin over the champion.*not worse than that of version 1") as refusal:
        promote(ws, worse.id, name="bikes")
    assert refusal.value.promotion.from_version == 1
    assert serving(ws, "bikes").number == 1
    assert len(models.versions(ws.store, "rides")) == 1


def test_a_margin_that_is_asked_must_be_reached(tmp_path: Path) -> None:
    ws = workspace(tmp_path, TOML.replace("gates = {", "gates = { margin = 0.5,"))
    promote(ws, a_run(ws, Ridge(alpha=10).fit(X, Y)).id, name="bikes")
    slightly = a_run(ws, Ridge(alpha=9).fit(X, Y))
    with pytest.raises(RefusedError, match=r"at least 50\.0% smaller"):
        promote(ws, slightly.id, name="bikes")
    assert promote(ws, a_run(ws, good()).id, name="bikes").to_version == 2


def test_both_are_scored_on_the_candidates_rows_now(ws: Workspace) -> None:
    promote(ws, a_run(ws, good()).id, name="bikes")
    other_world = (X, -Y)
    run = a_run(ws, Ridge().fit(X, -Y), rows=other_world)
    values = next(r.values for r in promote(ws, run.id, name="bikes").results if r.gate.startswith("margin"))
    assert values["champion"] > 1 > values["candidate"]
    assert values["rows"] == len(X)


def test_a_refit_is_judged_by_the_model_it_is_the_refit_of(ws: Workspace) -> None:
    judged = use(ws, Ridge(alpha=0.01).fit(X[:100], Y[:100]), rows=(X[100:], Y[100:]))
    other = use(ws, Ridge(alpha=5.0).fit(X[:100], Y[:100]), rows=(X[100:], -Y[100:]))
    refit = use(ws, Ridge(alpha=0.01).fit(X, Y), rows=None)
    run = run_with(ws, (judged,), (other,), (refit,))
    promote(ws, run.id, name="bikes")
    version = serving(ws, "bikes")
    assert (version.artifact, version.judged, version.evaluation) == (refit.digest, judged.digest, judged.evaluation)
    assert version.metrics["mean_absolute_error"] == pytest.approx(judged.metrics["mean_absolute_error"])


def test_without_rows_nothing_passes(ws: Workspace) -> None:
    with pytest.raises(RefusedError, match="no rows were kept") as refusal:
        promote(ws, a_run(ws, good(), rows=None).id, name="bikes")
    assert {g for g, o in outcomes(refusal.value.promotion).items() if o == "failed"} == {
        "metric bound",
        "margin over the champion",
        "signature",
        "smoke score",
    }


def test_nan_never_passes(ws: Workspace) -> None:
    run = run_with(ws, (use(ws, good(), evaluation=evaluation(ws, X, Y.mask(Y > 3))),))
    with pytest.raises(RefusedError, match="mean_absolute_error has no value") as refusal:
        promote(ws, run.id, name="bikes")
    (kept,) = models.history(ws.store, "rides")
    assert outcomes(kept) == outcomes(refusal.value.promotion)
    assert math.isnan(next(r.values["candidate"] for r in kept.results if r.gate.startswith("margin")))


def test_a_bound_on_a_metric_that_nobody_logged_fails(ws: Workspace) -> None:
    with pytest.raises(RefusedError, match="latency_ms has no value"):
        promote(ws, a_run(ws, good()).id, name="bikes", bounds={"max": {"latency_ms": 5}})


def test_a_misspelt_metric_decides_nothing(tmp_path: Path) -> None:
    ws = workspace(tmp_path, TOML.replace('metric = "mae"', 'metric = "mea"'))
    run = a_run(ws, good())
    with pytest.raises(SettingsError, match="'mea' is not known; did you mean"):
        promote(ws, run.id, name="bikes")
    with pytest.raises(RefusedError, match=r"mea has no value \(the run logged none.*did you mean"):
        promote(ws, run.id, name="other", bounds={"max": {"mea": 5}})
    assert models.names(ws.store) == []


def test_the_signature_may_ask_for_less_and_not_for_more(ws: Workspace) -> None:
    promote(ws, a_run(ws, good()).id, name="bikes")
    wider = X.assign(d=1.0)
    more = a_run(ws, Ridge(alpha=1e-6).fit(wider, Y), rows=(wider, Y))
    with pytest.raises(RefusedError, match=r"it asks for 'd', which the champion doesn't"):
        promote(ws, more.id, name="bikes")
    text = wire.to_json(signature(inputs=tuple(dataclasses.replace(f, type="boolean") for f in signature().inputs)))
    with pytest.raises(RefusedError, match=r"'a' must be boolean, the champion takes number"):
        promote(ws, a_run(ws, good(1), signature=text).id, name="bikes")
    with pytest.raises(RefusedError, match="no signature was recorded"):
        promote(ws, a_run(ws, good(2), signature=None).id, name="bikes")


def test_rows_that_lack_a_column_are_named(ws: Workspace) -> None:
    run = run_with(ws, (use(ws, good(), evaluation=evaluation(ws, X[["a", "c"]], Y)),))
    with pytest.raises(RefusedError, match="they lack 'b'") as refusal:
        promote(ws, run.id, name="bikes")
    assert outcomes(refusal.value.promotion)["smoke score"] == "failed"


def test_a_model_that_only_works_here_fails_the_smoke_score(ws: Workspace) -> None:
    run = a_run(ws, Tripling().fit(X, Y))
    name = f"{Tripling.__module__}.Tripling"
    with pytest.raises(RefusedError, match="smoke score") as refusal:
        promote(ws, run.id, name="bikes", allow_types=[name], why="it is mine")
    # its module isn't importable in a clean process
    assert outcomes(refusal.value.promotion)["trusted types"] == "passed"


def test_untrusted_types_are_refused_then_allowed_with_who_and_why(ws: Workspace) -> None:
    model = make_pipeline(FunctionTransformer(abs), good()).fit(X, Y)
    run = run_with(ws, (use(ws, model, signature=wire.to_json(signature(NAMES))),))
    with pytest.raises(UntrustedModelError, match=r"--allow-type builtins\.abs") as refusal:
        promote(ws, run.id, name="bikes")
    assert refusal.value.types == ("builtins.abs",)
    assert refusal.value.promotion.action is Action.REFUSED
    with pytest.raises(UsageError, match="--why"):
        promote(ws, run.id, name="bikes", allow_types=["builtins.abs"])
    promote(
        ws,
        run.id,
        name="bikes",
        allow_types=["builtins.abs", "os.system"],
        why="just arithmetic",
        bounds={"max": {"mae": 50}},
    )
    version = serving(ws, "bikes")
    assert (version.allowed_types, version.allowed_by, version.allowed_why) == (
        ("builtins.abs",),
        "ann",
        "just arithmetic",
    )
    assert load_version(ws, version).predict(X) == pytest.approx(model.predict(X))
    with pytest.raises(UntrustedModelError, match="who allowed"):
        load_version(ws, dataclasses.replace(version, allowed_why=None))


def test_a_pickle_needs_a_yes_too(ws: Workspace) -> None:
    run = a_run(ws, good(), format="pickle")
    with pytest.raises(UntrustedModelError, match="pickle"):
        promote(ws, run.id, name="bikes")
    promote(ws, run.id, name="bikes", allow_types=["pickle"], why="made here an hour ago")
    version = serving(ws, "bikes")
    assert (version.format, version.allowed_types) == ("pickle", ("pickle",))
    assert load_version(ws, version).predict(X) == pytest.approx(good().predict(X))
    with pytest.raises(UntrustedModelError, match="pickle"):
        load_version(ws, dataclasses.replace(version, allowed_types=()))


def _damage(ws: Workspace, digest: str | None) -> None:
    path = ws.artifacts.path(digest or "")
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"x")


def test_a_corrupt_candidate_is_an_error_and_leaves_no_trace(ws: Workspace) -> None:
    model = use(ws, good())
    run = run_with(ws, (model,))
    for digest in (model.digest, model.evaluation):
        _damage(ws, digest)
        with pytest.raises(CorruptArtifactError, match="is damaged"):
            promote(ws, run.id, name="bikes")
    assert models.history(ws.store, "rides") == []


def test_a_corrupt_champion_is_never_beaten_silently(ws: Workspace) -> None:
    promote(ws, a_run(ws, good()).id, name="bikes")
    _damage(ws, serving(ws, "bikes").artifact)
    with pytest.raises(RefusedError, match=r"champion, version 1, can't be loaded.*roll back"):
        promote(ws, a_run(ws, good(1)).id, name="bikes")
    with pytest.raises(CorruptArtifactError):
        load_version(ws, serving(ws, "bikes"))


def test_a_notebook_rerun_is_promoted_by_the_run_it_gives(ws: Workspace) -> None:
    made: list[str] = []

    def rerun(source: str) -> Run:
        made.append(source)
        return a_run(ws, good())

    done = promote(ws, "train.ipynb", name="bikes", rerun=rerun, cause="d1")
    assert made == ["train.ipynb"]
    assert done.cause == "d1"


def test_a_pinned_deployment_is_not_moved_by_promoting(ws: Workspace) -> None:
    promote(ws, a_run(ws, good()).id, name="bikes")
    frozen = deploy(ws, "frozen", "rides", version=1)
    assert deploy(ws, "frozen", "rides", version=1) == frozen
    with pytest.raises(UsageError, match="pinned"):
        promote(ws, a_run(ws, good(1)).id, name="frozen")
    assert serving(ws, "frozen").number == 1
    assert reference(ws, "frozen") == reference(ws, "bikes")
    with pytest.raises(UsageError, match="not both"):
        deploy(ws, "x", "rides", alias="a", version=1)
    with pytest.raises(UsageError, match="no model 'ridez'"):
        deploy(ws, "x", "ridez")
    with pytest.raises(UsageError, match="rides/9"):
        deploy(ws, "x", "rides", version=9)


def test_a_reference_that_is_set_wins(tmp_path: Path) -> None:
    ws = workspace(tmp_path, TOML + "triggers = { reference = 7.5 }\n")
    promote(ws, a_run(ws, good()).id, name="bikes")
    assert reference(ws, "bikes") == ("mean_absolute_error", 7.5)


def _promote_there(root: Path, run: str, identity: str, start: Any, answers: Any) -> None:
    try:
        there = workspace(root, TOML, identity)
        start.wait(60)
        answers.put(("promoted", promote(there, run, name="bikes").to_version))
    except RefusedError:
        answers.put(("refused", None))
    except BaseException:  # noqa: BLE001 - the test shows it
        answers.put(("error", traceback.format_exc()))


def test_two_promoters_at_once_judge_one_after_the_other(ws: Workspace) -> None:
    """The better one is champion at the end, whoever was first; the worse one was either refused or overtaken."""
    better, worse = a_run(ws, good()), a_run(ws, Ridge(alpha=10).fit(X, Y))
    context = multiprocessing.get_context("spawn")
    start, answers = context.Barrier(2), context.Queue()
    both = [
        context.Process(target=_promote_there, args=(ws.root, run.id, who, start, answers))
        for run, who in ((better, "bob"), (worse, "eve"))
    ]
    for process in both:
        process.start()
    got = [answers.get(timeout=120) for _ in both]
    for process in both:
        process.join()
    assert all(kind != "error" for kind, _ in got), got
    assert serving(ws, "bikes").run == better.id
    history = models.history(ws.store, "rides")
    assert len(history) == 2
    assert history[1].from_version == (history[0].to_version if history[0].action is Action.PROMOTED else None)
    assert [v.number for v in models.versions(ws.store, "rides")] in ([1], [1, 2])


def test_the_champion_changes_while_a_candidate_is_judged(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look of the gates and the transaction, somebody else promotes a better model."""
    middling, best = a_run(ws, Ridge(alpha=10).fit(X, Y)), a_run(ws, good())
    from nbops.promotion.gates import gate

    first: list[str] = []
    own = gate.GATES["approval"]

    def meanwhile(evidence: Any) -> Any:
        if not first:
            first.append("done")
            promote(ws, best.id, name="bikes")
        return own(evidence)

    monkeypatch.setitem(gate.GATES, "approval", meanwhile)
    with pytest.raises(RefusedError, match="version 1"):
        promote(ws, middling.id, name="bikes")
    assert serving(ws, "bikes").run == best.id


def test_every_promotion_has_its_report_in_the_store(ws: Workspace) -> None:
    done = promote(ws, a_run(ws, good()).id, name="bikes")
    (kept,) = models.history(ws.store, "rides")
    assert kept.results == done.results
    assert [r.outcome for r in kept.results].count(Outcome.PASSED) == 5
    assert records.models(ws.store, kept.run or "")[0].digest == serving(ws, "bikes").artifact


def test_another_model_does_not_slip_past_the_champion_of_a_deployment(ws: Workspace) -> None:
    promoted = promote(ws, a_run(ws, good()).id, name="bikes")
    with pytest.raises(UsageError, match="serves the model 'rides', not 'bikez'"):
        promote(ws, a_run(ws, bad()).id, name="bikes", model="bikez")
    assert serving(ws, "bikes").number == promoted.to_version
