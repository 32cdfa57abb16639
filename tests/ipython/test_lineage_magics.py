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
