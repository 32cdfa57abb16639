"""Values of columns that are to be withheld are in neither the store nor a record, and what follows is said."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from tracked_cells import tracked

from nbops.capture.session import Session
from nbops.catalog.table import profile
from nbops.monitor.severity import DriftPolicy, Severity, compare_column
from nbops.profiles.profile import Profile
from nbops.profiles.profiler import profile_table
from nbops.store import records, runs
from nbops.workspace import open_workspace

PLANTED = [f"planted{i}@example.org" for i in range(40)]
NUMBERS = [7_654_321_000 + i for i in range(40)]
CELLS = {
    "read": "import pandas as pd\ndf = pd.read_csv('people.csv')\nother = pd.read_parquet('people.parquet')\n"
    "from pathlib import Path\nPath('notes.log').read_text()",
    "fit": "from sklearn.linear_model import LinearRegression\nfrom sklearn.metrics import mean_absolute_error\n"
    "X = df[['x', 'Client_ID']]\nmodel = LinearRegression().fit(X[:30], df['y'][:30])\n"
    "error = mean_absolute_error(df['y'][30:], model.predict(X[30:]))",
    "plain": "small = df[['x']]\nsecond = LinearRegression().fit(small[:30], df['y'][:30])\n"
    "mean_absolute_error(df['y'][30:], second.predict(small[30:]))",
}


def project(folder: Path, toml: str) -> None:
    (folder / "nbops.toml").write_text(toml)
    frame = pd.DataFrame(
        {"email": PLANTED, "Client_ID": NUMBERS, "x": [i * 0.5 for i in range(40)], "y": [i % 7 for i in range(40)]}
    )
    frame.to_csv(folder / "people.csv", index=False)
    frame.to_parquet(folder / "people.parquet")
    (folder / "notes.log").write_text(PLANTED[3])


def holds(folder: Path) -> set[str]:
    """Which of the planted values lie anywhere in the store, as text or in a table."""
    found = set()
    for file in folder.rglob("*"):
        if not file.is_file():
            continue
        content = file.read_bytes()
        text = content.decode("utf-8", "replace")
        if content.startswith(b"PAR1"):
            text = pq.read_table(file).to_pandas().to_csv()
        found |= {value for value in (*PLANTED, *map(str, NUMBERS)) if value in text}
    return found


def run(folder: Path, toml: str) -> Session:
    project(folder, toml)
    with tracked(folder, CELLS) as book:
        book.run()
        return book.session


def test_without_it_the_store_has_values_or_the_test_below_says_nothing(tmp_path: Path) -> None:
    run(tmp_path, "")
    assert {PLANTED[3], str(NUMBERS[35])} <= holds(tmp_path / ".nbops")


def test_values_of_withheld_columns_are_nowhere(tmp_path: Path) -> None:
    run(tmp_path, "[capture]\nno_values = ['email', '*_id']\n")
    assert holds(tmp_path / ".nbops") == set()
    ws = open_workspace(tmp_path, environ={})
    found = [r for each in runs.listed(ws.store) for r in records.of_run(ws.store, each.id)]
    said = {f.path: f.not_kept for r in found for f in r.files}
    assert said["people.csv"] == said["people.parquet"] == "not kept: its column 'email' is in [capture] no_values"
    assert said["notes.log"] == "not kept: [capture] no_values is set, and its columns can't be told"
    notes = [note for r in found for note in r.notes]
    assert "no evaluation rows kept: the column 'Client_ID' is in [capture] no_values" in notes
    models = {m.name: m for r in found for m in r.models}
    assert models["model"].evaluation is None and models["second"].evaluation is not None
    kept = Profile.from_bytes(ws.artifacts.read_bytes(models["model"].profile or ""))
    withheld, x = kept.column("Client_ID"), kept.column("x")
    assert withheld.withheld and (withheld.count, withheld.distinct, withheld.nulls) == (30, 30, 0)
    assert (withheld.values, withheld.minimum, withheld.mean, withheld.sketch) == ((), None, None, None)
    assert not x.withheld and x.values
    shown = {c.name: c for c in profile(ws, "people.csv").columns}  # from the file, which is still there
    assert shown["email"].withheld and shown["email"].frequent == () and shown["x"].quantiles


def written_otherwise(folder: Path) -> None:
    frame = pd.DataFrame({"email": PLANTED, "x": NUMBERS})
    for name, separator in (("semicolon", ";"), ("tab", "\t"), ("pipe", "|")):
        frame.to_csv(folder / f"{name}.csv", sep=separator, index=False)
    frame.to_csv(folder / "packed.csv.gz", sep=";", index=False)
    (folder / "comment.csv").write_text("# of all\n\n" + frame.to_csv(index=False))
    (folder / "commented.csv").write_text("#id;email \n" + frame.to_csv(sep=";", header=False))
    levels = pd.concat({"u": frame}, axis=1)
    levels.to_csv(folder / "levels.csv")
    levels.to_parquet(folder / "levels.parquet")
    people = [{"email": value} for value in PLANTED]
    pq.write_table(pa.table({"who": people}), folder / "struct.parquet")
    pq.write_table(pa.table({"who": [[person] for person in people]}), folder / "list.parquet")


def test_a_withheld_column_is_found_however_the_file_is_written(tmp_path: Path) -> None:
    (tmp_path / "nbops.toml").write_text("[capture]\nno_values = ['email']\n[store]\nkeep = ['levels', 'table']\n")
    written_otherwise(tmp_path)
    (tmp_path / "plain.csv").write_text("# mails\na;b\n1;2\n")
    names = [path.name for path in sorted(tmp_path.glob("*.*")) if path.name != "nbops.toml"]
    reads = f"from pathlib import Path\nfor name in {names}:\n    Path(name).read_bytes()\n"
    frames = "import pandas as pd, pyarrow.parquet as pq\nlevels = pd.read_parquet('levels.parquet')\n"
    with tracked(tmp_path, {"read": reads, "frames": frames + "table = pq.read_table('struct.parquet')"}) as book:
        book.run()
        ws = book.session.workspace
        found = [r for each in runs.listed(ws.store) for r in records.of_run(ws.store, each.id)]
    said = {f.path: f.not_kept for r in found for f in r.files}
    assert sorted(said) == names
    assert {name for name, why in said.items() if why is None} == {"plain.csv"}
    named = {name for name, why in said.items() if why == "not kept: its column 'email' is in [capture] no_values"}
    assert named == {*names} - {"plain.csv", "levels.csv", "levels.parquet"}
    notes = [note for r in found for note in r.notes if "no_values" in note]
    assert notes == [
        "levels is not kept: a column of it is in [capture] no_values",
        "table is not kept: its column 'email' is in [capture] no_values",
    ]
    assert holds(tmp_path / ".nbops") == set()


def test_a_reason_quotes_no_value_of_a_file_without_a_header(tmp_path: Path) -> None:
    (tmp_path / "nbops.toml").write_text("")
    (tmp_path / "bare.csv").write_text("plantedSecret08@x.org,1\n")
    (tmp_path / "one.csv").write_text("password\nhorse\n")
    with tracked(tmp_path, {"read": "for name in ('bare.csv', 'one.csv'):\n    open(name).close()"}) as book:
        book.run()
        ws = book.session.workspace
        found = [r for each in runs.listed(ws.store) for r in records.of_run(ws.store, each.id)]
    assert {f.path: f.not_kept for r in found for f in r.files} == {
        "bare.csv": "not kept: a column of it says that it holds secrets",
        "one.csv": "not kept: its column 'password' says that it holds secrets",
    }


def test_drift_of_a_withheld_column_is_unknown() -> None:
    whole = profile_table(pd.DataFrame({"a": [float(i) for i in range(300)]}))
    hidden = Profile.from_bytes(whole.withheld(lambda name: name == "a").to_bytes())
    for reference, current in ((whole, hidden), (hidden, whole), (hidden, hidden)):
        found = compare_column(reference.column("a"), current.column("a"), DriftPolicy())
        assert found.severity is Severity.UNKNOWN and "no_values" in found.why
