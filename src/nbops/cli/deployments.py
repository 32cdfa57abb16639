"""``score``, ``labels``, ``drift``, ``alerts``, and the group ``deployments``."""

from __future__ import annotations

from pathlib import Path

import click

from nbops.cli.program import Listing, count, json_option, show, table, workspace


@click.group(cls=Listing)
def deployments() -> None:
    """Models at work: list, show, add. Alone it lists."""


@deployments.command("list")
@json_option
def list_(as_json: bool = False) -> None:
    """Every deployment and what it serves."""
    from nbops.store import deployments as store

    reader = workspace().store
    found = store.listed(reader)
    rows = [
        [d.name, f"{d.model}@{d.alias}" if d.alias else f"{d.model}/{d.version}", len(store.scorings(reader, d.name))]
        for d in found
    ]
    show(found, lambda: table(rows, ["deployment", "serves", "scored"], "no deployments yet: 'nbops promote'"), as_json)


@deployments.command("show")
@click.argument("name")
@json_option
def show_(name: str, as_json: bool) -> None:
    """What a deployment scored, period by period, with its realised error and drift."""
    from nbops.store import deployments as store

    reader = workspace().store
    found = store.get(reader, name)
    scorings = store.scorings(reader, name)
    realised = {p.run: p for p in store.performances(reader, name)}
    drifts = {r.run: r for r in store.drift_reports(reader, name)}
    rows = []
    for s in scorings:
        known = realised.get(s.run)
        metrics = ", ".join(f"{k} {v:.4g}" for k, v in known.metrics.items()) if known else "no labels yet"
        drift_ = drifts[s.run].severity.value if s.run in drifts else "–"
        rows.append([s.period, s.version, s.rows, s.rejected, drift_, metrics])
    value = {"deployment": found, "scorings": scorings, "performances": list(realised.values())}
    show(
        value,
        lambda: table(
            rows, ["period", "version", "rows", "rejected", "drift", "realised"], f"{name} has scored nothing"
        ),
        as_json,
    )


@deployments.command("add")
@click.argument("name")
@click.option("--model", required=True)
@click.option("--alias", help="Follow an alias …")
@click.option("--version", type=int, help="… or pin a version.")
def add(name: str, model: str, alias: str | None, version: int | None) -> None:
    """Deploy a registered model under another name (a shadow, a pinned version)."""
    from nbops.promotion.deploy import deploy

    made = deploy(workspace(), name, model, alias=alias, version=version)
    click.echo(f"{made.name} serves {made.model}" + (f"@{made.alias}" if made.alias else f"/{made.version}"))


@click.command()
@click.argument("deployment")
@click.option("--input", "inputs", multiple=True, required=True, help="A CSV or Parquet file, or a glob; repeatable.")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="The folder that holds the outputs.")
@click.option("--period", help="What part of the data this is; by default the file's name.")
@json_option
def score(deployment: str, inputs: tuple[str, ...], output: Path, period: str | None, as_json: bool) -> None:
    """Apply a deployment to data; the output is complete or not there."""
    from nbops.scoring.score import score as score_

    done = score_(workspace(), deployment, list(inputs), output, period=period)
    show(
        done,
        lambda: (
            f"{done.rows} rows scored with {done.model} version {done.version}, {done.rejected} in quarantine:"
            f" {done.output}"
        ),
        as_json,
    )


@click.group(cls=Listing)
def labels() -> None:
    """Labels that arrive late: add, list. Alone it lists."""


@labels.command("add")
@click.argument("deployment")
@click.option("--input", "file", type=click.Path(path_type=Path), required=True)
@click.option("--column", default="label", show_default=True, help="The column that holds the label.")
@json_option
def add_labels(deployment: str, file: Path, column: str, as_json: bool) -> None:
    """Join labels to predictions.

    By prediction_id, or by the deployment's key columns.
    """
    from nbops.monitor.labels import add_labels as add_labels_
    from nbops.monitor.performance import update

    ws = workspace()
    batch = add_labels_(ws, deployment, file, column=column)
    news = update(ws, deployment)
    lines = [f"{count(batch.rows, 'label')} for {count(batch.matched, 'known prediction')}"]
    lines += [f"{p.period}: " + ", ".join(f"{k} {v:.4g}" for k, v in p.metrics.items()) for p in news]
    show({"batch": batch, "performances": news}, lambda: "\n".join(lines), as_json)


@labels.command("list")
@click.argument("deployment", required=False)
@json_option
def list_labels(deployment: str | None = None, as_json: bool = False) -> None:
    """The batches of labels that have arrived."""
    from nbops.store import deployments as store

    reader = workspace().store
    names = [store.get(reader, deployment).name] if deployment else [d.name for d in store.listed(reader)]
    found = [batch for name in names for batch in store.label_batches(reader, name)]
    rows = [[f"{b.added_at:%Y-%m-%d %H:%M}", b.deployment, b.rows, b.matched] for b in found]
    head = ["when (UTC)", "deployment", "labels", "predictions"]
    show(found, lambda: table(rows, head, "no labels yet: 'nbops labels add'"), as_json)


@click.command()
@click.argument("deployment")
@click.option("--period", help="By default the newest.")
@json_option
def drift(deployment: str, period: str | None, as_json: bool) -> None:
    """What has moved since training, column by column, from stored profiles."""
    from nbops.monitor.drift import drift as drift_

    report = drift_(workspace(), deployment, period=period)

    names = ("psi", "kl", "js", "ks", "wasserstein", "chi2_p", "share_change", "missing", "new_categories")
    rows = [
        [c.column, c.severity.value, *(_number(c.values.get(n)) for n in names), c.why.removeprefix(f"{c.column}: ")]
        for c in sorted(report.columns, key=lambda c: -c.values.get("psi", 0.0))
    ]
    head = ["column", "", *names, "in words"]
    show(
        report,
        lambda: (
            f"{deployment} {report.period}, {report.rows} rows, version {report.version}: {report.severity}\n"
            + table(rows, head, "no columns")
        ),
        as_json,
    )


@click.command()
@click.argument("deployment", required=False)
@json_option
def alerts(deployment: str | None, as_json: bool) -> None:
    """What somebody should know."""
    from nbops.store import deployments as store

    reader = workspace().store
    if deployment is not None:
        store.get(reader, deployment)
    found = store.alerts(reader, deployment)
    rows = [[f"{a.at:%Y-%m-%d}", a.deployment, a.kind, a.severity.value, a.message] for a in found]
    show(found, lambda: table(rows, ["when", "deployment", "kind", "", "message"], "no alerts"), as_json)


def _number(value: float | None) -> str:
    """Three decimals; what is smaller is said to be, so that a p of 0.0000001 doesn't read as none."""
    if value is None:
        return "–"
    return "<0.001" if 0 < abs(value) < 0.0005 else f"{value:.3f}"
