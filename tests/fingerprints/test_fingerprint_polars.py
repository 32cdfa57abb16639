"""polars frames and series: what counts and what doesn't."""

from __future__ import annotations

import needs
from nbops.fingerprints.fingerprint import fingerprint


def test_polars_frames() -> None:
    try:
        import polars as pl
    except ImportError:
        needs.missing("polars")
    base = pl.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"], "c": [0.5, float("nan"), -1.0], "d": [[1], [], [2, 3]]})
    known = fingerprint(base)
    assert (known.kind, known.shape, [c.name for c in known.columns]) == (
        "polars dataframe",
        (3, 4),
        ["a", "b", "c", "d"],
    )
    joined = pl.concat([base[:1], base[1:]], rechunk=False)
    assert joined.n_chunks() == 2
    assert fingerprint(joined).digest == fingerprint(base.clone()).digest == known.digest
    assert joined.n_chunks() == 2  # it was not changed by being looked at
    others = [
        base.with_columns(a=pl.Series([1, 2, 4])),
        base.with_columns(a=pl.Series([1, 2, 3], dtype=pl.Int32)),
        base.with_columns(b=pl.Series(["x", "", "z"])),
        base.rename({"a": "e"}),
        base.select("b", "a", "c", "d"),
        base.reverse(),
        base[:2],
        base.to_pandas(),
        base["a"],
        base["a"].rename("other"),
        base["a"].cast(pl.Float64),
    ]
    assert len({fingerprint(o).digest for o in others} | {known.digest}) == len(others) + 1
    assert fingerprint(pl.DataFrame({"o": pl.Series([object()], dtype=pl.Object)})).digest is None
