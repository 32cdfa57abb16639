"""What may a row look like? The data contract inferred from the training data's profile.

A breach is what the model can't take: a column that isn't there, a value of another type, a null or an
infinity where training had none. A value outside the range seen in training, or a new category, is drift,
not a breach: it is measured, and by default its row is scored. A user may set ranges, or ask that new
categories be rejected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nbops.profiles.profile import CATEGORICAL, NUMERIC, Profile

FEW_CATEGORIES = 256


@dataclass(frozen=True, kw_only=True)
class ColumnContract:
    """What one column has to be. `type` as in `core.models.Field`.

    Attributes
    ----------
    required : bool
        Without the column a whole batch is refused.
    nullable, infinite : bool
        May values be missing (null or NaN), or ±infinity.
    categories : tuple or None
        The values of training, where all are known; `new_categories` ("warn" or "reject") says what
        another one means.
    minimum, maximum : float or None
        Inclusive bounds for numbers. Never inferred.
    """

    name: str
    type: str
    required: bool = True
    nullable: bool = True
    infinite: bool = False
    categories: tuple[Any, ...] | None = None
    new_categories: str = "warn"
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, kw_only=True)
class Contract:
    """The columns a model asks for. Kept and read by `core.wire`; other columns pass through unchecked."""

    columns: tuple[ColumnContract, ...]
    format: int = 1


def infer_contract(profile: Profile, *, columns: tuple[str, ...] | None = None) -> Contract:
    """The contract that the profiled data keeps.

    Parameters
    ----------
    profile : Profile
        Of the training data.
    columns : tuple of str, optional
        The columns that matter (the model's inputs); all by default.

    Raises
    ------
    UnknownNameError
        If one of `columns` wasn't profiled.
    """
    wanted = profile.columns if columns is None else tuple(profile.column(name) for name in columns)
    return Contract(
        columns=tuple(
            ColumnContract(
                name=column.name,
                type=column.type,
                nullable=column.nulls + column.nans > 0,
                infinite=column.infinities > 0 or column.type not in NUMERIC,
                categories=tuple(value for value, _ in column.values)
                if column.type in CATEGORICAL and column.type != "boolean" and column.complete
                else None,
            )
            for column in wanted
        )
    )
