"""A candidate through its gates into the registry and a deployment: all or nothing.

The gates look at the champion outside any transaction: they take seconds, and nobody else should wait. Then one
transaction makes the version, moves the alias, writes the history and the deployment. If the champion has changed
meanwhile, the candidate is judged again, against the new one. A refusal changes nothing but the history; nor does a
candidate that has passed and waits for a second person (:mod:`nbops.promotion.approval`, which comes back here).
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from nbops.core.deployments import Deployment
from nbops.core.errors import ExecutionError, RefusedError, UntrustedModelError, UsageError
from nbops.core.ids import new_id
from nbops.core.models import Action, Approval, ApprovalState, GateResult, ModelVersion, Promotion
from nbops.core.runs import Run
from nbops.promotion.candidates import Candidate, find
from nbops.promotion.evidence import Agreement, Bounds, Evidence
from nbops.promotion.gates import trusted_types
from nbops.promotion.judge import judge, refusals, waits
from nbops.registry.versions import Allowance, register
from nbops.store import approvals, deployments, models, runs
from nbops.store.database import Reader, Transaction
from nbops.workspace import Workspace

_ATTEMPTS = 5
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Aim:
    """Where a candidate is to go, and for whom; `approved` is the request that a second person has agreed to."""

    deployment: str
    model: str
    alias: str
    cause: str | None
    by: str
    approved: Approval | None = None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the call says of how the candidate is to be judged."""

    bounds: Mapping[str, Mapping[str, float]]
    allow_types: tuple[str, ...]
    types_why: str | None


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A candidate, where it is to go, and how it is to be judged. `source` is a run's id."""

    source: str
    found: Candidate
    aim: Aim
    asked: Asked


def promote(
    ws: Workspace,
    source: str,
    *,
    name: str,
    model: str | None = None,
    to: str | None = None,
    candidate: str | None = None,
    bounds: Mapping[str, Mapping[str, float]] | None = None,
    rerun: Callable[[str], Run] | None = None,
    allow_types: Sequence[str] = (),
    why: str | None = None,
    cause: str | None = None,
) -> Promotion:
    """Promote a notebook's or run's model.

    Parameters
    ----------
    ws : Workspace
    source : str
        A run's id (or its beginning), a pipeline run's for all its steps, or a notebook's path for its latest
        completed run that made a model.
    name : str
        The deployment.
    model, to, candidate : str, optional
        The registered model (default: what nbops.toml or the deployment says, else `name`), the alias (default:
        "production"), and which of the run's models (default: what nbops.toml says).
    bounds : mapping, optional
        ``{"max": {metric: value}, "min": {…}}``, on top of those in nbops.toml.
    rerun : callable, optional
        Executes the notebook `source` anew and returns its run, which is then promoted.
    allow_types : sequence of str
        Types beyond the reviewed list to trust in this model (``"pickle"``: the whole file).
    why : str, optional
        Why they are trusted; needed with `allow_types`, and recorded.
    cause : str, optional
        The id of the decision that asked for it.

    Returns
    -------
    Promotion
        Its action is "pending", and `to_version` None, if nbops.toml asks for approval: the alias moves when
        :func:`nbops.promotion.approval.approve` is called with its id.
        If the candidate already is what the alias stands for, or waits already: the line that made it so; nothing is
        done twice then, and its `at` is earlier than now.

    Raises
    ------
    RefusedError
        If a gate failed; its `promotion` is the refusal as recorded. `UntrustedModelError` where types are the reason.
    CorruptArtifactError
        If a file of the candidate's has changed since it was kept; nothing is recorded.
    UsageError
        If the source names no one candidate.
    """
    if rerun is not None:
        source = rerun(source).id
    wish = wished(
        ws, source, name=name, model=model, to=to, candidate=candidate, bounds=bounds, allow_types=allow_types, why=why,
        cause=cause,
    )  # fmt: skip
    return settle(ws, wish.source, wish.found, wish.aim, wish.asked)


def wished(
    ws: Workspace,
    source: str,
    *,
    name: str,
    model: str | None = None,
    to: str | None = None,
    candidate: str | None = None,
    bounds: Mapping[str, Mapping[str, float]] | None = None,
    allow_types: Sequence[str] = (),
    why: str | None = None,
    cause: str | None = None,
) -> Wish:
    """What a call of :func:`promote` asks for, found and complete; nothing is judged yet."""
    if allow_types and not (why and why.strip()):
        raise UsageError(
            f"say why {', '.join(allow_types)} may be trusted (--why TEXT); it is recorded with the version"
        )
    wishes = ws.settings.deployment(name)
    aim = _aim(ws, name, model or wishes.model, to, wishes.alias, cause)
    found = find(ws, source, candidate=candidate or wishes.candidate)
    whole = found.run.id if source.endswith(".ipynb") else runs.get(ws.store, source).id
    asked = Asked(
        bounds={k: dict(v) for k, v in (bounds or {}).items() if v}, allow_types=tuple(allow_types), types_why=why
    )
    return Wish(source=whole, found=found, aim=aim, asked=asked)


def evidence_of(ws: Workspace, wish: Wish, champion: ModelVersion | None) -> Evidence:
    """The body of evidence that the gates look at."""
    wishes, aim = ws.settings.deployment(wish.aim.deployment), wish.aim
    limits = Bounds.of(wishes, wish.asked.bounds)
    agreement = Agreement.of(ws, aim.deployment, aim.model, aim.alias, aim.approved)
    evidence = Evidence(ws, wish.found, champion, wishes, limits, wish.asked.allow_types, agreement)
    evidence.verify()
    return evidence


def settle(ws: Workspace, source: str, found: Candidate, aim: Aim, asked: Asked) -> Promotion:
    """Judge a candidate, and put the answer into the store: promoted, refused, or waiting for approval."""
    wish = Wish(source=source, found=found, aim=aim, asked=asked)
    for _ in range(_ATTEMPTS):
        champion = models.aliased(ws.store, aim.model, aim.alias)
        before = _already(ws.store, aim, found, champion) or _waiting(ws.store, source, aim, found, asked)
        if before is not None:
            _log.info("%s: nothing is done twice", before.id)
            return before
        evidence = evidence_of(ws, wish, champion)
        results = judge(evidence)
        if refusals(results):
            raise _refuse(ws, aim, found, champion, results)
        if waits(results):
            return _wait(ws, source, aim, found, champion, results, asked)
        done = _accept(ws, aim, evidence, results, asked.types_why)
        if done is not None:
            return done
    raise ExecutionError(
        f"{aim.model}@{aim.alias} changed {_ATTEMPTS} times while the candidate was being judged; try again"
    )


def _aim(ws: Workspace, name: str, model: str | None, to: str | None, alias: str, cause: str | None) -> Aim:
    there = deployments.find(ws.store, name)
    if there is not None and there.alias is None:
        raise UsageError(
            f"the deployment {name!r} is pinned to {there.model} version {there.version}: promoting doesn't move it;"
            f" give another --name, or 'nbops deployments add {name} --model {there.model} --alias {to or alias}' first"
        )
    if there is not None and model is not None and model != there.model:
        raise UsageError(
            f"the deployment {name!r} serves the model {there.model!r}, not {model!r}: its champion couldn't be"
            " compared, nor rolled back to; deploy the other model under another --name"
        )
    return Aim(
        deployment=name,
        model=model or (there.model if there else name),
        alias=to or (there.alias if there and there.alias else alias),
        cause=cause,
        by=ws.identity,
    )


def _already(reader: Reader, aim: Aim, candidate: Candidate, champion: ModelVersion | None) -> Promotion | None:
    """The promotion that put this very candidate where it is to go, if it is there."""
    if champion is None or (champion.artifact, champion.run) != (candidate.model.digest, candidate.run.id):
        return None
    deployment = deployments.find(reader, aim.deployment)
    if deployment is None or deployment.model != aim.model:
        return None
    moves = [p for p in models.history(reader, aim.model, aim.alias) if p.action.moves]
    return moves[-1] if moves and moves[-1].to_version == champion.number else None


def _waiting(reader: Reader, source: str, aim: Aim, candidate: Candidate, asked: Asked) -> Promotion | None:
    """The line by which this very candidate already waits for approval."""
    if aim.approved is not None:
        return None
    use = candidate.model
    mine = (source, use.name, use.digest, aim.model, aim.alias, dict(asked.bounds), asked.allow_types)
    for a in approvals.listed(reader, deployment=aim.deployment, state=ApprovalState.PENDING):
        theirs = (a.source, a.candidate, a.artifact, a.asked.model, a.asked.alias, dict(a.bounds), a.allow_types)
        if theirs == mine:
            return a.asked
    return None


def _wait(
    ws: Workspace,
    source: str,
    aim: Aim,
    candidate: Candidate,
    champion: ModelVersion | None,
    results: tuple[GateResult, ...],
    asked: Asked,
) -> Promotion:
    with ws.store.transaction() as tx:
        before = _waiting(tx, source, aim, candidate, asked)
        if before is not None:
            return before
        promotion = _record(ws, tx, aim, candidate, champion, None, results, Action.PENDING)
        waiting = Approval(
            asked=promotion,
            source=source,
            candidate=candidate.model.name,
            artifact=candidate.model.digest or "",
            bounds=asked.bounds,
            allow_types=asked.allow_types,
            types_why=asked.types_why,
        )
        approvals.save(tx, waiting)
    return promotion


def _accept(
    ws: Workspace, aim: Aim, evidence: Evidence, results: tuple[GateResult, ...], why: str | None
) -> Promotion | None:
    """Everything in one transaction; None if the champion has changed since the gates looked at it."""
    champion, candidate, signature = evidence.champion, evidence.candidate, evidence.signature
    if signature is None:
        raise ExecutionError("a candidate without a signature has passed the gates")  # the signature gate sees to it
    measured, at = evidence.recomputed(), ws.clock.now()
    judged = candidate.judged
    with ws.store.transaction() as tx:
        now = models.aliased(tx, aim.model, aim.alias)
        if (now.number if now else None) != (champion.number if champion else None):
            return None
        version = register(
            tx,
            aim.model,
            candidate.run,
            candidate.model,
            signature=dataclasses.replace(signature, classes=evidence.classes),
            profile=evidence.profile,
            evaluation=judged.evaluation if judged else None,
            metrics=measured,
            judged=candidate.refit_of,
            allowance=Allowance(types=evidence.untrusted, by=aim.by, why=why),
            by=aim.by,
            at=at,
        )
        promotion = _record(ws, tx, aim, candidate, champion, version, results, Action.PROMOTED)
        _deploy(ws, tx, aim)
    return promotion


def _refuse(
    ws: Workspace, aim: Aim, candidate: Candidate, champion: ModelVersion | None, results: tuple[GateResult, ...]
) -> RefusedError:
    with ws.store.transaction() as tx:
        promotion = _record(ws, tx, aim, candidate, champion, None, results, Action.REFUSED)
    failed = refusals(results)
    types = next((r.values["types"] for r in failed if r.gate == trusted_types.NAME), None)
    if types is not None:  # the others could not look at the model: what they say is only a consequence
        failed = [r for r in failed if r.gate == trusted_types.NAME]
    said = ". ".join(f"{r.gate}: {r.why}" for r in failed)
    message = (
        f"refused by the {'gate' if len(failed) == 1 else 'gates'} {_listed([r.gate for r in failed])}:"
        f" {candidate.model.name!r} of run {candidate.run.id} is not promoted to {aim.model}@{aim.alias}. {said}"
    )
    error = UntrustedModelError(message, tuple(types)) if types is not None else RefusedError(message)
    error.promotion = promotion
    return error


def _record(
    ws: Workspace,
    tx: Transaction,
    aim: Aim,
    candidate: Candidate,
    champion: ModelVersion | None,
    version: ModelVersion | None,
    results: tuple[GateResult, ...],
    action: Action,
) -> Promotion:
    promotion = Promotion(
        id=new_id(),
        model=aim.model,
        alias=aim.alias,
        deployment=aim.deployment,
        action=action,
        from_version=champion.number if champion else None,
        to_version=version.number if version else None,
        run=candidate.run.id,
        results=results,
        by=aim.by,
        at=ws.clock.now(),
        cause=aim.cause,
    )
    models.record(tx, promotion)
    if aim.approved is not None:
        state = ApprovalState.APPROVED if action is Action.PROMOTED else ApprovalState.REFUSED
        decide(tx, aim.approved, state, promotion)
    return promotion


def decide(tx: Transaction, approval: Approval, state: ApprovalState, line: Promotion) -> None:
    """Close a request; `line` of the history says how.

    Raises
    ------
    RefusedError
        If somebody else has done so meanwhile.
    """
    now = approvals.get(tx, approval.id)
    if now.state is not ApprovalState.PENDING:
        raise RefusedError(f"{approval.id} was {now.state} by {now.decided_by} already: it doesn't wait any more")
    approvals.save(tx, dataclasses.replace(approval, state=state, promotion=line.id))


def _deploy(ws: Workspace, tx: Transaction, aim: Aim) -> None:
    there = deployments.find(tx, aim.deployment)
    if there is not None and there.model == aim.model:
        return  # also where it follows another alias: a promotion to "staging" must not take production's traffic
    deployment = Deployment(
        name=aim.deployment,
        model=aim.model,
        alias=aim.alias,
        created_at=there.created_at if there else ws.clock.now(),
        created_by=there.created_by if there else ws.identity,
    )
    deployments.save(tx, deployment)


def _listed(names: list[str]) -> str:
    quoted = [repr(name) for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"
