"""``nbops data``: every content that a name had, numbered in the order it was first recorded.

Nothing is stored for it: the versions are told from what the records say cells read and wrote. Only what was
fingerprinted is a version; data without a digest can't be told from other data. Only where runs were deleted the
numbers of what they used are kept, so that a number never means something else later.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nbops.core import wire
from nbops.core.canonical import parse
from nbops.core.data_versions import CellUse, DataDetail, DataVersion
from nbops.core.errors import AmbiguousError, NbopsError, UnknownNameError
from nbops.core.fingerprint import Fingerprint
from nbops.core.runs import CellRecord, ModelUse
from nbops.notebook.embedded import LEFT_OUT_NOTE
from nbops.store import data_contents, data_names, records, runs
from nbops.store import lineage as uses
from nbops.workspace import Workspace, relative

URI = "data:/"
_POINTED = re.compile(r"(?P<name>.+)@(?P<word>\w[\w.\-]*)")
_DIGEST = re.compile(r"f1:[0-9a-z:]{4,}")


@dataclass(kw_only=True)
class _Seen:
    """One content of one name, while the uses are gone through."""

    number: int
    uses: list[uses.Use] = field(default_factory=list)


class Catalogue:
    """The data versions of a workspace, as the store has them when this is made."""

    def __init__(self, ws: Workspace) -> None:
        self.ws = ws
        self._names: dict[str, dict[str, _Seen]] = {}
        numbers = data_names.numbers(ws.store)
        for use in uses.every_use(ws.store):
            if use.digest is not None:
                known = numbers.setdefault(use.name, {})
                number = known.setdefault(use.digest, max(known.values(), default=0) + 1)
                digests = self._names.setdefault(use.name, {})
                digests.setdefault(use.digest, _Seen(number=number)).uses.append(use)
        self._tags = data_names.tags(ws.store)
        self._records: dict[tuple[str, int], CellRecord] = {}

    def listed(self, pattern: str | None = None) -> list[DataVersion]:
        """The versions, by name and number; only names that match a shell pattern if one is given."""
        return [
            self._version(name, digest)
            for name in sorted(self._names)
            if pattern is None or fnmatch.fnmatchcase(name, pattern)
            for digest in self._numbered(name)
        ]

    def find(self, asked: str) -> DataVersion:
        """The version that ``NAME``, ``NAME@N``, ``NAME@TAG``, ``data:/NAME@…``, a digest or its beginning means.

        Raises
        ------
        UnknownNameError, AmbiguousError
        """
        if _DIGEST.match(asked):
            return self._by_digest(asked)
        asked = asked.removeprefix(URI)
        name = self._name(asked)
        if name is not None:  # the newest
            return self._version(name, self._numbered(name)[-1])
        pointed = _POINTED.fullmatch(asked)
        name = self._name(pointed["name"]) if pointed else None
        if pointed is None or name is None:
            raise self._unknown(pointed["name"] if pointed else asked)
        if not pointed["word"].isdecimal():
            return self._by_tag(name, pointed["word"])
        for digest, seen in self._names[name].items():
            if seen.number == int(pointed["word"]):
                return self._version(name, digest)
        there = [seen.number for seen in self._names[name].values()]
        has = f"{min(there)} to {max(there)}" if len(there) > 1 else f"version {there[0]} only"
        raise UnknownNameError("version of the data", asked, hint=f"{name} has {has}")

    def is_name(self, asked: str) -> bool:
        """Does it mean a name as such, and none of its versions in particular?"""
        return not _DIGEST.match(asked) and self._name(asked.removeprefix(URI)) is not None

    def _by_tag(self, name: str, tag: str) -> DataVersion:
        digest = self._tags.get(name, {}).get(tag)
        if digest is None:
            hint = f"'nbops data tag {name}@N {tag}' makes one"
            raise UnknownNameError(f"tag of {name}", tag, self._tags.get(name, {}), hint=hint)
        if digest not in self._names[name]:
            raise UnknownNameError(
                f"data version with the tag {tag!r} of", name, hint="the runs that knew it are deleted"
            )
        return self._version(name, digest)

    def _numbered(self, name: str) -> list[str]:
        """The digests of a name's versions, by number."""
        return sorted(self._names[name], key=lambda digest: self._names[name][digest].number)

    def detail(self, version: DataVersion) -> DataDetail:
        """A version's schema, and who made and used it."""
        known = self._names[version.name][version.digest].uses
        said = data_names.descriptions(self.ws.store)
        same = [
            f"{name}@{digests[version.digest].number}"
            for name, digests in sorted(self._names.items())
            if name != version.name and version.digest in digests
        ]
        return DataDetail(
            version=version,
            columns=self.fingerprint(version).columns,
            made=tuple(self._cell(u) for u in known if u.direction != "read"),
            used=tuple(self._cell(u) for u in known if u.direction == "read"),
            same_as=tuple(same),
            content=self._content(version),
            models=tuple(name for name, _ in self._trained(version)),
            about=said.get((version.name, ""), ""),
            description=said.get((version.name, version.digest), ""),
        )

    def profile_of(self, version: DataVersion) -> tuple[str, str] | None:
        """(a model that was trained on it, the digest of the profile that was kept then), if there is one."""
        found = [(name, model.profile) for name, model in self._trained(version) if model.profile is not None]
        return found[0] if found else None

    def _content(self, version: DataVersion) -> str:
        """Whether its content is kept, and if not, why."""
        kept = data_contents.find(self.ws.store, version.digest)
        if kept is not None:
            return "kept" if self.ws.artifacts.has(kept.artifact) else "was kept, and is gone"
        if version.kind != "file":
            return "not kept by itself: [store] keep names the tables and arrays that are"
        known = [self._whole(self._record(use)) for use in self._names[version.name][version.digest].uses]
        why = [f.not_kept for record in known for f in record.files if f.digest == version.digest and f.not_kept]
        return why[-1] if why else "not kept: it changed, or the process ended, before it was copied"

    def _trained(self, version: DataVersion) -> Iterator[tuple[str, ModelUse]]:
        """What was trained on it: (the registered version, or the model of a run; the model)."""
        seen: set[str] = set()
        for use in self._names[version.name][version.digest].uses:
            for model in self._whole(self._record(use)).models:
                if model.trained_on == version.digest and model.digest is not None and model.digest not in seen:
                    seen.add(model.digest)
                    held = [f"models:/{v.name}/{v.number}" for v in uses.versions_of(self.ws.store, model.digest)]
                    yield ", ".join(held) or f"{model.name} of run {use.run[:8]}", model

    def fingerprint(self, version: DataVersion) -> Fingerprint:
        """The version's fingerprint with as many of its columns as any record of it still has."""
        best = Fingerprint(kind=version.kind, digest=version.digest, shape=version.shape)
        for use in self._names[version.name][version.digest].uses:
            found = _fingerprint(self._whole(self._record(use)), use)
            if found.columns and all(c.digest for c in found.columns):
                return found
            if len(found.columns) > len(best.columns):
                best = found
        return best

    def _version(self, name: str, digest: str) -> DataVersion:
        seen = self._names[name][digest]
        first, last = seen.uses[0], seen.uses[-1]
        made = {(u.run, u.seq) for u in seen.uses if u.direction != "read"}
        return DataVersion(
            name=name,
            number=seen.number,
            kind=first.kind,
            digest=digest,
            shape=_fingerprint(self._record(first), first).shape,
            first_seen=self._record(first).started_at,
            last_seen=self._record(last).started_at,
            made_by=len(made),
            used_by=len({(u.run, u.seq) for u in seen.uses if u.direction == "read"}),
            tags=tuple(tag for tag, tagged in self._tags.get(name, {}).items() if tagged == digest),
        )

    def _name(self, asked: str) -> str | None:
        """A name as it is recorded: as written, or a path as seen from here."""
        for name in (asked, relative(self.ws, Path(asked))):
            if name in self._names:
                return name
        return None

    def _by_digest(self, asked: str) -> DataVersion:
        found: dict[str, tuple[str, uses.Use]] = {}
        for name, digests in self._names.items():
            for digest, seen in digests.items():
                if digest.startswith(asked):
                    found.setdefault(digest, (name, seen.uses[0]))
        if len(found) > 1:
            some = ", ".join(sorted(found)[:6])
            raise AmbiguousError(f"{asked!r} begins several digests: {some}; give more digits")
        if not found:
            raise UnknownNameError("data digest", asked, hint="'nbops data' lists what was seen")
        ((digest, (name, _)),) = found.items()
        return self._version(name, digest)

    def _unknown(self, asked: str) -> UnknownNameError:
        for name in (asked, relative(self.ws, Path(asked))):
            if uses.by_name(self.ws.store, name):
                hint = "it was seen, but no fingerprint was taken of it: 'nbops runs show' of its run says why"
                return UnknownNameError("data version of", name, hint=hint)
        return UnknownNameError("data", asked, self._names, hint="'nbops data' lists what was seen")

    def _record(self, use: uses.Use) -> CellRecord:
        key = (use.run, use.seq)
        if key not in self._records:
            text = records.text(self.ws.store, use.run, use.seq)
            assert text is not None, f"data_uses names a record that isn't there: {key}"
            self._records[key] = wire.from_json(CellRecord, parse(text))
        return self._records[key]

    def _whole(self, record: CellRecord) -> CellRecord:
        """The record with what was left out of it to keep the notebook small, if that is kept."""
        detail = next((a for a in record.artifacts if a.kind == "detail" and a.name == "record.json"), None)
        if detail is None or not any(note.startswith(LEFT_OUT_NOTE) for note in record.notes):
            return record
        try:
            return wire.from_json(CellRecord, parse(self.ws.artifacts.read_bytes(detail.digest).decode()))
        except NbopsError:  # gone or damaged, which doctor says
            return record

    def _cell(self, use: uses.Use) -> CellUse:
        record = self._record(use)
        run = runs.as_stored(self.ws.store, use.run)
        cell = f"In [{record.execution_count}]" if record.execution_count is not None else run.name
        return CellUse(run=use.run, seq=use.seq, notebook=run.notebook, cell=cell, at=record.started_at)


def _fingerprint(record: CellRecord, use: uses.Use) -> Fingerprint:
    """What a record says of the data of one of its uses."""
    if use.kind == "file":
        size = next((f.size for f in record.files if (f.path, f.digest) == (use.name, use.digest)), None)
        return Fingerprint(kind="file", digest=use.digest, shape=() if size is None else (size,))
    for data in (*record.reads, *record.writes):
        if (data.name, data.fingerprint.digest) == (use.name, use.digest):
            return data.fingerprint
    return Fingerprint(kind=use.kind, digest=use.digest)
