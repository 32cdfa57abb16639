"""Above the cell's own memory, capture takes at most 64 MB, whatever it keeps of the data."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from nbops.capture.frames import NotKept, keep_frame
from nbops.fingerprints.fingerprint import fingerprint
from nbops.profiles import profiler
from nbops.store.artifacts import ArtifactStore

PROGRAM = """
import sys
from pathlib import Path
import numpy as np, pandas as pd
from sklearn.dummy import DummyRegressor
from sklearn.metrics import r2_score
from nbops.capture.cells import CellStart
from nbops.capture.session import Session
from nbops.workspace import open_workspace

Path("nbops.toml").write_text("[capture]\\nbudget_s = 600\\n[store]\\nkeep = ['frame']\\n")
session = Session(open_workspace(Path.cwd(), environ={}))
names = {"__name__": "__main__", "np": np, "pd": pd, "DummyRegressor": DummyRegressor, "r2_score": r2_score}

def kilobytes(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name))

def run(rows, text):
    names["X"] = pd.DataFrame(np.random.default_rng(0).random((rows, 10)), copy=False)
    names["y"] = names["X"][0] + 1
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = kilobytes("VmRSS")
    cell = session.begin(CellStart(source=text, code=text), names)
    exec(compile(text, "cell", "exec"), names)
    record = session.end(cell).record
    assert record is not None and not record.notes, record
    return record, (kilobytes("VmHWM") - before) / 1024

for text in (
    "frame = X",
    "model = DummyRegressor().fit(X, y)\\nassert model.n_outputs_ == 1",
    "model = DummyRegressor().fit(X[:9], y[:9])\\nscore = r2_score(y, model.predict(X))",
):
    run(1000, text)  # what is imported on first use isn't the data's
    record, above = run(1_100_000, text)
    kept = [use for use in record.models if use.profile and (use.evaluation or "score" not in text)]
    assert kept or text == "frame = X", record
    print(above)
session.close()
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is read from /proc")
def test_kept_frames_profiles_and_evaluation_rows_are_made_in_parts(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    above = dict(zip(("kept", "fitted", "judged"), map(float, done.stdout.split()), strict=True))
    own = 20  # what the prediction, which the last cell makes itself, takes
    assert {name: mb for name, mb in above.items() if mb > 64 + own * (name == "judged")} == {}


FRAMES = [
    pd.DataFrame({"n": range(50), "t": ["x", None] * 25, "c": pd.Categorical(list("ab") * 25)}),
    pd.DataFrame({"late": [None] * 45 + ["x"] * 5, "f": [1.5] * 50}, index=pd.Index(range(50, 0, -1), name="key")),
    pd.DataFrame({0: range(30), 1: [0.5] * 30}),
    pd.DataFrame({"a": range(50)}).iloc[3:],
    pd.DataFrame({"a": range(6)}, index=pd.MultiIndex.from_product([[1, 2], list("abc")], names=["i", None])),
    pd.DataFrame({"a": pd.array([1, None, 3] * 9, "Int64")}, index=pd.date_range("2030", periods=27, tz="UTC")),
    pd.Series(range(30), name="one"),
    pd.Series([1.0] * 30),
    pd.DataFrame({"a": []}),
    pa.table({"a": range(30), "b": ["x", None] * 15}),
]


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: f"{type(frame).__name__}{frame.shape}")
def test_what_is_kept_in_parts_reads_back_as_a_whole(
    frame: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profiler, "PART_CELLS", 20)
    store = ArtifactStore(tmp_path)
    digest = str(fingerprint(frame).digest)
    form, artifact, size = keep_frame(store, frame, digest, lambda size: None)
    assert form == "parquet" and store.size(artifact) == size
    path = store.verified(artifact)
    back = pa.parquet.read_table(path) if isinstance(frame, pa.Table) else pd.read_parquet(path)
    if isinstance(frame, pd.Series):
        back = back.iloc[:, 0].rename(frame.name)
    assert fingerprint(back).digest == digest


def test_nothing_is_left_of_what_is_not_kept(tmp_path: Path) -> None:
    store, frame = ArtifactStore(tmp_path), pd.DataFrame({"a": [1]})
    digest = str(fingerprint(frame).digest)
    with pytest.raises(NotKept, match="not read back the same"):
        keep_frame(store, frame, "f1:blake3:" + "0" * 64, lambda size: None)  # it was changed meanwhile
    with pytest.raises(NotKept, match="can't be written"):
        keep_frame(store, pd.DataFrame({"a": [object()]}), digest, lambda size: None)
    with pytest.raises(NotKept, match="quota"):
        keep_frame(store, frame, digest, lambda size: f"not kept: quota, {size} bytes")
    assert not list(store.digests()) and not list(store.leftovers())
