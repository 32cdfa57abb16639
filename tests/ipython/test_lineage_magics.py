"""``%nbops lineage`` and ``%nbops stale`` in a real kernel."""

from __future__ import annotations

from conftest import Kernel

CELLS = ("%nbops auto on", "import numpy as np", "data = np.arange(4)", "half = data[:2] * 2")


def test_the_lineage_of_a_variable_is_drawn_and_stale_cells_are_named(tracked_kernel: Kernel) -> None:
    assert "nothing has been tracked" in tracked_kernel.text("%nbops stale")
    for cell in CELLS:
        tracked_kernel.run(cell)
    messages, _ = tracked_kernel.run("%nbops lineage half")
    (shown,) = [m["content"]["data"] for m in messages if m["msg_type"] == "display_data"]
    assert shown["image/svg+xml"].startswith("<svg ")
    assert "data data 4" in shown["text/plain"]
    assert "nothing stale is known" in tracked_kernel.text("%nbops stale")
    assert "there is no run" in tracked_kernel.text("%nbops lineage nothing_of_that_name")
    assert "takes one name" in tracked_kernel.text("%nbops lineage a b")


def test_a_cell_whose_input_was_made_again(tracked_kernel: Kernel) -> None:
    for cell in CELLS:
        tracked_kernel.run(cell)
    session = tracked_kernel.client.session
    session.metadata = {"cellId": f"cell-{abs(hash(CELLS[2])) % 10**6}"}  # the same cell, edited
    tracked_kernel.collect(tracked_kernel.client.execute("data = np.arange(4) + 1"))
    session.metadata = {}
    said = tracked_kernel.text("%nbops stale")
    assert "a cell (In [4]): input changed" in said
    assert "'data' was made again by a cell (In [5])" in said


def test_a_card_says_at_once_what_is_stale_or_out_of_order(tracked_kernel: Kernel) -> None:
    make, use = "%%track\nimport numpy as np\na = np.arange(3) + start", "%%track\nb = a + 1"
    tracked_kernel.run("start = 0")
    assert "stale" not in tracked_kernel.cards(make)[0]["text/plain"]
    (fresh,) = tracked_kernel.cards(use)
    assert "fingerprints within 1 s" in fresh["text/plain"]
    tracked_kernel.run("start = 5")
    (again,) = tracked_kernel.cards(make)
    assert "stale now: In [3] used 'a' as it was before" in again["text/plain"]
    assert "stale now" in again["text/html"]
    (then,) = tracked_kernel.cards(use)
    assert "stale" not in then["text/plain"]


def test_models_that_saw_the_rows_they_were_judged_on(tracked_kernel: Kernel) -> None:
    assert "nothing has been tracked" in tracked_kernel.text("%nbops leakage")
    tracked_kernel.run("%nbops auto on")
    tracked_kernel.run(
        "import pandas as pd\nfrom sklearn.linear_model import Ridge\nfrom sklearn.metrics import r2_score\n"
        "rows = pd.DataFrame({'a': [i * 0.37 % 1 for i in range(90)]})\nrows['y'] = rows.a * 2 + 1"
    )
    assert "no model of this kernel" in tracked_kernel.text("%nbops leakage")
    tracked_kernel.run("model = Ridge().fit(rows[['a']], rows['y'])")
    tracked_kernel.run("test = rows[40:]\nscore = r2_score(test['y'], model.predict(test[['a']]))")
    said = tracked_kernel.text("%nbops leakage")
    assert said.startswith("model: shared rows, certain (In [")
    assert "50 (100.0%) are among the 90 that it was trained on" in said
    assert "takes nothing more" in tracked_kernel.text("%nbops leakage model")
