"""``promote``, ``approve``, ``reject``, ``rollback``, and the group ``models``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from nbops.cli.program import Listing, json_option, show, table, workspace
from nbops.core.clock import from_text
from nbops.core.errors import RefusedError, UnknownNameError, UsageError
from nbops.core.models import Action, Promotion

_MADE_BY = "'nbops promote RUN --name NAME' makes one"


@click.command()
@click.argument("source", metavar="RUN_OR_NOTEBOOK")
@click.option("--name", required=True, help="The deployment.")
@click.option("--model", help="The registered model; by default as the deployment.")
@click.option("--to", default=None, help="The alias; by default 'production'.")
@click.option("--candidate", help="Which model of the run, if it made several.")
@click.option("--rerun", is_flag=True, help="Execute the notebook anew and promote what it makes.")
@click.option("--max", "upper", multiple=True, metavar="METRIC=VALUE", help="A bound on top of nbops.toml's.")
@click.option("--min", "lower", multiple=True, metavar="METRIC=VALUE", help="A bound on top of nbops.toml's.")
@click.option("--allow-type", "allow_types", multiple=True, help="Trust a type that isn't on the reviewed list.")
@click.option("--why", help="Why a type is allowed; recorded.")
@json_option
def promote(
    source: str,
    name: str,
    model: str | None,
    to: str | None,
    candidate: str | None,
    rerun: bool,
    upper: tuple[str, ...],
    lower: tuple[str, ...],
    allow_types: tuple[str, ...],
    why: str | None,
    as_json: bool,
) -> None:
    """Take a notebook's model through its gates into the registry and a deployment. A refusal exits with 3."""
    from nbops.pipeline.execute import run_notebook
    from nbops.promotion.promote import promote as promote_
    from nbops.render.gates import gates_text

    ws = workspace()
    if rerun:
        if not source.endswith(".ipynb"):
            raise UsageError(f"--rerun needs a notebook, not {source!r}")
        from nbops.cli.progress import steps

        source = run_notebook(ws, Path(source), progress=steps()).id
    began = ws.clock.now()
    try:
        done = promote_(
            ws,
            source,
            name=name,
            model=model,
            to=to,
            candidate=candidate,
            bounds={"max": _bounds(upper), "min": _bounds(lower)},
            allow_types=allow_types,
            why=why,
        )
    except RefusedError as refusal:
        _show_refusal(refusal, as_json)
        raise

    def text() -> str:
        what = f"{done.model} version {done.to_version}"
        if done.action is Action.PENDING:
            return (
                f"{gates_text(done.results)}\nit waits for somebody other than {done.by}:"
                f" 'nbops approve {done.id[:6]}' or 'nbops reject {done.id[:6]} --why TEXT'"
            )
        if done.at < began:
            return (
                f"{what} is {done.alias} already, since {done.at:%Y-%m-%d %H:%M} UTC: nothing was judged or changed now"
            )
        return f"{gates_text(done.results)}\n{what} is {done.alias} now, deployed as {done.deployment}"

    show(done, text, as_json)


@click.command()
@click.argument("approval", metavar="ID")
@click.option("--why", help="Recorded with it.")
@json_option
def approve(approval: str, why: str | None, as_json: bool) -> None:
    """Agree to a candidate that waits; it is judged again and promoted. Not by whoever asked for it."""
    from nbops.promotion.approval import approve as approve_
    from nbops.render.gates import gates_text

    try:
        done = approve_(workspace(), approval, why=why)
    except RefusedError as refusal:
        _show_refusal(refusal, as_json)
        raise
    what = f"{done.model} version {done.to_version} is {done.alias} now, deployed as {done.deployment}"
    show(done, lambda: f"{gates_text(done.results)}\n{what}", as_json)


@click.command()
@click.argument("approval", metavar="ID")
@click.option("--why", required=True, help="Recorded with it.")
@json_option
def reject(approval: str, why: str, as_json: bool) -> None:
    """Say no to a candidate that waits for approval."""
    from nbops.promotion.approval import reject as reject_

    done = reject_(workspace(), approval, why=why)
    show(done, lambda: f"rejected: {done.model}@{done.alias} stays what it is; recorded as {done.id[:6]}", as_json)


def _show_refusal(refusal: RefusedError, as_json: bool) -> None:
    """The whole report of the gates, where it is they that refused."""
    from nbops.render.gates import gates_text

    refused: Promotion | None = refusal.promotion
    if refused is not None:
        show(refused, lambda: gates_text(refused.results), as_json)


@click.command()
@click.argument("deployment")
@click.option("--to", "version", type=int, help="A version; by default the one before.")
@json_option
def rollback(deployment: str, version: int | None, as_json: bool) -> None:
    """Take a promotion back."""
    from nbops.promotion.rollback import rollback as rollback_

    done = rollback_(workspace(), deployment, to=version)
    show(
        done,
        lambda: f"{done.model} is version {done.to_version} again (was {done.from_version})",
        as_json,
    )


@click.group(cls=Listing)
def models() -> None:
    """The registry: list, show, history, what waits for approval. Alone it lists."""


@models.command("list")
@json_option
def list_(as_json: bool = False) -> None:
    """Every model with its versions and aliases."""
    from nbops.store import models as store

    reader = workspace().store
    names = store.names(reader)
    versions = {name: store.versions(reader, name) for name in names}
    aliases = {name: store.aliases(reader, name) for name in names}
    rows = [
        [
            n,
            len(versions[n]),
            ", ".join(f"{a} → {v}" for a, v in aliases[n].items()),
            versions[n][-1].type.rpartition(".")[2],
        ]
        for n in names
    ]
    found = [{"name": n, "versions": versions[n], "aliases": aliases[n]} for n in names]
    show(
        found,
        lambda: table(rows, ["model", "versions", "aliases", "newest type"], "no models yet: 'nbops promote'"),
        as_json,
    )


@models.command("show")
@click.argument("name")
@click.argument("version", type=int, required=False)
@json_option
def show_(name: str, version: int | None, as_json: bool) -> None:
    """One version of a model; the newest by default."""
    from nbops.store import models as store

    reader = workspace().store
    if version is None:
        found = store.versions(reader, name)
        if not found:
            raise UnknownNameError("model", name, store.names(reader), hint=_MADE_BY)
        chosen = found[-1]
    else:
        chosen = store.get(reader, name, version)
    rows = [
        ["model", f"{chosen.name} version {chosen.number}"],
        ["aliases", ", ".join(a for a, v in store.aliases(reader, name).items() if v == chosen.number) or "–"],
        ["type", chosen.type],
        ["run", chosen.run],
        ["takes", ", ".join(f"{f.name} ({f.type})" for f in chosen.signature.inputs)],
        ["gives", f"{chosen.signature.output.name} ({chosen.signature.task})"],
        *([f"judged {k}", f"{v:.4g}"] for k, v in chosen.metrics.items()),
        ["file", f"{chosen.artifact} ({chosen.format})"],
        ["libraries", ", ".join(f"{k} {v}" for k, v in chosen.libraries.items())],
        ["registered", f"{chosen.created_at:%Y-%m-%d %H:%M} UTC by {chosen.created_by}"],
    ]
    if chosen.allowed_types:
        rows.append(["allowed", f"{', '.join(chosen.allowed_types)} by {chosen.allowed_by}: {chosen.allowed_why}"])
    show(chosen, lambda: table(rows, (), ""), as_json)


@models.command("history")
@click.argument("name")
@click.option("--at", "moment", help="Which version was in production at this date or time (UTC)?")
@click.option("--alias", default="production", show_default=True)
@json_option
def history(name: str, moment: str | None, alias: str, as_json: bool) -> None:
    """Every promotion, refusal and rollback; or what was in production on a day."""
    from nbops.store import models as store

    reader = workspace().store
    if name not in store.names(reader) and not store.history(reader, name):
        raise UnknownNameError("model", name, store.names(reader), hint=_MADE_BY)
    if moment:
        at = _moment(moment)
        version = store.aliased_at(reader, name, alias, at)
        show(
            {"model": name, "alias": alias, "at": moment, "version": version},
            lambda: (
                f"{name}@{alias} at {at:%Y-%m-%d %H:%M} UTC: " + (f"version {version}" if version else "no version yet")
            ),
            as_json,
        )
        return
    found = store.history(reader, name)
    rows = [
        [
            f"{p.at:%Y-%m-%d %H:%M}",
            p.alias,
            p.action,
            p.from_version,
            p.to_version,
            p.by,
            "; ".join(r.why for r in p.results if r.outcome == "failed"),
        ]
        for p in found
    ]
    show(
        found, lambda: table(rows, ["when (UTC)", "alias", "", "from", "to", "by", "why"], "no promotions yet"), as_json
    )


@models.command("approvals")
@click.option("--deployment", help="Only of this one.")
@click.option("--all", "closed", is_flag=True, help="Also what was approved and rejected.")
@json_option
def approvals(deployment: str | None, closed: bool, as_json: bool) -> None:
    """Candidates that passed their gates and wait for a second person."""
    from nbops.promotion.approval import pending

    found = pending(workspace(), deployment, closed=closed)
    rows = [
        [
            a.id[:6],
            f"{a.asked.at:%Y-%m-%d %H:%M}",
            f"{a.asked.model}@{a.asked.alias}",
            f"{a.candidate} of run {(a.asked.run or a.source)[:6]}",
            a.asked.by,
            a.state,
            f"{a.decided_by}: {a.why}" if a.why else a.decided_by,
        ]
        for a in found
    ]
    head = ["id", "asked (UTC)", "for", "candidate", "by", "", "decided by"]
    show(found, lambda: table(rows, head, "nothing waits for approval"), as_json)


def _moment(text: str) -> datetime:
    try:
        return from_text(text)
    except ValueError as error:
        raise UsageError(f"--at {text!r} is no date or time; write 2026-01-31 or 2026-01-31T12:00") from error


def _bounds(pairs: tuple[str, ...]) -> dict[str, float]:
    bounds = {}
    for pair in pairs:
        metric, _, value = pair.partition("=")
        try:
            bounds[metric] = float(value)
        except ValueError as error:
            raise UsageError(f"the bound {pair!r}: write it as METRIC=NUMBER, for instance mae=60") from error
    return bounds
