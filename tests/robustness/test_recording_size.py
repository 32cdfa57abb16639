"""What goes into a notebook stays small, however much a cell did; the whole of it is in the store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from recording_acts import payloads
from tracked_shell import in_child

from nbops.core.canonical import parse
from nbops.notebook.embedded import LEFT_OUT_NOTE, LIMIT, check, record_from
from nbops.store import records, runs
from nbops.workspace import open_workspace

CELLS = {
    "columns": "%%track\nimport pandas as pd\nwide = pd.DataFrame({f'column {i:05d} ü': [i] for i in range(5000)})",
    "params": "%%track\nimport nbops\nnbops.log_params({f'parameter {i}': 'ä' * 50 for i in range(10_000)})",
    "metrics": "%%track\nimport nbops\nfor i in range(3000):\n    nbops.log_metric(f'm{i}', i)\n"
    "    nbops.log_metric('loss', i, step=i)",
    "names": "%%track\nimport numpy as np\nglobals().update({f'array{i}': np.arange(3) for i in range(1500)})\n"
    "sink = ["
    + ", ".join(f"array{i}" for i in range(1500))
    + "]\n"
    + "\n".join(f"array{i} = np.ones(2)" for i in range(1500)),
    "error": "%%track\nraise ValueError('é' * 100_000)",
    "files": "%%track\nfor i in range(600):\n    open('a rather long file name ' * 3 + str(i) + '.csv', 'w').close()",
}


@pytest.mark.parametrize("name", CELLS)
def test_a_monstrous_cell(tmp_path: Path, name: str) -> None:
    (cell,) = done = in_child("recording_acts:run_cells", tmp_path, {"cells": [CELLS[name]]})
    assert cell["error"] == ("ValueError" if name == "error" else None)
    (payload,) = payloads(done)
    assert len(json.dumps(payload)) <= LIMIT < 32 * 1024
    assert check(payload)
    assert all(len(form.encode()) < 100_000 for form in (cell["shown"][0]["text/html"], cell["shown"][0]["text/plain"]))
    record = record_from(payload)
    ws = open_workspace(tmp_path, environ={})
    assert records.of_run(ws.store, record.run) == [record], "the store has the very record"
    if name == "error":
        return
    assert any(note.startswith(LEFT_OUT_NOTE) for note in record.notes)
    (kept,) = records.artifacts(ws.store, record.run, kind="detail")
    whole = parse(ws.artifacts.read_bytes(kept.digest).decode())
    assert kept in record.artifacts
    if name == "columns":
        (write,) = whole["writes"]
        assert len(write["fingerprint"]["columns"]) == 5000
        assert write["fingerprint"]["digest"] == record.writes[0].fingerprint.digest
    if name == "params":
        assert len(whole["params"]) == len(runs.params(ws.store, record.run)) == 10_000
    if name == "metrics":
        values = records.metrics(ws.store, record.run)
        assert len({m.name for m in values}) == 3001
        assert sum(m.name == "loss" for m in values) == 3000
        assert len(values) == 6000, "each value once"
    if name == "names":
        assert len(whole["reads"]) + len(whole["writes"]) >= 1500
    if name == "files":
        assert len(whole["files"]) == 500
