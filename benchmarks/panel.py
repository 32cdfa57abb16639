"""The panel in a real browser on a real server: how fast it opens, how soon a cell shows, what it costs to stand there.

Needs Chromium. The store of 100,000 runs is made first, which takes a minute.
"""

from __future__ import annotations

import gzip
import json
import os
import statistics
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RUNS = 100_000
OPENINGS = 7
CELLS = 20
IDLE_S = 20
SETTLE_S = 60  # JupyterLab itself is busy for a while after it has opened

OPEN = """() => new Promise(done => {
  const began = performance.now();
  const look = () => {
    const rows = document.querySelectorAll('.nbops-Grid-row bdi');
    if (rows.length > 10) { done(performance.now() - began); } else { requestAnimationFrame(look); }
  };
  void window.jupyterapp.commands.execute('nbops:show', { view: 'runs' });
  look();
})"""
CELL = """() => new Promise(done => {
  const panel = window.jupyterapp.shell.currentWidget;
  const session = panel.sessionContext;
  let out = null;
  const heard = (_, message) => {
    if (message.content.data && 'application/vnd.nbops.record.v1+json' in message.content.data) {
      out = performance.now();
    }
  };
  const count = () => document.querySelector('.nbops-Cell-count')?.textContent;
  const before = count();
  session.iopubMessage.connect(heard);
  const look = () => {
    if (out !== null && count() !== before) {
      session.iopubMessage.disconnect(heard);
      done(performance.now() - out);
    } else { requestAnimationFrame(look); }
  };
  void window.jupyterapp.commands.execute('notebook:run-cell');
  look();
})"""


def run() -> list[dict[str, Any]]:
    sys.path.insert(0, str(ROOT / "tests"))
    from browser.jupyter_page import JupyterPage, write_notebook
    from browser.many_runs import fill
    from browser.running_lab import CHROMIUM, running_browser, running_lab

    rows = [{"what": "bundle, compressed", "value": _bundle_kb(), "unit": "kB"}]
    if not Path(CHROMIUM).exists():
        print("NOT MEASURED: the panel needs Chromium")
        return rows
    with tempfile.TemporaryDirectory() as base, running_lab(Path(base)) as lab, running_browser() as browser:
        many = lab.root / "many"
        write_notebook(many / "many.ipynb", ["1"])
        (many / "nbops.toml").touch()
        fill(many, RUNS)
        ask = f"{lab.url}/nbops/api/runs?path=many/many.ipynb&limit=50&token={lab.token}"
        took = [_seconds(ask) for _ in range(31)][1:]
        rows += _figures(f"server: 50 of {RUNS:,} runs over HTTP", took, 1000, "ms")
        opened = []
        for _ in range(OPENINGS):
            jupyter = JupyterPage(lab, browser).open("many/many.ipynb")
            opened.append(jupyter.page.evaluate(OPEN))
            jupyter.close()
        rows += _figures(f"panel opens and shows the first of {RUNS:,} runs", opened, 1, "ms")

        write_notebook(lab.root / "cell.ipynb", ["%%track\nalpha = 1.0\nbeta = [alpha] * 3"])
        jupyter = JupyterPage(lab, browser).open("cell.ipynb")
        jupyter.execute("nbops:toggle-tracking")
        jupyter.show("notebook")
        jupyter.execute("notebook:run-cell")
        jupyter.page.locator(".nbops-Cell-count").wait_for()
        rows += _figures(
            "a tracked cell shows after its output", [jupyter.page.evaluate(CELL) for _ in range(CELLS)], 1, "ms"
        )

        rows += _idle(lab, jupyter)
        jupyter.close()
    print(f"load of the machine: {os.getloadavg()[0]:.1f}")
    for row in rows:
        print(f"{row['what']:60} {row['value']:>10.4g} {row['unit']}")
    return rows


def _idle(lab: Any, jupyter: Any) -> list[dict[str, Any]]:
    """What server and page use while nothing happens, with the panel open and closed, in turns."""
    devtools = jupyter.page.context.new_cdp_session(jupyter.page)
    devtools.send("Performance.enable")
    found: dict[str, list[float]] = {}
    time.sleep(SETTLE_S)
    for what, command in (("open", "nbops:show"), ("closed", "application:toggle-right-area")) * 2:
        jupyter.execute(command)
        time.sleep(3)
        server, page, began = _cpu_s(lab.pid), _page_s(devtools), time.monotonic()
        time.sleep(IDLE_S)
        passed = time.monotonic() - began
        found.setdefault(f"idle, panel {what}: server", []).append(100 * (_cpu_s(lab.pid) - server) / passed)
        found.setdefault(f"idle, panel {what}: page", []).append(100 * (_page_s(devtools) - page) / passed)
    return [{"what": what, "value": statistics.mean(of), "unit": "% of a core"} for what, of in found.items()]


def _page_s(devtools: Any) -> float:
    metrics = {m["name"]: m["value"] for m in devtools.send("Performance.getMetrics")["metrics"]}
    return float(metrics["TaskDuration"])


def _cpu_s(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def _seconds(url: str) -> float:
    began = time.perf_counter()
    with urllib.request.urlopen(url) as answer:
        assert len(json.load(answer)["items"]) == 50
    return time.perf_counter() - began


def _figures(what: str, values: list[float], factor: float, unit: str) -> list[dict[str, Any]]:
    values = sorted(v * factor for v in values)
    return [
        {"what": f"{what}, median of {len(values)}", "value": statistics.median(values), "unit": unit},
        {"what": f"{what}, best", "value": values[0], "unit": unit},
    ]


def _bundle_kb() -> float:
    files = (ROOT / "src" / "nbops" / "labextension" / "static").glob("*.js")
    return sum(len(gzip.compress(f.read_bytes(), 9)) for f in files) / 1000


if __name__ == "__main__":
    run()
