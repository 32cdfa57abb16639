"""Plain Python values, and columns of them.

Every value becomes (tag, payload); the tag says its kind, so 1, 1.0, True and "1" never meet. Sequences and
object columns are streams of tags, lengths and payloads. Only exact types are known: a subclass may carry
something that we would not see. Needs neither numpy nor pyarrow.
"""

from __future__ import annotations

import datetime as dt
import decimal
import math
import struct
import uuid
from collections.abc import Sequence
from typing import Any

from nbops.fingerprints.body import Body
from nbops.fingerprints.streams import CHUNK_ROWS, PIECE, Streams, float64s, int64s, node
from nbops.fingerprints.work import NotHashableHonestly, Work

NAN = struct.pack("<d", math.nan)
_INT64 = range(-(2**63), 2**63)
_SHORT, _SHORT_TEXT = 64, 1 << 16
_NESTED = b"N"  # the payload is a digest of its own
_TEXT = b"s"
_TEXT_OR_MISSING = {str, float, type(None)}
_MISSING_TAGS = {type(None): ord("0"), float: ord("n")}

PLAIN: frozenset[type] = frozenset(
    {type(None), bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset, range}
    | {dt.datetime, dt.date, dt.time, dt.timedelta, decimal.Decimal, uuid.UUID, type(Ellipsis)}
)


def of_value(value: Any, work: Work) -> Body:
    """The fingerprint of one plain value; its kind is its type's name."""
    streams = Streams()
    Items(work, streams).extend([value])
    return Body(kind=type(value).__name__, digest=streams.digest("value"))


class Items:
    """Writes a sequence of values into `streams` as tags, lengths and data."""

    def __init__(self, work: Work, streams: Streams) -> None:
        self._work, self._streams = work, streams

    def extend(self, chunk: list[Any]) -> None:
        """At most CHUNK_ROWS values: columns of one kind of value take a fast way to the same bytes."""
        if list(map(type, chunk)).count(str) == len(chunk):  # sooner known than by a set of them
            self._streams.put("tags", _TEXT * len(chunk))
            put_strings(chunk, self._streams)
            return
        types = set(map(type, chunk))
        if types <= _TEXT_OR_MISSING and (float not in types or not any(v == v for v in chunk if type(v) is float)):
            # None and NaN have an empty payload, as "" has; the tags tell them apart
            self._streams.put("tags", bytes([_MISSING_TAGS.get(type(v), ord("s")) for v in chunk]))
            put_strings([v if type(v) is str else "" for v in chunk], self._streams)
        elif types == {float} and all(v == v for v in chunk):
            self._streams.put("tags", b"f" * len(chunk))
            self._streams.put("lengths", int64s([8] * len(chunk)))
            self._streams.put("data", float64s(chunk))
        elif types == {int} and min(chunk) in _INT64 and max(chunk) in _INT64:
            self._streams.put("tags", b"i" * len(chunk))
            self._streams.put("lengths", int64s([8] * len(chunk)))
            self._streams.put("data", int64s(chunk))
        else:
            self._one_by_one(chunk)

    def _one_by_one(self, chunk: list[Any]) -> None:
        tags, held = bytearray(), 0
        lengths: list[int] = []
        data: list[bytes] = []
        for value in chunk:
            if type(value) is str and len(value) > PIECE:
                self._streams.put("data", b"".join(data))
                data, held = [], 0
                tags += _TEXT
                lengths.append(_put_long(value, self._streams))
                continue
            tag, payload = encode(value, self._work)
            tags += tag
            lengths.append(len(payload))
            if held + len(payload) > PIECE:
                self._streams.put("data", b"".join(data))
                data, held = [], 0
                self._work.check()
            if len(payload) > PIECE:
                self._streams.put("data", payload)
            else:
                data.append(payload)
                held += len(payload)
        self._streams.put("tags", tags)
        self._streams.put("lengths", int64s(lengths))
        self._streams.put("data", b"".join(data))


def put_strings(chunk: list[str], streams: Streams) -> None:
    """Strings into the streams `lengths` (bytes of UTF-8 each) and `data`; lone surrogates pass."""
    lengths = list(map(len, chunk))
    if sum(lengths) > PIECE:
        if len(chunk) > 1:
            put_strings(chunk[: len(chunk) // 2], streams)
            put_strings(chunk[len(chunk) // 2 :], streams)
        else:
            streams.put("lengths", int64s([_put_long(chunk[0], streams)]))
        return
    text = "".join(chunk)
    if text.isascii():
        streams.put("data", text.encode())
    else:
        encoded = [value.encode("utf-8", "surrogatepass") for value in chunk]
        lengths = list(map(len, encoded))
        streams.put("data", b"".join(encoded))
    streams.put("lengths", int64s(lengths))


def _put_long(text: str, streams: Streams) -> int:
    length = 0
    for start in range(0, len(text), PIECE):
        raw = text[start : start + PIECE].encode("utf-8", "surrogatepass")
        streams.put("data", raw)
        length += len(raw)
    return length


def sequence_digest(kind: str, items: Sequence[Any], work: Work) -> bytes:
    """Of a list or tuple: its items in order. A short one (by a rule on its content alone) is one blob: cells that
    hold lists come by the million."""
    if len(items) <= _SHORT and not any(type(i) in (str, bytes) and len(i) > _SHORT_TEXT for i in items):
        blob = bytearray()
        for item in items:
            tag, payload = encode(item, work)
            blob += tag + len(payload).to_bytes(8, "little") + payload
        return node(f"short {kind}", bytes(blob))
    streams = Streams()
    writer = Items(work, streams)
    for start in range(0, len(items), CHUNK_ROWS):
        work.check()
        writer.extend(list(items[start : start + CHUNK_ROWS]))
    return streams.digest(kind, len(items))


def encode(value: Any, work: Work) -> tuple[bytes, bytes]:
    """(tag, payload) of one value.

    Raises
    ------
    NotHashableHonestly
        For a type that isn't known, at any depth.
    """
    kind = type(value)
    if kind is str and len(value) > PIECE:
        streams = Streams()
        _put_long(value, streams)
        return b"S", streams.digest("long text")
    if kind is float and value != value:
        return b"n", b""
    simple = _SIMPLE.get(kind)
    if simple is not None:
        tag, write = simple
        return tag, write(value)
    if kind is dt.datetime:
        clock = value.replace(tzinfo=None).isoformat(timespec="microseconds")
        offset = "" if value.tzinfo is None else str(value.utcoffset())
        return b"w", node("datetime", clock, value.fold, offset, zone_name(value.tzinfo))
    if kind is dt.time:
        clock = value.replace(tzinfo=None).isoformat(timespec="microseconds")
        return b"h", node("time", clock, value.fold, zone_name(value.tzinfo))
    if kind is list or kind is tuple:
        return _NESTED, work.once(value, lambda: sequence_digest(kind.__name__, value, work))
    if kind is dict or kind is set or kind is frozenset:
        return _NESTED, work.once(value, lambda: _unordered(value, work))
    return _NESTED, work.once(value, lambda: work.nested(value, work))


def _unordered(value: Any, work: Work) -> bytes:
    """Of a dict, set or frozenset: equal ones have equal digests, whatever order they were filled in."""
    entries = []
    for position, item in enumerate(value.items() if type(value) is dict else value):
        if position % 1024 == 0:
            work.check()
        pair = item if type(value) is dict else (item,)
        entries.append(node("entry", *(raw for one in pair for raw in encode(one, work))))
    streams = Streams()
    for entry in sorted(entries):
        streams.put("entries", entry)
    return streams.digest(type(value).__name__, len(entries))


def zone_name(zone: dt.tzinfo | None) -> str:
    """The zone's name, whichever library made it; ``+01:00:00`` for a fixed offset; "" for none."""
    if zone is None:
        return ""
    name = getattr(zone, "key", None) or getattr(zone, "zone", None)
    if isinstance(name, str):
        return name
    # A named zone answers None without a moment; only a fixed offset knows. dateutil's zones name a file of
    # this machine, so they are not known either.
    offset = zone.utcoffset(None) if type(zone).__module__.partition(".")[0] != "dateutil" else None
    if offset is None:
        if type(zone).__name__ == "tzutc":
            return "UTC"
        raise NotHashableHonestly(f"not fingerprinted: the time zone {zone!r} has no name")
    if not offset:
        return "UTC"
    sign, size = ("-", -offset) if offset < dt.timedelta(0) else ("+", offset)
    return f"{sign}{size}"


def _integer(value: int) -> bytes:
    if value in _INT64:
        return value.to_bytes(8, "little", signed=True)
    return value.to_bytes(value.bit_length() // 8 + 2, "little", signed=True)  # always longer than 8


def _float(value: float) -> bytes:
    return struct.pack("<d", value) if value == value else NAN


_SIMPLE: dict[type, tuple[bytes, Any]] = {
    type(None): (b"0", lambda _: b""),
    type(Ellipsis): (b".", lambda _: b""),
    bool: (b"b", lambda v: b"\x01" if v else b"\x00"),
    int: (b"i", _integer),
    float: (b"f", lambda v: struct.pack("<d", v)),
    complex: (b"c", lambda v: _float(v.real) + _float(v.imag)),
    str: (_TEXT, lambda v: v.encode("utf-8", "surrogatepass")),
    bytes: (b"y", lambda v: v),
    bytearray: (b"Y", lambda v: v),
    range: (b"r", lambda v: node("range", v.start, v.stop, v.step)),
    dt.date: (b"d", lambda v: v.isoformat().encode()),
    dt.timedelta: (b"t", lambda v: node("timedelta", v.days, v.seconds, v.microseconds)),
    decimal.Decimal: (b"D", lambda v: str(v).encode()),
    uuid.UUID: (b"u", lambda v: v.bytes),
}
