"""A cell from begin to end, in this process: budget, size, what counts as written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nbops.capture.cells import CellStart, parameter
from nbops.capture.data import OVER_BUDGET, is_data
from nbops.capture.identity import notebook_path
from nbops.capture.session import Outcome, Session
from nbops.core.runs import Metric
from nbops.fingerprints.fingerprint import fingerprint
from nbops.notebook.embedded import LIMIT, size
from nbops.store import records, runs
from nbops.workspace import open_workspace


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    (tmp_path / ".nbops").mkdir()
    (tmp_path / "nbops.toml").write_text("[capture]\nbudget_s = 60.0\n")  # a busy machine is not the question here
    opened = Session(open_workspace(tmp_path, environ={}))
    yield opened
    opened.close()
    opened.workspace.store.close()


def execute(session: Session, source: str, namespace: dict[str, Any], **start: Any) -> Outcome:
    """Run a cell's text as a kernel would."""
    cell = session.begin(CellStart(source=source, code=source, **start), namespace)
    assert cell is not None
    exec(source, namespace)
    return session.end(cell)


def test_rebinding_counts_as_written_and_looking_does_not(session: Session) -> None:
    namespace: dict[str, Any] = {"df": pd.DataFrame({"a": [1, 2]}), "x": np.arange(3)}
    done = execute(session, "n = len(df)\nx = x.copy()\nif n > 5:\n    df = None", namespace)
    assert done.record is not None
    assert [u.name for u in done.record.reads] == ["df", "x"]
    assert [u.name for u in done.record.writes] == ["x"]


def test_a_change_in_place_counts_as_written(session: Session) -> None:
    namespace: dict[str, Any] = {"x": np.arange(3), "y": np.arange(3)}
    done = execute(session, "x[0] = 7\ny[0] = 0", namespace)
    assert done.record is not None
    assert [u.name for u in done.record.writes] == ["x"]


def test_what_a_model_was_fitted_on_is_looked_at_once_when_the_cell_has_ended(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[int] = []

    def spied(value: Any, **budget: Any) -> Any:
        looked_at.append(id(value))
        return fingerprint(value, **budget)

    monkeypatch.setattr("nbops.fingerprints.fingerprint.fingerprint", spied)
    X = np.random.default_rng(0).normal(size=(50, 2))
    namespace: dict[str, Any] = {"X": X, "y": X[:, 0] > 0, "ended": looked_at.clear}
    done = execute(
        session, "from sklearn.linear_model import Ridge\nmodel = Ridge().fit(X, y)\nX[0] = 9\nended()", namespace
    )
    assert done.record is not None
    assert looked_at.count(id(X)) == 1
    assert [u.name for u in done.record.writes] == ["X"]
    assert any("changed in place after the fit" in note for note in done.record.notes)


def test_beyond_the_budget_it_is_said_and_no_digest_is_given(tmp_path: Path) -> None:
    (tmp_path / "nbops.toml").write_text("[capture]\nbudget_s = 0.0\n")
    session = Session(open_workspace(tmp_path, environ={}))
    done = execute(session, "y = x + 1", {"x": np.arange(10)})
    session.close()
    assert done.record is not None
    for use in (*done.record.reads, *done.record.writes):
        assert (use.fingerprint.digest, use.fingerprint.reason) == (None, OVER_BUDGET)
        assert use.fingerprint.shape == (10,)


def test_what_could_be_fingerprinted_before_the_cell_only_may_have_changed(session: Session) -> None:
    namespace: dict[str, Any] = {"x": np.arange(5.0)}
    cell = session.begin(CellStart(source="x.sum()", code="x.sum()"), namespace)
    assert cell is not None
    cell.budget_s = 0.0
    done = session.end(cell)
    assert done.record is not None
    (use,) = done.record.writes
    assert (use.fingerprint.digest, use.fingerprint.reason) == (None, f"it may have changed: {OVER_BUDGET}")


def test_a_large_record_fits_the_notebook_and_is_kept_whole(session: Session) -> None:
    wide = pd.DataFrame({f"column_{i}": [i] for i in range(2000)})
    done = execute(session, "y = wide + 1", {"wide": wide})
    assert done.record is not None
    assert done.run is not None
    assert size(done.record) <= LIMIT
    (detail,) = records.artifacts(session.workspace.store, done.run.id, "detail")
    assert "column_1999" in session.workspace.artifacts.read_bytes(detail.digest).decode()


def test_many_steps_are_all_kept(session: Session) -> None:
    cell = session.begin(CellStart(source="x", name="steps"), {})
    assert cell is not None
    cell.metrics += [Metric(name="loss", value=float(i), step=i) for i in range(10_000)]
    done = session.end(cell)
    assert done.run is not None
    assert done.record is not None
    assert [m.step for m in done.record.metrics] == [9999]
    kept = records.metrics(session.workspace.store, done.run.id)
    assert [m.step for m in kept] == list(range(10_000))


def test_a_nested_cell_is_part_of_the_outer_one(session: Session) -> None:
    outer = session.begin(CellStart(source="outer"), {})
    assert outer is not None
    assert session.begin(CellStart(source="inner"), {}) is None
    assert session.end(outer).record is not None


def test_a_literal_that_was_not_reached_is_no_parameter(session: Session) -> None:
    source = "a = 1\nraise ValueError\nb = 2"
    namespace: dict[str, Any] = {}
    cell = session.begin(CellStart(source=source, code=source), namespace)
    assert cell is not None
    with pytest.raises(ValueError) as caught:
        exec(source, namespace)
    done = session.end(cell, caught.value)
    assert done.record is not None
    assert done.record.params == {"a": 1}


def test_secrets_are_nowhere_in_the_store(session: Session) -> None:
    secret = "hunter2hunter2"
    source = f"password = '{secret}'\nurl = 'postgresql://me:{secret}@host/db'"
    execute(session, source, {}, name="secrets")
    home = session.workspace.home
    session.workspace.store.close()
    assert any(home.rglob("*"))
    for file in home.rglob("*"):
        if file.is_file():
            assert secret.encode() not in file.read_bytes(), file


def test_another_process_may_close_the_run_meanwhile(session: Session) -> None:
    import dataclasses

    from nbops.core.runs import RunStatus

    execute(session, "a = 1", {})
    assert session.run is not None
    store = session.workspace.store
    with store.transaction() as tx:
        stopping = dataclasses.replace(runs.as_stored(tx, session.run.id), status=RunStatus.STOPPING)
        runs.save(tx, stopping)
    execute(session, "b = 1", {}, tags=("t",))
    stored = runs.as_stored(store, session.run.id)
    assert (stored.status, stored.tags) == (RunStatus.STOPPING, ("t",))


def test_the_axes_of_a_figure_are_no_data(session: Session) -> None:
    done = execute(
        session,
        "import matplotlib\nmatplotlib.use('agg')\nimport matplotlib.pyplot as plt, numpy as np\n"
        "fig, axes = plt.subplots(2, 2)\nwords = np.array(['a', None], dtype=object)\nnone = np.array([])\n"
        "plt.close(fig)",
        {},
    )
    assert done.record is not None
    assert [u.name for u in done.record.writes] == ["none", "words"]


def test_what_is_data() -> None:
    import pyarrow as pa
    import scipy.sparse as sp

    for value in (
        pd.DataFrame(),
        pd.DataFrame({"dtype": ["object", "int"], "flat": 1, "size": 2}),
        pd.Series([1]),
        pd.RangeIndex(3),
        np.zeros(2),
        np.ma.zeros(2),
        sp.csr_matrix((2, 2)),
        sp.coo_array((2, 2)),
        pa.table({"a": [1]}),
        pa.array([1]),
    ):
        assert is_data(value), type(value)
    for value in (1, "x", [1], {"a": 1}, np.float64(1), pd, object()):
        assert not is_data(value), value


def test_parameters_are_plain_and_short() -> None:
    assert parameter("a", np.int64(3)) == 3
    assert parameter("a", np.float64(0.5)) == 0.5
    assert parameter("a", Path("x/y")) == "x/y"
    assert parameter("a", (1, "b", None)) == [1, "b", None]
    assert parameter("a", {3, 1, 2}) == [1, 2, 3]
    assert parameter("a", list(range(1000))) == "<list of 1,000 values>"
    assert len(parameter("a", "x " * 5000)) <= 1001
    assert parameter("a", len) == "len"


def test_the_notebooks_path(tmp_path: Path) -> None:
    given, by_env = tmp_path / "a.ipynb", {"NBOPS_NOTEBOOK": str(tmp_path / "b.ipynb")}
    code = {"__vsc_ipynb_file__": str(tmp_path / "c.ipynb")}
    server = {"JPY_SESSION_NAME": str(tmp_path / "d.ipynb")}
    assert notebook_path(given, code, by_env | server) == given
    assert notebook_path(None, code, by_env | server) == tmp_path / "b.ipynb"
    assert notebook_path(None, code, server) == tmp_path / "c.ipynb"
    assert notebook_path(None, {}, server) == tmp_path / "d.ipynb"
    assert notebook_path(None, {}, {"JPY_SESSION_NAME": "console-1"}) is None
