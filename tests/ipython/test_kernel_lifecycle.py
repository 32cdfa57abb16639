"""From the first tracked cell to the kernel's end, in a real kernel and a real store."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

from conftest import MIME, Kernel, comparable, comparable_reply, is_card, kernel
from nbops.core.canonical import digest, dump_encoded
from nbops.core.runs import CellStatus, Run, RunKind, RunStatus
from nbops.store import records, runs
from nbops.workspace import Workspace, open_workspace

STATE = """import sys
state = {
    "events": {k: [id(f) for f in v] for k, v in get_ipython().events.callbacks.items()},
    "cleanup": [id(f) for f in get_ipython().input_transformers_cleanup],
    "post": [id(f) for f in get_ipython().input_transformers_post],
    "line": sorted(get_ipython().magics_manager.magics["line"]),
    "cell": sorted(get_ipython().magics_manager.magics["cell"]),
    "registry": sorted(n for n in get_ipython().magics_manager.registry if "Nbops" in n),
    "hooks": [len(p._hooks) for p in (get_ipython().display_pub, get_ipython().displayhook)],
    "attributes": sorted(n for n in vars(get_ipython()) if "nbops" in n),
    "meta_path": [str(type(f)) for f in sys.meta_path],
    "write": [("write" in vars(s)) for s in (sys.stdout, sys.stderr)],
}
print(__import__("json").dumps(state))"""


def workspace(folder: Path) -> Workspace:
    return open_workspace(folder, environ={})


def only(folder: Path, kind: RunKind) -> Run:
    (found,) = runs.listed(workspace(folder).store, kinds=[kind])
    return found


def test_nothing_is_on_disk_before_the_first_tracked_cell(tracked_kernel: Kernel, tmp_path: Path) -> None:
    tracked_kernel.run("x = 1")
    tracked_kernel.run("%nbops runs")
    assert list((tmp_path / ".nbops").iterdir()) == []
    tracked_kernel.run("%%track\nx = 1")
    assert (tmp_path / ".nbops" / "nbops.sqlite").exists()


def test_the_output_carries_the_record_as_stored(tracked_kernel: Kernel, tmp_path: Path) -> None:
    code = "%%track train -t nightly -t 'two words'\nimport nbops\ndepth = 3\nnbops.log_metric('mae', 2.0)"
    (card,) = tracked_kernel.cards(code)
    store, run = workspace(tmp_path).store, only(tmp_path, RunKind.BLOCK)
    assert (run.name, run.status, run.tags) == ("train", RunStatus.COMPLETED, ("nightly", "two words"))
    assert run.parent == only(tmp_path, RunKind.SESSION).id
    assert dump_encoded(card[MIME]["record"]) == records.text(store, run.id, 0)
    (record,) = records.of_run(store, run.id)
    assert record.source == digest(code)
    assert record.params == {"depth": 3}
    assert [(m.name, m.value) for m in record.metrics] == [("mae", 2.0)]
    assert record.seconds > 0
    assert record.overhead_s > 0
    assert records.cell_text(store, run.id, 0) == code


def test_a_browser_that_saves_the_notebook_leaves_the_digest_true(tracked_kernel: Kernel) -> None:
    (card,) = tracked_kernel.cards(
        "%%track\nimport nbops\nwhole = 1.0\nbig = 2**60\nnbops.log_metric('nan', float('nan'))"
    )
    rewritten = json.loads(
        json.dumps(card[MIME]), parse_float=lambda t: int(float(t)) if float(t).is_integer() else float(t)
    )
    from nbops.notebook.embedded import check

    assert check(rewritten)


def test_data_in_and_out(tracked_kernel: Kernel, tmp_path: Path) -> None:
    tracked_kernel.run("import pandas as pd\ndf = pd.DataFrame({'a': [1, 2, 3]})")
    tracked_kernel.run("%%track grow\ndf['b'] = df.a * 2\nother = df.head(2)")
    tracked_kernel.run("%%track look\ntotal = int(df.a.sum())")
    store = workspace(tmp_path).store
    grow, look = (records.of_run(store, runs.listed(store, name=n)[0].id)[0] for n in ("grow", "look"))
    assert {u.name: u.fingerprint.shape for u in grow.reads} == {"df": (3, 1)}
    assert {u.name: u.fingerprint.shape for u in grow.writes} == {"df": (3, 2), "other": (2, 2)}
    assert look.writes == ()
    assert look.reads[0].fingerprint == next(u.fingerprint for u in grow.writes if u.name == "df")


def test_an_unnamed_cell_belongs_to_the_session(tracked_kernel: Kernel, tmp_path: Path) -> None:
    for n in range(3):
        tracked_kernel.run(f"%%track\nn = {n}")
    run = only(tmp_path, RunKind.SESSION)
    assert [r.seq for r in records.of_run(workspace(tmp_path).store, run.id)] == [0, 1, 2]
    assert run.status is RunStatus.IN_PROGRESS
    assert run.environment["python"]
    assert "IPython" in run.environment["packages"]


def test_a_failing_cell_ends_its_run_failed(tracked_kernel: Kernel, tmp_path: Path) -> None:
    tracked_kernel.run("%%track bad\nraise ValueError('token=abcdefgh12345678')")
    run = only(tmp_path, RunKind.BLOCK)
    assert (run.status, run.error) == (RunStatus.FAILED, "ValueError: token=[redacted]")


def test_a_cell_that_python_refuses_is_recorded_as_such(tracked_kernel: Kernel, tmp_path: Path) -> None:
    tracked_kernel.run("%%track bad\nx = = 1")
    run = only(tmp_path, RunKind.BLOCK)
    assert run.status is RunStatus.FAILED
    assert run.error is not None
    assert run.error.startswith("SyntaxError: ")


def test_an_interrupted_cell_ends_its_run_stopped(tracked_kernel: Kernel, tmp_path: Path) -> None:
    for name, wait in (("sync", "time.sleep(30)"), ("async", "await asyncio.sleep(2)")):
        sent = tracked_kernel.send(f"%%track {name}\nimport asyncio, time\nprint('running', flush=True)\n{wait}")
        tracked_kernel.interrupt_once_running(sent)
        tracked_kernel.collect(sent)
        (run,) = runs.listed(workspace(tmp_path).store, name=name)
        assert run.status is RunStatus.STOPPED
        (record,) = records.of_run(workspace(tmp_path).store, run.id)
        assert record.status is CellStatus.INTERRUPTED


def test_an_interrupted_cell_looks_as_without_us(tracked_kernel: Kernel, tmp_path: Path) -> None:
    said = []
    with kernel(tmp_path, nbops=False) as control:
        for each, first in ((tracked_kernel, "%%track"), (control, "#")):
            for wait in ("time.sleep(30)", "await asyncio.sleep(2)"):
                sent = each.send(f"{first}\nimport asyncio, time\nprint('running', flush=True)\n{wait}")
                each.interrupt_once_running(sent)
                messages, reply = each.collect(sent)
                said.append((comparable(messages), comparable_reply(reply)))
    assert said[:2] == said[2:]


def test_cells_after_an_error_are_cancelled_and_leave_nothing(tracked_kernel: Kernel, tmp_path: Path) -> None:
    first = tracked_kernel.send("%%track\nimport time\ntime.sleep(0.3)\n1/0")
    second = tracked_kernel.send("%%track\nx = 1")
    tracked_kernel.collect(first)
    messages, reply = tracked_kernel.collect(second)
    assert reply["status"] == "aborted"
    assert not [m for m in messages if is_card(m)]
    assert len(records.of_run(workspace(tmp_path).store, only(tmp_path, RunKind.SESSION).id)) == 1


def test_a_cell_outside_of_history_is_not_tracked(tracked_kernel: Kernel, tmp_path: Path) -> None:
    assert tracked_kernel.cards("%%track\nx = 1", store_history=False) == []
    assert tracked_kernel.cards("%%track\nx = 1", silent=True) == []
    assert not (tmp_path / ".nbops" / "nbops.sqlite").exists()


def test_a_tagged_cell_is_tracked(tracked_kernel: Kernel) -> None:
    assert tracked_kernel.cards("x = 1") == []
    (card,) = tracked_kernel.cards("x = 1", tags=["nbops-track"])
    assert card[MIME]["record"]["cell_id"].startswith("cell-")


def test_a_card_in_auto_mode_is_one_collapsed_line(tracked_kernel: Kernel) -> None:
    tracked_kernel.run("%nbops auto on")
    (card,) = tracked_kernel.cards("rate = 0.5")
    assert "\n" not in card["text/plain"]
    assert "<details class" in card["text/html"]
    assert " open>" not in card["text/html"]
    assert tracked_kernel.cards("print('nothing to keep')") == []
    tracked_kernel.run("%nbops auto off")
    assert tracked_kernel.cards("rate = 0.5") == []


def test_visible_text_is_the_same_when_a_notebook_runs_again(tmp_path: Path) -> None:
    code = (
        "%%track fit\nimport nbops, pandas as pd\ndf = pd.DataFrame({'a': [1.5, 2]})\nnbops.log_metric('m', 0.1)\n"
        "df.to_csv('out.csv')"
    )
    seen = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        (folder / ".nbops").mkdir(parents=True)
        with kernel(folder, nbops=True) as each:
            (card,) = each.cards(code)
            seen.append((card["text/plain"], card["text/html"]))
    assert seen[0] == seen[1]
    text = re.sub(r"<style>.*?</style>", "", "".join(seen[0]), flags=re.DOTALL)
    assert not re.search(r"[0-9a-f]{8}|\d\d:\d\d|second|\bms\b", text)
    assert os.uname().nodename not in text


def test_a_clear_that_waits_is_not_carried_out_by_the_card(tracked_kernel: Kernel, tmp_path: Path) -> None:
    code = "%%track\nfrom IPython.display import clear_output\nx = 1\nprint('stays')\nclear_output(wait=True)"
    assert tracked_kernel.cards(code) == []
    (record,) = records.of_run(workspace(tmp_path).store, only(tmp_path, RunKind.SESSION).id)
    assert record.params == {"x": 1}
    assert "clear_output(wait=True)" in record.notes[0]


def test_card_settings(tracked_kernel: Kernel) -> None:
    tracked_kernel.run("%nbops card line")
    (card,) = tracked_kernel.cards("%%track\nx = 1")
    assert "\n" not in card["text/plain"]
    tracked_kernel.run("%nbops card off")
    assert tracked_kernel.cards("%%track\nx = 1") == []
    tracked_kernel.run("%nbops card full\n%nbops auto on")
    for code in ("%%track\nx = 1", "x = 1"):
        (card,) = tracked_kernel.cards(code)
        assert " open>" in card["text/html"]
    assert tracked_kernel.cards("print()") == []


def test_off_and_on(tracked_kernel: Kernel, tmp_path: Path) -> None:
    tracked_kernel.run("%nbops off")
    assert tracked_kernel.cards("%%track\nx = 1") == []
    assert not (tmp_path / ".nbops" / "nbops.sqlite").exists()
    tracked_kernel.run("%nbops on")
    assert len(tracked_kernel.cards("%%track\nx = 1")) == 1


def test_looking_at_what_was_recorded(tracked_kernel: Kernel) -> None:
    tracked_kernel.run("%%track one\nx = 1")
    tracked_kernel.run("%%track two\nx = 2")
    listed = tracked_kernel.text("%nbops runs")
    assert "one" in listed
    assert "two" in listed
    assert "two" in tracked_kernel.text("%nbops show")
    ids = re.findall(r"(?m)^([0-9a-f]{8}) .*block", listed)
    assert len(ids) == 2
    assert "x" in tracked_kernel.text(f"%nbops diff {ids[1]} {ids[0]}")


def test_wrong_use_is_an_error_that_says_how(tracked_kernel: Kernel) -> None:
    unknown = tracked_kernel.text("%nbops runz")
    assert "did you mean 'run' or 'runs'?; '%nbops help' says what each does" in unknown
    assert "one of on, off; got maybe" in tracked_kernel.text("%nbops auto maybe")
    assert "one of on, off; got nothing" in tracked_kernel.text("%nbops auto")
    assert '%%track "a: No closing quotation' in tracked_kernel.text('%%track "a\nx = 1')
    assert "one name at most" in tracked_kernel.text("%%track a b c\nx = 1")
    assert "needs a tag" in tracked_kernel.text("%%track a -t\nx = 1")
    assert "unknown option '--x'" in tracked_kernel.text("%%track --x\nx = 1")
    assert "NameError" in tracked_kernel.text("x") or "not defined" in tracked_kernel.text("x")
    assert "no run 'ffff'" in tracked_kernel.text("%nbops show ffff")


def test_help_is_a_line_for_each_command(tracked_kernel: Kernel) -> None:
    said = tracked_kernel.text("%nbops help")
    assert said.startswith("%nbops auto on|off  ")
    assert re.search(r"(?m)^%nbops stale +which cells", said)
    assert said == tracked_kernel.text("%nbops") == tracked_kernel.text("%nbops --help")


def test_help_and_completion(tracked_kernel: Kernel) -> None:
    _, reply = tracked_kernel.run("%%track?")
    assert "Record what this cell reads" in reply["payload"][0]["data"]["text/plain"]
    sent = tracked_kernel.client.complete("%%tra")
    while (answer := tracked_kernel.client.get_shell_msg(timeout=20))["parent_header"].get("msg_id") != sent:
        pass
    assert "%%track" in answer["content"]["matches"]


def test_an_unfinished_cell_is_checked_without_effect(tracked_kernel: Kernel, tmp_path: Path) -> None:
    for code in ("%%track", "%%track x\nfor i in range(3):", "%%track x\nx = 1\n"):
        sent = tracked_kernel.client.is_complete(code)
        while (answer := tracked_kernel.client.get_shell_msg(timeout=20))["parent_header"].get("msg_id") != sent:
            pass
        assert answer["content"]["status"] in ("complete", "incomplete")
    assert not (tmp_path / ".nbops" / "nbops.sqlite").exists()


def test_one_history_entry_with_the_cell_as_written(tracked_kernel: Kernel) -> None:
    tracked_kernel.run("%%track h\nx = 1")
    assert tracked_kernel.text("print(get_ipython().history_manager.input_hist_raw[-2:])") == (
        "['%%track h\\nx = 1', 'print(get_ipython().history_manager.input_hist_raw[-2:])']\n"
    )


def test_what_is_logged_in_an_untracked_cell_is_kept(tracked_kernel: Kernel, tmp_path: Path) -> None:
    code = "import nbops\nnbops.log_metric('loose', 1.5)\nnbops.log_param('p', 2)"
    assert tracked_kernel.cards(code) == []
    run = only(tmp_path, RunKind.SESSION)
    (record,) = records.of_run(workspace(tmp_path).store, run.id)
    assert (record.source, record.params, record.metrics[0].value) == (digest(code), {"p": 2}, 1.5)


def test_the_line_may_stand_below_time_and_capture(tracked_kernel: Kernel, tmp_path: Path) -> None:
    messages, _ = tracked_kernel.run("%%time\n%%track timed\nx = 1")
    assert "Wall time" in "".join(m["content"].get("text", "") for m in messages)
    assert len(tracked_kernel.cards("%%capture out\n%%track captured\nprint('hidden')\ny = 1")) == 1
    assert tracked_kernel.text("print(out.stdout)") == "hidden\n\n"
    assert {r.name for r in runs.listed(workspace(tmp_path).store, kinds=[RunKind.BLOCK])} == {"timed", "captured"}


def test_what_a_metric_is_on_is_said_below_time_too(tracked_kernel: Kernel) -> None:
    tracked_kernel.run("from sklearn.metrics import r2_score\ny = [1, 2, 3, 4]")
    tracked_kernel.run("%nbops auto on\n%nbops card full")
    for magics in ("%%time\n", "%%time\n%%track timed\n\n", "%%track one\n%%time\n"):
        (card,) = tracked_kernel.cards(f"{magics}z = 1; r2_score(y[2:], y[:2])")
        assert "r2_score -15 on y[2:]" in card["text/plain"]


def test_unload_restores_every_hook(tmp_path: Path) -> None:
    (tmp_path / ".nbops").mkdir()
    with kernel(tmp_path, nbops=False) as each:
        before = json.loads(each.text(STATE, store_history=False))
        each.run("%load_ext nbops")
        each.run("%nbops auto on")
        each.run("%%track\nfrom IPython.display import clear_output\nx = 1\nclear_output(wait=True)")
        each.run("import sklearn.metrics\nsklearn.metrics.mean_absolute_error([1], [2])")
        each.run("%unload_ext nbops")
        after = json.loads(each.text(STATE, store_history=False))
    assert after == before
    assert only(tmp_path, RunKind.SESSION).status is RunStatus.COMPLETED


def test_loading_costs_no_heavy_import(tmp_path: Path) -> None:
    with kernel(tmp_path, nbops=False) as each:
        code = (
            "import sys\nbefore = set(sys.modules)\nget_ipython().run_line_magic('load_ext', 'nbops')\n"
            "get_ipython().run_cell('%%track\\nx = 1', store_history=True)\n"
            "print({m.partition('.')[0] for m in set(sys.modules) - before})"
        )
        loaded = each.text(code)
    heavy = {"pandas", "sklearn", "sqlalchemy", "nbformat", "numpy", "scipy", "pyarrow", "matplotlib", "papermill"}
    assert not {name for name in heavy if f"'{name}'" in loaded}


def test_disabled_is_inert(tmp_path: Path) -> None:
    (tmp_path / ".nbops").mkdir()
    with kernel(tmp_path, nbops=True, env={"NBOPS_DISABLED": "1"}) as each:
        messages, _ = each.run("%%track name\nimport nbops\nnbops.log_metric('m', 1)\nprint('ran')")
        assert "ran" in "".join(m["content"].get("text", "") for m in messages)
        assert not [m for m in messages if is_card(m)]
    assert list((tmp_path / ".nbops").iterdir()) == []


def test_the_kernels_end_closes_the_session(tracked_kernel: Kernel, tmp_path: Path) -> None:
    tracked_kernel.run("%%track\nx = 1")
    tracked_kernel.manager.shutdown_kernel()
    assert only(tmp_path, RunKind.SESSION).status is RunStatus.COMPLETED


def test_the_end_of_a_kernel_whose_children_hold_it_up_closes_the_session(
    tracked_kernel: Kernel, tmp_path: Path
) -> None:
    deaf = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(10)"
    )
    tracked_kernel.run("%%track\nx = 1")
    tracked_kernel.run(
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {deaf!r}], stdout=subprocess.PIPE)\n"
        "child.stdout.readline(); print(child.pid)"
    )
    tracked_kernel.manager.shutdown_kernel()  # jupyter_client kills it after 2.5 s
    assert only(tmp_path, RunKind.SESSION).status is RunStatus.COMPLETED


def test_exit_closes_the_session(tmp_path: Path) -> None:
    (tmp_path / ".nbops").mkdir()
    payloads: list[Any] = []
    for nbops in (True, False):
        with kernel(tmp_path, nbops=nbops) as each:
            if nbops:
                each.run("%%track\nx = 1")
            else:
                each.run("#\nx = 1")
            _, reply = each.run("exit()")
            payloads.append(reply["payload"])
            deadline = time.monotonic() + 20
            while each.manager.is_alive() and time.monotonic() < deadline:
                time.sleep(0.05)
            assert not each.manager.is_alive()
    assert payloads[0] == payloads[1]
    assert only(tmp_path, RunKind.SESSION).status is RunStatus.COMPLETED


def test_a_killed_kernels_runs_show_as_lost(tracked_kernel: Kernel, tmp_path: Path) -> None:
    pid = int(tracked_kernel.text("import os\nprint(os.getpid())"))
    tracked_kernel.run("%%track\nx = 1")
    sent = tracked_kernel.send("%%track long\nimport time\nprint('running', flush=True)\ntime.sleep(30)")
    while "running" not in tracked_kernel.client.get_iopub_msg(timeout=20)["content"].get("text", ""):
        pass
    assert sent
    os.kill(pid, signal.SIGKILL)
    tracked_kernel.manager.provisioner.process.wait()
    store = workspace(tmp_path).store
    assert {r.status for r in runs.listed(store)} == {RunStatus.LOST}
    assert {runs.as_stored(store, r.id).status for r in runs.listed(store)} == {RunStatus.IN_PROGRESS}
    assert len(records.all_digests(store)) == 1


def test_a_forked_child_writes_nothing(tracked_kernel: Kernel, tmp_path: Path) -> None:
    tracked_kernel.run(
        "%%track fork\nimport os, nbops\nnbops.log_metric('parent', 1)\npid = os.fork()\n"
        "if pid == 0:\n    try:\n        nbops.log_metric('child', 1)\n        nbops.log_param('child', 1)\n"
        "    finally:\n        os._exit(0)\nos.waitpid(pid, 0)"
    )
    run = only(tmp_path, RunKind.BLOCK)
    assert [m.name for m in records.metrics(workspace(tmp_path).store, run.id)] == ["parent"]
    assert runs.params(workspace(tmp_path).store, run.id) == {}


def test_after_three_failures_tracking_is_off_and_says_so_once(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("a file stands where the store's folder should be")
    with kernel(tmp_path, nbops=True, env={"NBOPS_HOME": str(home)}) as each:
        said = [each.cards(f"%%track\nx = {n}\nprint(x)") for n in range(5)]
    assert [len(cards) for cards in said] == [1, 1, 1, 0, 0]
    assert "tracking is off" not in said[1][0]["text/plain"]
    assert "tracking is off" in said[2][0]["text/plain"]
