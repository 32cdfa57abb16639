"""A deployment's dashboard: how well it did, what drifted, how it ran, what was told and decided."""

from __future__ import annotations

import math

from nbops.core.dashboard import Dashboard
from nbops.core.deployments import Distribution, DriftReport, Severity
from nbops.render.card import number
from nbops.render.charts import line_chart, paired_bars
from nbops.render.elements import Element, element
from nbops.render.tables import table

_MOST = 12  # periods a table shows, the newest


def dashboard_view(known: Dashboard, chosen: Distribution | str | None = None) -> Element:
    """The dashboard. `chosen` is the distribution that was asked for by a click on a drift value, or why there is
    none."""
    name = known.deployment.name
    serves = f"version {known.serving}" if known.serving is not None else "no version"
    return element(
        "div",
        element("h3", f"{name}: {known.deployment.model} {serves}"),
        element("section", element("h4", "Performance"), _performance(known)),
        element("section", element("h4", "Drift (PSI)"), _drift(known), _chosen(chosen)),
        element("section", element("h4", "Operation"), _operation(known)),
        element("section", element("h4", "Alerts"), _alerts(known)),
        element("section", element("h4", "Decisions"), _decisions(known)),
    )


def _performance(known: Dashboard) -> list[Element]:
    if not known.scorings:
        return [_empty(f"nothing has been scored yet: nbops score {known.deployment.name} --input FILE --output DIR")]
    periods = list(dict.fromkeys(s.period for s in known.scorings))
    place = {p: i for i, p in enumerate(periods)}
    names = list(dict.fromkeys(m for p in known.performances for m in p.metrics))
    versions = {s.period: s.version for s in known.scorings}
    marks = [i - 0.5 for i in range(1, len(periods)) if versions[periods[i]] != versions[periods[i - 1]]]
    drawn = []
    for metric in names[:2]:
        values = {place[p.period]: p.metrics[metric] for p in known.performances if metric in p.metrics}
        line = [(float(i), values.get(i, math.nan)) for i in range(len(periods))]
        title = f"{metric} by period" + ("; dashed: another version" if marks else "")
        drawn.append(line_chart({metric: line}, title, labels=periods, marks=marks, zero=True))
    if not names:
        drawn.append(_empty(f"no labels have arrived: nbops labels add {known.deployment.name} --input FILE"))
    if known.waiting:
        drawn.append(element("p", f"scored, and waiting for labels: {', '.join(known.waiting)}"))
    return drawn


def _drift(known: Dashboard) -> Element:
    if not known.drift:
        return _empty(f"nothing has been compared yet: nbops drift {known.deployment.name}")
    reports = known.drift[-_MOST:]
    columns = list(dict.fromkeys(c.column for r in reports for c in r.columns))
    rows = [[column, *(_psi(report, column) for report in reports)] for column in columns]
    return table(["column", *(r.period for r in reports)], rows, scroll="drift")


def _psi(report: DriftReport, column: str) -> Element | str:
    found = next((c for c in report.columns if c.column == column), None)
    if found is None:
        return ""
    value = found.values.get("psi")
    mark = {Severity.ALERT: " !", Severity.WARN: " ·"}.get(found.severity, "")
    return element(
        "span",
        (f"{value:.2f}" if value is not None else "–") + mark,
        class_=f"nbops-{found.severity.value}",
        title=f"{found.severity.value}: {found.why}",
        role="button",
        tabindex=0,
        data_act="column",
        data_key=f"{report.period}/{column}",
        data_value=f"{report.period}/{column}",
    )


def _chosen(chosen: Distribution | str | None) -> Element | None:
    if chosen is None:
        return element("small", "Click a value to see the two distributions.")
    if isinstance(chosen, str):
        return element("p", chosen, class_="nbops-empty", role="status")
    pairs = list(zip(chosen.reference, chosen.current, strict=True))
    measured = ", ".join(f"{k} {number(v)}" for k, v in chosen.values.items())
    return element(
        "div",
        paired_bars(chosen.labels, pairs, ("at training", "in the period"), f"{chosen.column}: shares of rows"),
        element("p", chosen.why),
        element("small", measured),
        aria_live="polite",
    )


def _operation(known: Dashboard) -> Element:
    if not known.scorings:
        return _empty("nothing has been scored yet")
    rows = [
        [
            s.period,
            s.version,
            s.rows,
            s.rejected,
            f"{s.seconds:.2f}",
            f"{s.rows / s.seconds:,.0f}" if s.seconds else "–",
        ]
        for s in reversed(known.scorings[-_MOST:])
    ]
    return table(["period", "version", "rows", "rejected", "seconds", "rows a second"], rows, scroll="operation")


def _alerts(known: Dashboard) -> Element:
    rows = [
        [f"{a.at:%Y-%m-%d}", a.kind, element("span", a.severity.value, class_=f"nbops-{a.severity.value}"), a.message]
        for a in reversed(known.alerts)
    ]
    return table(["when", "kind", "", "message"], rows, scroll="alerts") if rows else _empty("no alerts")


def _decisions(known: Dashboard) -> Element:
    rows = []
    for decision, job in reversed(known.decisions):
        came = str(job.result.get("outcome") or job.status.lower()) if job is not None else ""
        rows.append([f"{decision.at:%Y-%m-%d}", decision.trigger, decision.why, decision.action, came])
    if not rows:
        return _empty("no decisions yet: nbops tick")
    return table(["when", "trigger", "seen", "decided", "outcome"], rows, scroll="decisions")


def _empty(text: str) -> Element:
    return element("p", text, class_="nbops-empty")
