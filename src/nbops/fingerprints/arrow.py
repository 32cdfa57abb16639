"""Arrow data: type, nulls and values; chunks, offsets, what lies under a null and dictionary codes don't count."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nbops.fingerprints.arrays import one_nan, positions
from nbops.fingerprints.body import Body, Part, unique_names
from nbops.fingerprints.streams import CHUNK_BYTES, CHUNK_ROWS, PIECE, Streams, node
from nbops.fingerprints.values import Items
from nbops.fingerprints.work import Work

_LARGE = 1 << 22
_VIEWS = ("string_view", "binary_view")
_BINARY = ("string", "binary", "large_string", "large_binary", *_VIEWS)


def of_table(table: Any, work: Work) -> Body:
    """The fingerprint of a pyarrow Table or RecordBatch. Schema metadata doesn't count, nullability does."""
    kind = "arrow table" if type(table).__name__ == "Table" else "arrow record batch"
    tasks = [(table.field(i), table.column(i)) for i in range(table.num_columns)]
    digests = work.map(
        lambda task, own: arrow_digest(task[1], own, nullable=task[0].nullable), tasks, large=table.nbytes >= _LARGE
    )
    names = [field.name for field, _ in tasks]
    parts = tuple(
        Part(name=name, dtype=str(field.type), digest=digest)
        for name, (field, _), digest in zip(unique_names(list(names)), tasks, digests, strict=True)
    )
    body = node(kind, table.num_rows, len(names), *names, *digests)
    return Body(kind=kind, digest=body, shape=(table.num_rows, table.num_columns), parts=parts)


def of_array(array: Any, work: Work) -> Body:
    """The fingerprint of a pyarrow Array or ChunkedArray."""
    import pyarrow as pa

    kind = "arrow chunked array" if isinstance(array, pa.ChunkedArray) else "arrow array"
    digest = arrow_digest(array, work)
    part = Part(name="values", dtype=str(array.type), digest=digest)
    return Body(kind=kind, digest=node(kind, digest), shape=(len(array),), parts=(part,))


def arrow_digest(array: Any, work: Work, *, nullable: bool = True) -> bytes:
    """Of an Array or ChunkedArray: type, nullability, length, nulls and values."""
    column = Column(array.type, work)
    for chunk in getattr(array, "chunks", [array]):
        column.extend(chunk)
    return node("arrow", str(nullable), column.digest())


def string_streams(array: Any, work: Work, streams: Streams) -> None:
    """The strings of an Array or ChunkedArray as null positions, lengths and data (of any string type alike)."""
    column = Column(array.type, work, streams=streams)
    for chunk in getattr(array, "chunks", [array]):
        column.extend(chunk)


class Column:
    """Takes the chunks of a column of one type, the way down its nested types included."""

    def __init__(self, kind: Any, work: Work, streams: Streams | None = None) -> None:
        import pyarrow.types as t

        self._kind, self._work = kind, work
        self._streams = streams or Streams()
        self._rows = 0
        self._children: list[Column] = []
        header = [str(kind)]
        if hasattr(kind, "extension_name"):
            self._put = self._extension
            # pyarrow's own extension types say their parameters in their text, those of others only here
            said = getattr(kind, "__arrow_ext_serialize__", bytes)()
            header += [kind.extension_name, str(kind.storage_type), repr(said)]
            self._children = [Column(kind.storage_type, work)]
        elif t.is_null(kind):
            self._put = self._nothing
        elif t.is_boolean(kind):
            self._put = self._boolean
        elif str(kind) in _BINARY:
            self._put = self._binary
        elif t.is_dictionary(kind):
            self._put = self._dictionary
            self._children = [Column(kind.value_type, work)]
        elif t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind):
            self._put = self._list
            header += [kind.value_field.name, str(kind.value_field.nullable)]
            self._children = [Column(kind.value_type, work)]
        elif t.is_struct(kind):
            self._put = self._struct
            fields = [kind.field(i) for i in range(kind.num_fields)]
            header += [text for field in fields for text in (field.name, str(field.nullable))]
            self._children = [Column(field.type, work) for field in fields]
        elif t.is_primitive(kind) or t.is_decimal(kind) or t.is_fixed_size_binary(kind) or t.is_interval(kind):
            self._put = self._fixed
        else:  # maps, unions, run ends, list views: value by value
            self._put = self._objects
            self._items = Items(work, self._streams)
        self._header = node("arrow type", *header)

    def digest(self) -> bytes:
        return self._streams.digest("arrow", self._header, self._rows, *(c.digest() for c in self._children))

    def extend(self, array: Any) -> None:
        import numpy as np
        import pyarrow as pa

        for part in _small(array):
            self._work.check()
            if str(part.type) in _VIEWS:  # few kernels take views
                part = part.cast(pa.large_string() if str(part.type) == "string_view" else pa.large_binary())
            if self._put == self._objects:
                self._rows += len(part)
                self._objects(part)
                continue
            if part.null_count:
                nulls = part.is_null().to_numpy(zero_copy_only=False)
                self._streams.put("nulls", positions(np.asarray(nulls), self._rows))
            self._rows += len(part)
            # what lies under a null is nobody's value
            valid = part.drop_null() if part.null_count else part
            if len(valid):
                self._put(valid)

    def _fixed(self, part: Any) -> None:
        import numpy as np
        import pyarrow.types as t

        width = part.type.bit_width // 8
        if not width:
            return
        raw = np.frombuffer(part.buffers()[1], dtype=np.uint8)[part.offset * width : (part.offset + len(part)) * width]
        if t.is_floating(part.type):
            raw = one_nan(raw.view(f"<f{width}")).view(np.uint8)
        self._streams.put("data", raw)

    def _boolean(self, part: Any) -> None:
        import pyarrow as pa

        self._streams.put("data", part.cast(pa.uint8()).to_numpy(zero_copy_only=False))

    def _binary(self, part: Any) -> None:
        import numpy as np
        import pyarrow.types as t

        wide = t.is_large_string(part.type) or t.is_large_binary(part.type)
        _, offsets, data = part.buffers()
        bounds = np.frombuffer(offsets, dtype="<i8" if wide else "<i4")[part.offset : part.offset + len(part) + 1]
        self._streams.put("lengths", np.diff(bounds).astype("<i8"))
        if data is not None:
            self._streams.put("data", memoryview(data)[int(bounds[0]) : int(bounds[-1])])

    def _nothing(self, part: Any) -> None:
        """All null: the positions say it."""

    def _dictionary(self, part: Any) -> None:
        self._children[0].extend(part.dictionary_decode())

    def _extension(self, part: Any) -> None:
        self._children[0].extend(part.storage)

    def _list(self, part: Any) -> None:
        import pyarrow.compute as pc

        self._streams.put("lengths", pc.list_value_length(part).to_numpy(zero_copy_only=False).astype("<i8"))
        self._children[0].extend(part.flatten())

    def _struct(self, part: Any) -> None:
        for child, values in zip(self._children, part.flatten(), strict=True):
            child.extend(values)

    def _objects(self, part: Any) -> None:
        for start in range(0, len(part), 1024):
            self._items.extend(part.slice(start, 1024).to_pylist())


def _small(array: Any) -> Iterator[Any]:
    """Slices small enough that dropping nulls or decoding copies little."""
    import pyarrow.types as t

    try:
        width = array.type.bit_width // 8
    except ValueError:
        width = 0
    rows = max(1, CHUNK_BYTES // width) if width else CHUNK_ROWS
    for start in range(0, len(array), rows):
        yield from _halved(array.slice(start, rows), sized=not width and not t.is_dictionary(array.type))


def _halved(part: Any, *, sized: bool) -> Iterator[Any]:
    if sized and len(part) > 1 and part.nbytes > PIECE:
        middle = len(part) // 2
        yield from _halved(part.slice(0, middle), sized=True)
        yield from _halved(part.slice(middle), sized=True)
    else:
        yield part
