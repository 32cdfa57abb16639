"""Which of our column types is an Arrow type? The names are those of `core.models.Field`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

UNKNOWN = "unknown"


def column_type(arrow: pa.DataType) -> str:
    """number, integer, boolean, string, datetime, category; "unknown" for nulls only, lists, bytes, times."""
    import pyarrow.types as t

    if t.is_dictionary(arrow):
        return "category"
    if t.is_boolean(arrow):
        return "boolean"
    if t.is_integer(arrow):
        return "number" if arrow.bit_width == 64 and t.is_unsigned_integer(arrow) else "integer"
    if t.is_floating(arrow) or t.is_decimal(arrow):
        return "number"
    if t.is_string(arrow) or t.is_large_string(arrow) or t.is_string_view(arrow):
        return "string"
    if t.is_timestamp(arrow) or t.is_date(arrow):
        return "datetime"
    return UNKNOWN


def common_type(one: str, other: str) -> str | None:
    """The type that holds the values of both, or None where there is none."""
    if one == other:
        return one
    for pair, both in ((("integer", "number"), "number"), (("category", "string"), "string")):
        if {one, other} == set(pair):
            return both
    return None
