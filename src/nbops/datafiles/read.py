"""A data file → Arrow record batches, a few thousand rows in memory at a time.

CSV and TSV come as text, every column: a reader that guesses types per block would call a column integer in
one block and text in the next. Whoever knows what a column should be (a contract) gives it its type. What
pandas reads as missing by default ("", "NA", "null", …) is null here too, because models are trained on what
pandas read. A line with too many or too few fields is handed over apart, never dropped.

Parquet comes in the types it was written with.
"""

from __future__ import annotations

import bz2
import csv
import glob
import gzip
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbops.core.errors import InputDataError

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 65_536
_BLOCK_BYTES = 4 << 20
_HEAD_BYTES = 1 << 18
_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_PARQUET = (".parquet", ".pq")
_COMPRESSED = (".gz", ".bz2")
NULLS = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip
"""The default `na_values` of pandas.read_csv."""


@dataclass(frozen=True, kw_only=True)
class MalformedLine:
    """A CSV line that doesn't have as many fields as the header. `row` counts the data rows of the file that
    came before it (0, 1, …, malformed ones not counted)."""

    row: int
    text: str
    expected: int
    found: int


def find_files(inputs: Sequence[str | Path]) -> list[Path]:
    """The files that paths and globs name, each once, sorted by path.

    Raises
    ------
    InputDataError
        If a name matches no file, or one that is neither CSV, TSV nor Parquet.
    """
    found: set[Path] = set()
    for name in inputs:
        path = Path(name)
        # a pattern may begin anywhere (absolute, with ..), which Path.glob refuses
        matches = [path] if path.exists() else [Path(p) for p in glob.glob(str(name), recursive=True)]  # noqa: PTH207
        files = [p for p in matches if p.is_file()]
        if not files:
            what = f"{str(name)!r} is a folder" if path.is_dir() else f"no file matches {str(name)!r}"
            raise InputDataError(f"{what}; name CSV or Parquet files, or a glob such as 'data/*.csv'")
        found.update(files)
    if not found:
        raise InputDataError("no input files were named; name CSV or Parquet files, or a glob such as 'data/*.csv'")
    for path in found:
        _format(path)
    return sorted(found)


def stem(path: Path) -> str:
    """The file's name without the endings that say its format: ``2011-07`` of ``2011-07.csv.gz``."""
    name = path
    while name.suffix.lower() in (*_SEPARATORS, *_PARQUET, *_COMPRESSED):
        name = name.with_suffix("")
    return name.name


def columns(path: Path) -> list[str]:
    """The names of a file's columns, in order.

    Raises
    ------
    InputDataError
        If the file can't be read, or has a column twice.
    """
    with _said_plainly(path):
        if _format(path) == "parquet":
            import pyarrow.parquet as pq

            names = list(pq.read_schema(path).names)
        else:
            names = _csv_names(path)
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise InputDataError(f"{path}: the column {twice[0]!r} is there twice; rename one of them")
    return names


def possible_columns(path: Path, lines: int = 1) -> list[str]:
    """Every name that a column of the file may have: of nested Parquet columns the inner ones too; of a text the
    fields of its first `lines` lines, and of comments before them, by any usual separator.

    Raises
    ------
    InputDataError
        If the file can't be read, or is none of those formats.
    """
    if _format(path) == "parquet":
        with _said_plainly(path):
            import pyarrow.parquet as pq

            return list(_nested(pq.read_schema(path)))
    opened: Any = {".gz": gzip.open, ".bz2": bz2.open}.get(path.suffix.lower(), open)
    try:  # without Arrow: asked at a cell's end
        with opened(path, "rb") as file:
            rows = file.read(_HEAD_BYTES).decode("utf-8-sig", "replace").splitlines()
    except (OSError, EOFError, zlib.error) as error:
        raise InputDataError(f"{path} can't be read ({error}); check the file, or write it again") from error
    found: list[str] = []
    for row in rows:
        fields = [row.strip(), *(f for separator in ",;\t|" for f in _fields(row, separator))]
        found += [name for name in dict.fromkeys(field.strip().lstrip("#").strip(" \"'") for field in fields) if name]
        lines -= bool(row.strip()) and not row.lstrip().startswith("#")
        if lines <= 0:
            break
    return found


def _fields(row: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([row], delimiter=separator), [])
    except csv.Error:  # a field without an end
        return row.split(separator)


def _nested(parent: Any) -> Iterator[str]:
    for i in range(getattr(parent, "num_fields", 0) or len(getattr(parent, "names", ()))):
        field = parent.field(i)
        yield field.name
        yield from _nested(field.type)


def batches(path: Path, malformed: list[MalformedLine] | None = None) -> Iterator[pa.RecordBatch]:
    """The file's rows, in order, at most 65,536 a batch.

    Parameters
    ----------
    path : Path
        A CSV, TSV (both UTF-8, possibly compressed) or Parquet file.
    malformed : list, optional
        Takes the lines that don't fit the header, as they are met. Without it such a line is an error.

    Raises
    ------
    InputDataError
        If the file can't be read.
    """
    names = columns(path)
    with _said_plainly(path):
        if _format(path) == "parquet":
            import pyarrow.parquet as pq

            with pq.ParquetFile(path) as file:
                yield from file.iter_batches(batch_size=BATCH_ROWS)
            return
        for block in _csv_blocks(path, names, malformed):
            for start in range(0, block.num_rows, BATCH_ROWS):
                yield block.slice(start, BATCH_ROWS)


def _format(path: Path) -> str:
    suffixes = [s.lower() for s in path.suffixes]
    while suffixes and suffixes[-1] in _COMPRESSED:
        suffixes.pop()
    last = suffixes[-1] if suffixes else ""
    if last in _PARQUET and path.suffix.lower() == last:
        return "parquet"
    if last in _SEPARATORS:
        return last
    raise InputDataError(f"{path}: neither CSV (.csv, .tsv) nor Parquet (.parquet); convert it first")


def _csv_names(path: Path) -> list[str]:
    from pyarrow import csv

    with csv.open_csv(
        path,
        read_options=csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
        parse_options=csv.ParseOptions(
            delimiter=_SEPARATORS[_format(path)], newlines_in_values=True, invalid_row_handler=lambda _: "skip"
        ),
    ) as reader:
        return list(reader.schema.names)


def _csv_blocks(path: Path, names: list[str], malformed: list[MalformedLine] | None) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    from pyarrow import csv

    lines = 1  # the header

    def handle(row: csv.InvalidRow) -> str:
        if malformed is None:
            return "error"
        # the number is that of the line; before it stand the header and the malformed lines already met
        at = (row.number or 0) - lines - 1 - len(malformed)
        malformed.append(
            MalformedLine(row=max(at, 0), text=row.text, expected=row.expected_columns, found=row.actual_columns)
        )
        return "skip"

    with csv.open_csv(
        path,
        read_options=csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
        parse_options=csv.ParseOptions(
            delimiter=_SEPARATORS[_format(path)], newlines_in_values=True, invalid_row_handler=handle
        ),
        convert_options=csv.ConvertOptions(
            column_types={name: pa.large_string() for name in names},
            null_values=list(NULLS),
            strings_can_be_null=True,
        ),
    ) as reader:
        yield from reader


@contextmanager
def _said_plainly(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except InputDataError:
        raise
    except (pa.ArrowException, UnicodeDecodeError) as error:
        text = str(error)
        if isinstance(error, UnicodeDecodeError) or "UTF8" in text or "utf-8" in text:
            raise InputDataError(f"{path}: {_not_utf8(path)}; save it as UTF-8") from error
        if "Empty CSV" in text:
            raise InputDataError(f"{path}: the file is empty; it needs a header and rows") from error
        raise InputDataError(f"{path} can't be read ({text}); check the file, or write it again") from error
    except OSError as error:
        raise InputDataError(f"{path} can't be read ({error}); check the file, or write it again") from error


def _not_utf8(path: Path) -> str:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return f"line {number} is not UTF-8 (byte {line[error.start]:#04x} at position {error.start + 1})"
    return "not UTF-8"
