"""Files as streams of record batches: every row once, CSV as text, what doesn't fit handed over apart."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbops.core.errors import InputDataError
from nbops.datafiles.read import BATCH_ROWS, NULLS, MalformedLine, batches, columns, find_files, stem


def table(path: Path, malformed: list[MalformedLine] | None = None) -> pa.Table:
    return pa.Table.from_batches(batches(path, malformed))


def test_names_globs_and_endings(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "c.parquet", "note.txt"):
        (tmp_path / name).touch()
    assert [p.name for p in find_files([tmp_path / "*.csv", tmp_path / "a.csv", tmp_path / "c.parquet"])] == [
        "a.csv",
        "b.csv",
        "c.parquet",
    ]
    with pytest.raises(InputDataError, match="neither CSV"):
        find_files([tmp_path / "*"])
    with pytest.raises(InputDataError, match="no input files were named"):
        find_files([])
    assert [stem(Path(n)) for n in ("x/2011-07.csv", "a.b.parquet", "m.tsv.gz")] == ["2011-07", "a.b", "m"]


def test_what_pandas_reads_as_missing_is_missing_here(tmp_path: Path) -> None:
    import pandas._libs.parsers as parsers

    assert set(NULLS) == set(parsers.STR_NA_VALUES)
    (tmp_path / "a.csv").write_text("k,v\n" + "".join(f"{i},{text}\n" for i, text in enumerate((*NULLS, "x"))))
    found = table(tmp_path / "a.csv")["v"].to_pylist()
    assert found == [None] * len(NULLS) + ["x"]


def test_malformed_lines_are_handed_over_or_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('a,b\n1,x\n2\n3,"p\nq"\n4,y,z\n5,w\n')
    lines: list[MalformedLine] = []
    assert table(tmp_path / "a.csv", lines)["b"].to_pylist() == ["x", "p\nq", "w"]
    assert [(line.text, line.found, line.expected) for line in lines] == [("2", 1, 2), ("4,y,z", 3, 2)]
    with pytest.raises(InputDataError, match="can't be read"):
        table(tmp_path / "a.csv")


def test_batches_are_small_and_in_order(tmp_path: Path) -> None:
    n = BATCH_ROWS * 2 + 10
    frame = pd.DataFrame({"i": range(n)})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet", row_group_size=n)
    for name in ("a.csv", "a.parquet"):
        sizes, seen = [], 0
        for batch in batches(tmp_path / name):
            assert int(batch.column("i")[0].as_py()) == seen
            seen += batch.num_rows
            sizes.append(batch.num_rows)
        assert seen == n and max(sizes) <= BATCH_ROWS


def test_a_byte_order_mark_and_compression_are_understood(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfa,b\n1,2\n")
    assert columns(tmp_path / "a.csv") == ["a", "b"]
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n"))
    assert table(tmp_path / "b.csv.gz").to_pydict() == {"a": ["1"], "b": ["2"]}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1)), min_size=1, max_size=20))
def test_text_comes_back_as_pandas_wrote_it(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, str]]
) -> None:
    frame = pd.DataFrame(
        [
            [c.encode("utf-8", "replace").decode().replace("\x00", "").replace("\r", "") + "." for c in row]
            for row in cells
        ],
        columns=["a", "b"],
    )
    file = tmp_path_factory.mktemp("csv") / "a.csv"
    frame.to_csv(file, index=False, quoting=1)
    found = table(file).to_pydict()
    assert found == {"a": frame["a"].tolist(), "b": frame["b"].tolist()}
