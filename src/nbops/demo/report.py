"""``report.html``: the demo's story on one page, with nothing outside the file."""

from __future__ import annotations

import io
import math
from html import escape

from nbops.core.deployments import DriftReport
from nbops.core.models import Promotion
from nbops.demo.summary import MonthRow, Summary

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1c2733; }
h1 { margin-bottom: .2rem } h2 { margin-top: 2.2rem; border-bottom: 1px solid #d5dce3; padding-bottom: .2rem }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 14px }
th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid #e8ecf0 }
th:first-child, td:first-child, td.text, th.text { text-align: left }
.warn { background: #fff3c4 } .alert { background: #ffd9d4 } .failed { color: #b3261e } .passed { color: #1b6e3c }
.figures { display: flex; gap: 2rem; flex-wrap: wrap } .figures b { display: block; font-size: 1.7rem }
.simulated { background: #ffd9d4; padding: .6rem 1rem; border-radius: 6px }
td:first-child { white-space: nowrap }
svg { max-width: 100%; height: auto }
"""


def page(
    summary: Summary, months: list[MonthRow], history: list[Promotion], reports: list[DriftReport], alerts: list[str]
) -> str:
    """The whole page."""
    figures = [
        (f"{summary.mae_deployed:.1f}", "mean monthly MAE, deployed"),
        (f"{summary.mae_frozen:.1f}", "the first model, had it stayed"),
        (str(summary.retrains), "retrainings"),
        (f"{summary.promotions} / {summary.refusals}", "promotions / refusals"),
        (str(summary.alerts), "alerts"),
        (f"{summary.rows_scored:,}", f"rows scored in {summary.months_scored} months"),
    ]
    parts = [
        "<h1>Two years of bike rentals</h1>",
        f"<p>Data: {escape(summary.source)}.</p>",
        "" if summary.data == "real" else '<p class="simulated"><strong>The data is simulated.</strong></p>',
        '<div class="figures">' + "".join(f"<div><b>{escape(v)}</b>{escape(t)}</div>" for v, t in figures) + "</div>",
        "<h2>Error by month</h2>",
        "<p>Mean absolute error in rides per hour. The dashed lines are promotions of a retrained model. The labels of"
        " a month are known from the start of the month after the next.</p>",
        _error_chart(months),
        _month_table(months),
        "<h2>Drift of the inputs</h2>",
        "<p>Population stability index of each month against the data the scoring model was trained on."
        " A warm summer drifts without harm; the harm of 2012 came with the demand, which only labels show.</p>",
        _drift_chart(reports),
        "<h2>At the gates</h2>",
        *(_promotion(p) for p in history),
        "<h2>Alerts</h2>",
        "<ul>" + "".join(f"<li>{escape(a)}</li>" for a in alerts) + "</ul>" if alerts else "<p>None.</p>",
    ]
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>nbops demo</title>'
        f"<style>{_STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


def _month_table(months: list[MonthRow]) -> str:
    head = (
        "<tr><th>month</th><th>rows</th><th>MAE frozen</th><th>MAE deployed</th><th class=text>drift</th>"
        "<th class=text>decided at its start</th><th>version</th></tr>"
    )
    lines = [
        f"<tr><td>{escape(m.month)}</td><td>{m.rows}</td><td>{_number(m.mae_frozen)}</td>"
        f'<td>{_number(m.mae_deployed)}</td><td class="text {escape(m.drift)}">{escape(m.drift)}'
        f"{escape(': ' + ', '.join(m.drifted)) if m.drifted else ''}</td>"
        f'<td class="text">{escape(m.decision)}</td><td>{m.version}</td></tr>'
        for m in months
    ]
    return f"<table>{head}{''.join(lines)}</table>"


def _promotion(promotion: Promotion) -> str:
    to = f" as version {promotion.to_version}" if promotion.to_version else ""
    rows = "".join(
        f'<tr><td class="text">{escape(r.gate)}</td><td class="text {escape(r.outcome)}">{escape(r.outcome)}</td>'
        f'<td class="text">{escape(r.asked)}</td><td class="text">{escape(r.seen)}</td></tr>'
        for r in promotion.results
    )
    return (
        f"<details><summary>{promotion.at:%Y-%m-%d}: {escape(promotion.action)}{to}</summary><table><tr>"
        f"<th class=text>gate</th><th class=text></th><th class=text>asked</th><th class=text>seen</th></tr>{rows}"
        "</table></details>"
    )


def _error_chart(months: list[MonthRow]) -> str:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    axes = figure.subplots()
    names = [m.month for m in months]
    for label, values, color in (
        ("first model, frozen", [m.mae_frozen for m in months], "#b0b8c1"),
        ("deployed", [m.mae_deployed for m in months], "#1f6feb"),
    ):
        known = [(i, v) for i, v in enumerate(values) if v is not None]
        axes.plot([i for i, _ in known], [v for _, v in known], marker="o", label=label, color=color)
    for i in range(1, len(months)):
        if months[i].version != months[i - 1].version:
            axes.axvline(i - 0.5, color="#1b6e3c", linestyle="--", linewidth=1)
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right")
    axes.set_ylabel("MAE (rides per hour)")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return _svg(figure, "Mean absolute error by month, frozen and deployed")


def _drift_chart(reports: list[DriftReport]) -> str:
    from matplotlib.figure import Figure

    columns = list(dict.fromkeys(c.column for r in reports for c in r.columns))
    if not columns:
        return "<p>No report.</p>"
    by_month = [{c.column: c.values.get("psi", math.nan) for c in r.columns} for r in reports]
    psi = [[month.get(name, math.nan) for month in by_month] for name in columns]
    figure = Figure(figsize=(9, 0.36 * len(columns) + 1.4), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(psi, aspect="auto", cmap="OrRd", vmin=0, vmax=1)
    axes.set_xticks(range(len(reports)), [r.period for r in reports], rotation=60, ha="right")
    axes.set_yticks(range(len(columns)), columns)
    figure.colorbar(image, label="PSI (1 and above the same red)")
    return _svg(figure, "Population stability index by column and month")


def _svg(figure: object, title: str) -> str:
    from matplotlib import rc_context

    drawn = io.StringIO()
    with rc_context({"svg.hashsalt": "nbops"}):
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Title": title})  # type: ignore[attr-defined]
    text = drawn.getvalue()
    return text[text.index("<svg") :]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"
