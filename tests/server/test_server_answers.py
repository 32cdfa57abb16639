"""What the routes answer, on a real server over a real store."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from nbops.core.runs import RunKind
from nbops.promotion.deploy import deploy
from nbops.store import runs
from nbops.workspace import open_workspace

pytestmark = pytest.mark.xdist_group("server")

NOTEBOOK = """
import json, sys
from pathlib import Path
def cell(i, source, tags=()):
    return {"cell_type": "code", "id": f"c{i}", "metadata": {"tags": list(tags)}, "source": source, "outputs": [],
            "execution_count": None}
cells = [
    cell(0, "alpha: float = 1.0  # strength", ["parameters"]),
    cell(1, "import pandas as pd\\nfrom sklearn.linear_model import Ridge\\n"
            "from sklearn.metrics import mean_absolute_error"),
    cell(2, "table = pd.DataFrame({'x': [float(i % 7) for i in range(80)], 'n': list(range(80))})\\n"
            "table['y'] = 3 * table.x + table.n\\ntrain, test = table[:60], table[60:]"),
    cell(3, "model = Ridge(alpha=alpha).fit(train[['x', 'n']], train['y'])\\n"
            "mean_absolute_error(test['y'], model.predict(test[['x', 'n']]))"),
]
kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
Path(sys.argv[1]).write_text(json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))
"""


@pytest.fixture(scope="session")
def ran(server: Any) -> str:
    """The id of a run of train.ipynb, made through the server."""
    subprocess.run([sys.executable, "-c", NOTEBOOK, str(server.root / "train.ipynb")], check=True)
    answer = server.ask("notebooks/runs?path=train.ipynb", {"params": {"alpha": 0.5}})
    assert answer.status == 202, answer.content
    run: str = answer.json["run"]
    assert waited(server, run) == "COMPLETED"
    return run


def waited(server: Any, run: str, seconds: float = 90.0) -> str:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        status: str = server.ask(f"runs/{run}").json["run"]["status"]
        if status not in ("CREATED", "QUEUED", "IN_PROGRESS", "STOPPING"):
            return status
        time.sleep(0.2)
    raise AssertionError("it never ended")


def test_the_store_and_who_may_what(server: Any) -> None:
    told = server.ask("store").json
    assert told["root"] == str(server.root)
    assert "nbops.toml" in told["why"]
    assert told["can"] == dict.fromkeys(("write", "promote", "approve", "rollback", "delete"), True)
    assert told["deployments"] == ["taxi"]
    assert told["exists"] is True


def test_a_run_is_listed_found_shown_and_its_notebook_too(server: Any, ran: str) -> None:
    page = server.ask("runs?filter=params.alpha%20%3D%200.5&limit=5").json
    assert [item["run"]["id"] for item in page["items"]] == [ran]
    (item,) = page["items"]
    assert item["run"]["contents_path"] == "train.ipynb"
    assert item["run"]["environment"] == {}
    assert item["metrics"].keys() == {"mean_absolute_error"}
    assert server.ask("runs/columns").json["metrics"] == ["mean_absolute_error"]
    whole = server.ask(f"runs/{ran[:8]}").json
    assert whole["run"]["id"] == ran
    assert [r["cell_id"] for r in whole["records"]] == ["c0", "c1", "c2", "c3"] or len(whole["records"]) >= 4
    log = server.ask(f"runs/{ran}/log").json
    assert log["executed"].endswith(".ipynb")
    assert str(item["metrics"]["mean_absolute_error"])[:5] in log["tail"]
    state = server.ask("notebook?path=train.ipynb").json
    assert state["contents_path"] == "train.ipynb"
    fitted = [c for c in state["cells"] if c["models"]]
    assert [(c["cell_id"], c["index"], c["models"][0]["type"].rpartition(".")[2]) for c in fitted] == [
        ("c3", 3, "Ridge")
    ]
    assert server.ask("notebook?path=other.ipynb").json["cells"] == []
    graph = server.ask(f"lineage?of={ran}").json
    assert {n["kind"] for n in graph["nodes"]} >= {"cell", "data", "model"}
    artifact = next(a for a in whole["artifacts"] if a["kind"] == "notebook")
    content = server.ask(f"runs/{ran}/artifacts/{artifact['digest']}")
    assert b"Ridge" in content.content
    assert content.headers["X-Content-Type-Options"] == "nosniff"
    assert content.headers["Content-Disposition"].startswith("attachment")


def test_parameters_are_typed_and_wrong_ones_start_nothing(server: Any, ran: str) -> None:
    (alpha,) = server.ask("notebooks/parameters?path=train.ipynb").json["parameters"]
    assert (alpha["name"], alpha["type"], alpha["default"], alpha["help"]) == ("alpha", "float", 1.0, "strength")
    before = len(runs.listed(open_workspace(server.root, environ={}).store, kinds=[RunKind.STEP], limit=100))
    answer = server.ask("notebooks/runs?path=train.ipynb", {"params": {"alhpa": 0.5}})
    assert answer.status == 400
    assert "did you mean 'alpha'" in answer.json["message"]
    after = len(runs.listed(open_workspace(server.root, environ={}).store, kinds=[RunKind.STEP], limit=100))
    assert before == after


def test_gates_are_shown_then_a_model_is_promoted_refused_and_taken_back(server: Any, ran: str) -> None:
    wish = {"source": ran, "name": "rides"}
    check = server.ask("promotions/check", wish).json
    assert check["would"] == "promoted", check
    assert server.ask("models/rides").status == 404  # only looked at
    done = server.ask("promotions", wish)
    assert (done.status, done.json["action"], done.json["to_version"]) == (200, "promoted", 1)
    model = server.ask("models/rides").json
    assert model["aliases"] == {"production": 1}
    assert (model["deployments"], model["pinned"]) == (["rides"], {})
    assert server.ask("models/rides/at?date=2030-01-01").json == {"version": 1}
    assert server.ask("models/rides/at?date=2001-01-01").json == {"version": None}
    card = server.ask("models/rides/1/card").json
    assert "# rides version 1" in card["markdown"]
    assert "`x`: number" in card["markdown"]
    refused = server.ask("promotions", {"source": ran, "name": "rides", "candidate": "nothing"})
    assert refused.status in (400, 404)
    again = server.ask("rollbacks", {"deployment": "rides"})
    assert again.status in (400, 409)  # there is nothing before version 1
    assert "rides" in again.json["message"]
    deploy(open_workspace(server.root, environ={}), "rides-pinned", "rides", version=1)
    model = server.ask("models/rides").json
    assert (model["deployments"], model["pinned"]) == (["rides", "rides-pinned"], {"rides-pinned": 1})


def test_a_refusal_is_409_with_the_gates(server: Any, ran: str) -> None:
    (server.root / "nbops.toml").write_text("[deployments.strict.gates.max]\nmean_absolute_error = 0.0\n")
    answer = server.ask("promotions", {"source": ran, "name": "strict"})
    assert (answer.status, answer.json["error"]) == (409, "RefusedError")
    results = answer.json["detail"]["promotion"]["results"]
    assert "failed" in {r["outcome"] for r in results}
    assert server.ask("models/strict").json["history"][0]["action"] == "refused"


def test_runs_are_compared(server: Any, ran: str) -> None:
    other = server.ask("notebooks/runs?path=train.ipynb", {"params": {"alpha": 50.0}}).json["run"]
    assert waited(server, other) == "COMPLETED"
    both = server.ask(f"compare?runs={ran},{other}").json
    assert both["params"]["alpha"] == [0.5, 50.0]
    assert both["differing"] == {"params": ["alpha"], "metrics": ["mean_absolute_error"]}
    assert {c["what"] for c in both["diff"]["changes"]} >= {"parameter", "metric"}
    assert server.ask(f"compare?runs={ran}").status == 400
    gone = server.ask(f"runs/{other}", method="DELETE")
    assert gone.status == 200, gone.content
    assert server.ask(f"runs/{other}").status == 404
    assert server.ask(f"runs/{other}/restore", {}).status == 200
    assert server.ask(f"runs/{other}").json["run"]["id"] == other


def test_a_schedule_is_made_paused_run_now_and_removed(server: Any, ran: str) -> None:
    wish = {"name": "nightly", "cron": "0 6 * * *", "tz": "Europe/Berlin", "notebook": "train.ipynb"}
    made = server.ask("schedules", {**wish, "params": {"alpha": 2.0}})
    assert made.status == 200, made.content
    assert server.ask("schedules", {**wish, "params": {"alpha": "much"}, "name": "other"}).status == 400
    assert server.ask("schedules", wish).status == 400  # there is one of that name
    (item,) = server.ask("schedules").json["items"]
    assert (item["name"], item["kind"], item["contents_path"], item["paused"]) == (
        "nightly", "cron", "train.ipynb", False
    )  # fmt: skip
    assert server.ask("schedules/nightly/pause", {}).json["paused"] is True
    assert server.ask("schedules").json["items"][0]["next"] is None
    assert server.ask("schedules/nightly/resume", {}).json["paused"] is False
    assert server.ask("schedules/nightly/run-now", {}).status == 202
    end = time.monotonic() + 90
    while time.monotonic() < end:
        last = server.ask("schedules").json["items"][0]["last"]
        if last and last["status"] not in ("CREATED", "QUEUED", "IN_PROGRESS"):
            break
        time.sleep(0.3)
    assert last["status"] == "COMPLETED", last
    history = server.ask("schedules/nightly/history").json
    assert [h["decision"]["trigger"] for h in history["items"]] == ["demand"]
    page = server.ask("runs?filter=params.alpha%20%3D%202").json
    assert page["total"] == 1
    assert server.ask("schedules/nightly", method="DELETE").status == 200
    assert server.ask("schedules").json["items"] == []
    assert server.ask("schedules/none/pause", {}).status == 404


@pytest.mark.parametrize(
    ("route", "status", "said"),
    [
        ("runs?filter=metrics.mae%20%3C", 400, "character"),
        ("runs?sort=speed", 400, "sorted"),
        ("runs?limit=x", 400, "whole number"),
        ("runs?limit=100000", 400, "1,000"),
        ("runs?offset=9999999999999999999999999", 400, "too large"),
        ("events?after=9999999999999999999999999", 400, "too large"),
        ("runs?filter=metrics.a<" + "9" * 400, 400, "too large"),
        ("runs?filter=" + "a%20or%20" * 1500 + "a", 400, "more than 200"),
        ("notebook?path=" + "a" * 5000, 404, "can't be looked at"),
        ("runs/zzzz", 404, "no run"),
        ("runs/zzzz/log", 404, "no run"),
        ("models/none", 404, "no model"),
        ("models/none/at?date=yesterday", 400, "date"),
        ("models/none/3/card", 404, "version"),
        ("deployments/none/dashboard", 404, "no deployment"),
        ("deployments/taxi/drift/2011-01", 404, "scored period"),
        ("deployments/taxi/drift/2011-01/x", 404, "drift report"),
        ("pipelines/none", 404, "pipeline"),
        ("pipelines/runs/zzzz", 404, "no run"),
        ("notebook?path=../../etc/passwd", 404, "below the server's root"),
        ("runs?path=/etc/../../..", 404, "below the server's root"),
        ("lineage", 400, "say of what"),
        ("compare", 400, "2 to 50"),
    ],
)
def test_a_users_mistake_is_told_as_one(server: Any, route: str, status: int, said: str) -> None:
    answer = server.ask(route)
    assert (answer.status, said in answer.json["message"]) == (status, True), answer.content


def test_bodies_are_checked(server: Any) -> None:
    assert server.ask("rollbacks", {"deployment": "taxi", "to": 10**25}).status == 400
    for body in ([], {"source": 3, "name": "x"}, {"source": "a", "name": "x", "extra": 1}, {"name": "x"}):
        assert server.ask("promotions/check", body).status == 400
    assert server.ask("store", {}, method="POST").status == 405


def test_a_link_out_of_the_root_is_not_followed(server: Any, tmp_path: Path) -> None:
    (tmp_path / "outside.ipynb").write_text("{}")
    link = server.root / "link.ipynb"
    link.symlink_to(tmp_path / "outside.ipynb")
    try:
        assert server.ask("notebook?path=link.ipynb").status == 404
    finally:
        link.unlink()


def test_links_in_a_circle_are_no_path(server: Any) -> None:
    link = server.root / "circle"
    link.symlink_to(link)
    try:
        for route in ("notebook?path=circle", "lineage?path=circle/x.ipynb", "notebooks/parameters?path=circle"):
            assert server.ask(route).status == 404
    finally:
        link.unlink()


def test_what_another_process_writes_is_told_in_order(server: Any) -> None:
    """Four processes write at once; a follower that asks all the while sees each number once."""
    first = server.ask("events").json["seq"]
    script = (
        "import sys\nfrom pathlib import Path\nfrom nbops.workspace import open_workspace\n"
        "ws = open_workspace(Path(sys.argv[1]), environ={})\n"
        "for i in range(50):\n with ws.store.transaction() as tx:\n  tx.event('test', f'{sys.argv[2]}-{i}', 'a')\n"
        "  tx.event('test', f'{sys.argv[2]}-{i}', 'b')\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", script, str(server.root), str(n)]) for n in range(4)]
    seen: list[dict[str, Any]] = []
    at, alive = first, True
    while alive or at < server.ask("events").json["seq"]:
        alive = any(w.poll() is None for w in writers)
        told = server.ask(f"events?after={at}").json
        seen += told["events"]
        at = told["seq"]
    assert [w.wait() for w in writers] == [0, 0, 0, 0]
    ours = [e for e in seen if e["noun"] == "test"]
    assert len(ours) == 400
    numbers = [e["seq"] for e in seen]
    assert numbers == sorted(set(numbers))
    assert {(e["name"], e["what"]) for e in ours} == {
        (f"{n}-{i}", w) for n in range(4) for i in range(50) for w in "ab"
    }
