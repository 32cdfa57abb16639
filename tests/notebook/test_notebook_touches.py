"""Files and handed-on values that a notebook's text names."""

from __future__ import annotations

from pathlib import Path

import pytest

from nbops.notebook.files import Notebook
from nbops.notebook.touches import touches


def said(*cells: str, tag: str = "") -> Notebook:
    body = [
        {"cell_type": "code", "source": c, "metadata": {"tags": [tag] if tag and i == 0 else []}}
        for i, c in enumerate(cells)
    ]
    return Notebook(path=Path("n.ipynb"), data={"nbformat": 4, "cells": body})


READS = [
    ("pd.read_csv('a.csv')", "a.csv"),
    ("pd.read_parquet(path='./d/a.parquet')", "d/a.parquet"),
    ("from pathlib import Path\nFOLDER = Path('data')\npd.read_csv(FOLDER / 'x' / 'a.csv')", "data/x/a.csv"),
    ("base = 'data/'\npd.read_csv(base + 'a.csv')", "data/a.csv"),
    ("pd.read_csv(os.path.join('data', 'a.csv'))", "data/a.csv"),
    ("open('a.txt').read()", "a.txt"),
    ("Path('a.txt').read_text()", "a.txt"),
    ("for m in months:\n    pd.read_csv(f'data/{m}.csv')", "data/*.csv"),
    ("labelled: str = 'data/in'\nsorted(Path(labelled).glob('*.csv'))", "data/in/*.csv"),
    ("glob.glob('data/*.csv')", "data/*.csv"),
    ("np.load('a.npy')", "a.npy"),
    ("joblib.load('m.joblib')", "m.joblib"),
]
WRITES = [
    ("df.to_csv('a.csv')", "a.csv"),
    ("df.to_parquet(f'out/{month}.parquet')", "out/*.parquet"),
    ("open('a.txt', 'w').write('')", "a.txt"),
    ("with Path('a.txt').open('wb') as f:\n    pass", "a.txt"),
    ("Path('out', 'a.txt').write_text('')", "out/a.txt"),
    ("plt.savefig('a.png')", "a.png"),
    ("np.save('a.npy', x)", "a.npy"),
    ("joblib.dump(model, 'm.joblib')", "m.joblib"),
    ("pq.write_table(t, 'a.parquet')", "a.parquet"),
]


@pytest.mark.parametrize(("cell", "path"), READS)
def test_reads(cell: str, path: str) -> None:
    found = touches(said(cell))
    assert (found.reads, found.writes) == ((path,), ())


@pytest.mark.parametrize(("cell", "path"), WRITES)
def test_writes(cell: str, path: str) -> None:
    found = touches(said(cell))
    assert (found.reads, found.writes) == ((), (path,))


def test_what_no_path_can_be_told_of_and_what_is_no_file() -> None:
    nothing = [
        "pd.read_csv(url)",
        "pd.read_csv('https://x.org/a.csv')",
        "pd.read_csv(buffer)",
        "df.to_csv()",
        "s.load('x')",
    ]
    for cell in nothing:
        assert touches(said(cell)) == touches(said("")), cell


def test_a_parameter_is_what_may_be_another_and_a_file_written_first_is_no_input() -> None:
    found = touches(
        said("month = '2011-01'\nfile = 'data/a.csv'", "pd.read_csv(f'data/{month}.csv')", tag="parameters")
    )
    assert found.reads == ("data/*.csv",)
    assert touches(said("file = 'data/a.csv'", "pd.read_csv(file)", tag="parameters")).reads == ("data/a.csv",)
    assert touches(said("df.to_csv('a.csv')\npd.read_csv('a.csv')")).reads == ()


def test_handed_on_values() -> None:
    found = touches(said("x = nbops.input('a')\nnbops.output('b', x)\nnbops.output(name, x)"))
    assert (found.takes, found.gives) == (("a",), ("b",))
