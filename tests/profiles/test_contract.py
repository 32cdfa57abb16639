"""The contract inferred from training data, and the rows that break it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from nbops.core import wire
from nbops.core.canonical import canonical, parse
from nbops.core.errors import InputDataError, UnknownNameError
from nbops.profiles.breaches import check_batch
from nbops.profiles.contract import ColumnContract, Contract, infer_contract
from nbops.profiles.profiler import profile_table

TRAINING = pd.DataFrame(
    {
        "temp": [0.1, 0.5, 0.9],
        "hr": [0, 12, 23],
        "wet": [True, False, False],
        "city": ["Boston", "Lowell", "Boston"],
        "kind": pd.Categorical(["a", "b", "a"]),
        "day": pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03"]),
        "gap": [1.0, np.nan, np.inf],
    }
)
CONTRACT = infer_contract(profile_table(TRAINING))
GOOD = {
    "temp": [0.2],
    "hr": [3],
    "wet": [True],
    "city": ["Boston"],
    "kind": ["a"],
    "day": [pd.Timestamp("2024-02-01")],
    "gap": [2.0],
}


def batch(**columns: list) -> pa.RecordBatch:
    rows = max(len(values) for values in columns.values())
    data = {name: values * rows for name, values in GOOD.items()}
    return pa.record_batch({**data, **{n: v if isinstance(v, pa.Array) else pa.array(v) for n, v in columns.items()}})


def test_what_is_inferred() -> None:
    temp, gap = CONTRACT.columns[0], CONTRACT.columns[-1]
    assert (temp.name, temp.type, temp.nullable, temp.infinite) == ("temp", "number", False, False)
    assert (gap.nullable, gap.infinite, gap.minimum, gap.maximum) == (True, True, None, None)
    assert CONTRACT.columns[3].categories == ("Boston", "Lowell")
    assert CONTRACT.columns[0].categories is None
    only = infer_contract(profile_table(TRAINING), columns=("hr",))
    assert [c.name for c in only.columns] == ["hr"]
    with pytest.raises(UnknownNameError, match="'hour'"):
        infer_contract(profile_table(TRAINING), columns=("hour",))


def test_the_contract_survives_its_wire_form() -> None:
    assert wire.from_json(Contract, parse(canonical(wire.to_json(CONTRACT)))) == CONTRACT


def test_training_data_keeps_its_own_contract() -> None:
    checked = check_batch(CONTRACT, pa.RecordBatch.from_pandas(TRAINING))
    assert checked.mask.all() and checked.reasons == () and checked.warnings == ()
    assert checked.good.num_rows == 3


def test_a_missing_column_refuses_the_whole_batch() -> None:
    with pytest.raises(InputDataError, match="column 'temp' is missing; did you mean 'tmp'"):
        check_batch(CONTRACT, batch(hr=[1]).rename_columns(["tmp", "hr", "wet", "city", "kind", "day", "gap"]))
    optional = dataclasses.replace(CONTRACT.columns[0], required=False)
    left = batch(hr=[1]).drop_columns(["temp"])
    assert check_batch(dataclasses.replace(CONTRACT, columns=(optional,)), left).mask.tolist() == [True]


@pytest.mark.parametrize(
    ("columns", "mask", "reasons"),
    [
        ({"temp": [0.1, None, 0.3]}, [1, 0, 1], ["column 'temp': is empty; it never was in training"]),
        ({"temp": [0.1, float("nan")]}, [1, 0], ["column 'temp': is empty; it never was in training"]),
        ({"temp": [float("-inf"), 1]}, [0, 1], ["column 'temp': -inf is infinite; training had no such value"]),
        ({"temp": ["0.5", "warm"]}, [1, 0], ["column 'temp': 'warm' is no number"]),
        ({"temp": pa.array([0], pa.date32())}, [0], ["column 'temp': datetime.date(1970, 1, 1) is no number"]),
        ({"hr": [1.0, 1.5]}, [1, 0], ["column 'hr': 1.5 is no integer"]),
        ({"hr": ["7", "7.0", "x"]}, [1, 1, 0], ["column 'hr': 'x' is no integer"]),
        ({"wet": ["yes", "False", "maybe"]}, [1, 1, 0], ["column 'wet': 'maybe' is no boolean"]),
        ({"wet": [0, 1, 2]}, [1, 1, 0], ["column 'wet': 2 is no boolean"]),
        ({"day": ["2024-05-01", "soon"]}, [1, 0], ["column 'day': 'soon' is no datetime"]),
        ({"gap": [None, float("inf"), 1.0]}, [1, 1, 1], []),
        ({"temp": pa.nulls(2)}, [0, 0], ["column 'temp': is empty; it never was in training"] * 2),
        ({"temp": [99.0]}, [1], []),  # out of the range of training: drift, not a breach
    ],
)  # fmt: skip
def test_rows_that_break_it(columns: dict, mask: list[int], reasons: list[str]) -> None:
    checked = check_batch(CONTRACT, batch(**columns))
    assert checked.mask.astype(int).tolist() == mask
    assert list(checked.reasons) == reasons
    assert checked.good.num_rows == sum(mask)


def test_one_reason_a_row_in_the_order_of_the_rows() -> None:
    checked = check_batch(CONTRACT, batch(temp=["x", "1", "2"], hr=[0.5, 1.0, 2.5]))
    assert checked.mask.tolist() == [False, True, False]
    assert checked.reasons == ("column 'temp': 'x' is no number", "column 'hr': 2.5 is no integer")


def test_good_rows_come_back_in_the_types_of_training() -> None:
    csv = batch(temp=["0.5", "x"], hr=["3", "4"], wet=["1", "0"], kind=["a", "b"], day=["2024-05-01", "2024-05-02"])
    good = check_batch(CONTRACT, csv.append_column("extra", pa.array([1, 2]))).good
    assert [str(f.type) for f in good.schema][:3] == ["double", "int64", "bool"]
    frame = good.to_pandas()
    assert frame["kind"].dtype == "category" and str(frame["day"].dtype).startswith("datetime64")
    assert frame["extra"].tolist() == [1]


def test_new_categories_warn_unless_they_are_to_be_rejected() -> None:
    news = batch(kind=["a", "z"], city=["Boston", "Salem"])
    checked = check_batch(CONTRACT, news)
    assert checked.mask.all()
    assert checked.warnings == (
        "column 'city': 1 rows have categories that training didn't have",
        "column 'kind': 1 rows have categories that training didn't have",
    )
    strict = Contract(columns=tuple(dataclasses.replace(c, new_categories="reject") for c in CONTRACT.columns))
    assert check_batch(strict, news).reasons == ("column 'city': 'Salem' is a category that training didn't have",)


def test_categories_that_are_numbers_are_read_as_numbers() -> None:
    contract = infer_contract(profile_table(pd.DataFrame({"k": pd.Categorical([1, 2, 1])})))
    checked = check_batch(contract, pa.record_batch({"k": ["1", "2", "3", "q"]}))
    assert checked.mask.tolist() == [True, True, True, False]
    assert checked.warnings == ("column 'k': 1 rows have categories that training didn't have",)


def test_ranges_only_when_the_user_asks() -> None:
    contract = Contract(columns=(ColumnContract(name="hum", type="number", minimum=0.0, maximum=1.0),))
    checked = check_batch(contract, pa.record_batch({"hum": [0.0, -0.1, 1.0, 1.5, None]}))
    assert checked.reasons == (
        "column 'hum': -0.1 is below the minimum of 0.0",
        "column 'hum': 1.5 is above the maximum of 1.0",
    )


def test_no_rows() -> None:
    checked = check_batch(CONTRACT, batch(temp=[0.5]).slice(0, 0))
    assert checked.good.num_rows == 0 and len(checked.mask) == 0


def test_long_values_are_cut_in_the_reason() -> None:
    assert len(check_batch(CONTRACT, batch(temp=["x" * 5000])).reasons[0]) < 100


def test_two_years_of_rentals_keep_the_contract_of_the_first_half_year(data_dir: Path) -> None:
    frame = pd.read_csv(data_dir / "bike_hour.csv")[["dteday", "hr", "weekday", "temp", "hum", "cnt"]]
    contract = infer_contract(profile_table(frame[frame.dteday < "2011-07"].drop(columns="dteday")))
    checked = check_batch(contract, pa.RecordBatch.from_pandas(frame))
    assert checked.mask.all() and checked.good.num_rows == 17_379
