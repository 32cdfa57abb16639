"""Which rows can be scored? What breaks the signature or the data contract is told apart, row by row; what makes
the whole input another table than the model was made for (a column missing, a column of another type, no rows)
refuses the input.

A column counts as "of another type" if most of its values in a file's first batch (up to 65,536 rows) can't be
read as the type the signature asks for; single values that can't be read reject their rows only.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from nbops.core.errors import InputDataError, suggestion
from nbops.core.models import ModelVersion
from nbops.profiles.breaches import Checked, check_batch
from nbops.profiles.contract import ColumnContract, Contract, infer_contract
from nbops.profiles.profile import Profile

if TYPE_CHECKING:
    import pyarrow as pa


def contract_of(version: ModelVersion, profile: Profile | None) -> Contract:
    """What the version's inputs have to be: its signature, sharpened by the profile of its training data."""
    profiled = {column.name for column in profile.columns} if profile else set()
    names = tuple(field.name for field in version.signature.inputs if field.name in profiled)
    inferred = {c.name: c for c in infer_contract(profile, columns=names).columns} if profile else {}
    columns = []
    for field in version.signature.inputs:
        known = inferred.get(field.name)
        if known is None:
            columns.append(ColumnContract(name=field.name, type=field.type, nullable=field.nullable))
        else:
            columns.append(known if known.type == field.type else dataclasses.replace(known, type=field.type))
    return Contract(columns=tuple(columns))


def require_columns(path: Path, names: list[str], contract: Contract, keys: tuple[str, ...]) -> None:
    """Raises InputDataError if a file lacks an input or a key column."""
    for what, wanted in (("model's input", [c.name for c in contract.columns]), ("deployment's key", keys)):
        for name in wanted:
            if name not in names:
                raise InputDataError(
                    f"{path}: the column {name!r} is missing, a {what}{suggestion(name, names)};"
                    " add it, or score another file"
                )


def require_types(path: Path, batch: pa.RecordBatch, contract: Contract) -> None:
    """Raises InputDataError if a column of a file's first batch has changed its type."""
    for column in contract.columns:
        lenient = dataclasses.replace(
            column, nullable=True, infinite=True, new_categories="warn", minimum=None, maximum=None
        )
        array = batch.column(column.name)
        present = len(array) - array.null_count
        checked = check_batch(Contract(columns=(lenient,)), batch.select([column.name]))
        if present and len(checked.reasons) * 2 > present:
            example = checked.reasons[0].partition(": ")[2]
            raise InputDataError(
                f"{path}: the column {column.name!r} has changed its type: the model was trained on {column.type},"
                f" but {len(checked.reasons)} of {present} values can't be read as that ({example});"
                " correct the file, or train a model on the new type"
            )


def screen(contract: Contract, batch: pa.RecordBatch) -> Checked:
    """Sort a batch's rows; the good ones come back as the inputs only, in the signature's order and types."""
    return check_batch(contract, batch.select([column.name for column in contract.columns]))
