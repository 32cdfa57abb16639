"""A notebook as a file: read it, write it whole or not at all.

A notebook is read and written as plain JSON: importing nbformat costs more than a second, which a command
line can't afford. The text written is the one nbformat writes (indent 1, sorted keys, multi-line texts as
lists of lines), so a file that went through here shows no difference in git.

Formats 4.0 to 4.5 are read. Cell ids came with 4.5 and may be missing.
"""

from __future__ import annotations

import difflib
import json
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any

from nbops.core.errors import NotebookError, StoreFullError
from nbops.core.full_disk import FULL

NEWEST_MINOR = 5
_LONGEST_SAVE = 2.0  # seconds
# what nbformat splits into lines besides text/*
_SPLIT_MIMES = ("application/javascript", "image/svg+xml")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One code cell. `index` counts all cells of the notebook, from 0."""

    index: int
    id: str | None
    source: str
    tags: tuple[str, ...] = ()
    outputs: tuple[Mapping[str, Any], ...] = ()
    execution_count: int | None = None


@dataclass(frozen=True, kw_only=True)
class Notebook:
    """A notebook as read: where it was and what it holds. `data` is not to be changed: copy it, change the
    copy, :func:`write` that."""

    path: Path
    data: Mapping[str, Any]

    def code_cells(self) -> tuple[Cell, ...]:
        return tuple(
            Cell(
                index=index,
                id=cell.get("id"),
                source=joined(cell.get("source", "")),
                tags=_tags(cell),
                outputs=tuple(o for o in cell.get("outputs") or () if isinstance(o, dict)),
                execution_count=cell.get("execution_count"),
            )
            for index, cell in enumerate(self.data["cells"])
            if cell["cell_type"] == "code"
        )

    def tagged(self, tag: str) -> Cell | None:
        """The first code cell that carries `tag`, as papermill looks for it."""
        return next((cell for cell in self.code_cells() if tag in cell.tags), None)

    @property
    def kernel(self) -> str | None:
        """The name of the kernel the notebook asks for."""
        return self._said("kernelspec", "name")

    @property
    def language(self) -> str | None:
        """The language of its kernel in lower case, None where the file doesn't say."""
        said = self._said("kernelspec", "language") or self._said("language_info", "name")
        return said.lower() if said else None

    def _said(self, part: str, key: str) -> str | None:
        value = (self.data.get("metadata") or {}).get(part)
        said = value.get(key) if isinstance(value, dict) else None
        return said if isinstance(said, str) else None


def joined(text: Any) -> str:
    """A multi-line text of the format: one string, or the list of its lines."""
    return text if isinstance(text, str) else "".join(text)


def read(path: str | os.PathLike[str]) -> Notebook:
    """Read a notebook.

    Jupyter saves one by copying it to `.~NAME` and writing over it: in between, a part is on the disk. Such a file is
    read again until it is whole, for at most 2 seconds.

    Raises
    ------
    NotebookError
        Where there is none, it can't be read, or what is there is no notebook of format 4.
    """
    where = Path(path)
    raw, deadline = _content(where), time.monotonic() + _LONGEST_SAVE
    while True:
        try:
            return Notebook(path=where, data=_parsed(raw, where))
        except NotebookError:
            saving = where.with_name(f".~{where.name}").exists()
            before, raw = raw, _content(where)
            if (raw == before and not saving) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _content(where: Path) -> bytes:
    try:
        return where.read_bytes()
    except FileNotFoundError:
        raise NotebookError(f"there is no notebook {str(where)!r}{_nearby(where)}") from None
    except IsADirectoryError:
        raise NotebookError(f"{str(where)!r} is a folder, not a notebook{_nearby(where / 'x.ipynb')}") from None
    except OSError as error:
        raise NotebookError(f"the notebook {str(where)!r} can't be read: {error.strerror or error}") from None


def write(path: str | os.PathLike[str], data: Mapping[str, Any], *, durable: bool = True) -> None:
    """Write a notebook so that a reader finds the old file or the new one, never a part.

    The text goes to a hidden file beside the target, is flushed to the disk (if it is to be `durable`, to outlast a
    power cut) and renamed. A symbolic link is followed; the target's permissions are kept.

    Raises
    ------
    StoreFullError
        Where the disk or a quota is full.
    NotebookError
        Where it can't be written for another reason.
    """
    target = Path(path).resolve()
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        try:
            with draft.open("xb") as file:
                file.write(as_bytes(data))
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            if target.exists():
                draft.chmod(target.stat().st_mode & 0o7777)
            draft.replace(target)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        if durable:
            _sync_folder(target.parent)
    except OSError as error:
        if error.errno in FULL:
            raise StoreFullError(
                f"there is no room to write {str(path)!r}: {error.strerror}; free some and try again"
            ) from None
        raise NotebookError(f"the notebook {str(path)!r} can't be written: {error.strerror or error}") from None


def as_bytes(data: Mapping[str, Any]) -> bytes:
    """The file's content, as nbformat would write it."""
    split = {**data, "cells": [_split_cell(cell) for cell in data["cells"]]}
    style: dict[str, Any] = {"indent": 1, "sort_keys": True, "separators": (",", ": ")}
    try:
        return (_indented(split, "\n") + "\n").encode()
    except TypeError:  # a key that is no text, or what JSON doesn't know
        return (json.dumps(split, ensure_ascii=False, **style) + "\n").encode()
    except UnicodeEncodeError:  # a lone surrogate in an output: UTF-8 has no bytes for it, an escape keeps it
        return (json.dumps(split, ensure_ascii=True, **style) + "\n").encode()


def _indented(value: Any, newline: str) -> str:
    """As :func:`json.dumps` with an indent of 1 and sorted keys, which is written in Python and takes three times as
    long."""
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, dict) and value:
        deeper = newline + " "
        items = [f"{encode_basestring(key)}: {_indented(value[key], deeper)}" for key in sorted(value)]
        return f"{{{deeper}{f',{deeper}'.join(items)}{newline}}}"
    if isinstance(value, (list, tuple)) and value:
        deeper = newline + " "
        return f"[{deeper}{f',{deeper}'.join([_indented(item, deeper) for item in value])}{newline}]"
    return json.dumps(value)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where folders can be opened (not on Windows)."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _split_cell(cell: Mapping[str, Any]) -> dict[str, Any]:
    new = dict(cell)
    if isinstance(new.get("source"), str):
        new["source"] = new["source"].splitlines(True)
    if isinstance(new.get("attachments"), dict):
        new["attachments"] = {name: _split_bundle(bundle) for name, bundle in new["attachments"].items()}
    if new.get("cell_type") == "code":
        new["outputs"] = [_split_output(output) for output in new.get("outputs") or ()]
    return new


def _split_output(output: Any) -> Any:
    if not isinstance(output, dict):
        return output
    new = dict(output)
    if new.get("output_type") in ("display_data", "execute_result") and "data" in new:
        new["data"] = _split_bundle(new["data"])
    elif new.get("output_type") == "stream" and isinstance(new.get("text"), str):
        new["text"] = new["text"].splitlines(True)
    return new


def _split_bundle(bundle: Any) -> Any:
    if not isinstance(bundle, dict):
        return bundle
    return {
        mime: value.splitlines(True)
        if isinstance(value, str) and (mime.startswith("text/") or mime in _SPLIT_MIMES)
        else value
        for mime, value in bundle.items()
    }


def _parsed(raw: bytes, where: Path) -> dict[str, Any]:
    name = repr(str(where))
    if not raw.strip():
        raise NotebookError(f"the notebook {name} is empty; save it again from Jupyter")
    try:
        data = json.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise NotebookError(
            f"{name} is no notebook: byte {error.start} is not UTF-8; save it again from Jupyter"
        ) from None
    except json.JSONDecodeError as error:
        if b"<<<<<<<" in raw and b">>>>>>>" in raw:
            raise NotebookError(
                f"the notebook {name} holds git merge conflicts; resolve them (nbdime helps), then try again"
            ) from None
        raise NotebookError(
            f"{name} is no notebook: not JSON at line {error.lineno}, column {error.colno} ({error.msg}); "
            "restore it from git or a checkpoint"
        ) from None
    except RecursionError:
        raise NotebookError(f"{name} is no notebook: its JSON is nested too deeply") from None
    _check_format(data, name)
    return dict(data)


def _check_format(data: Any, name: str) -> None:
    if not isinstance(data, dict) or "nbformat" not in data:
        raise NotebookError(f"{name} is JSON but no notebook (it has no 'nbformat'); give the path of an .ipynb file")
    major = data["nbformat"]
    if isinstance(major, int) and 0 < major < 4:
        raise NotebookError(
            f"the notebook {name} has the old format {major}; convert it with "
            f"'jupyter nbconvert --to notebook --inplace {name[1:-1]}'"
        )
    if major != 4:
        raise NotebookError(f"the notebook {name} has format {major!r}; formats 4.0 to 4.{NEWEST_MINOR} can be read")
    cells = data.get("cells")
    if not isinstance(cells, list):
        raise NotebookError(f"the notebook {name} has no list of cells; save it again from Jupyter")
    for index, cell in enumerate(cells):
        wrong = _wrong_with(cell)
        if wrong:
            raise NotebookError(f"the notebook {name} is broken: cell {index + 1} {wrong}; save it again from Jupyter")


def _wrong_with(cell: Any) -> str | None:
    if not isinstance(cell, dict):
        return "is no object"
    if cell.get("cell_type") not in ("code", "markdown", "raw"):
        return f"has the type {cell.get('cell_type')!r}"
    source = cell.get("source", "")
    if not isinstance(source, str) and not (isinstance(source, list) and all(isinstance(line, str) for line in source)):
        return "has a source that is no text"
    if not isinstance(cell.get("outputs") or [], list):
        return "has outputs that are no list"
    return None


def _tags(cell: Mapping[str, Any]) -> tuple[str, ...]:
    metadata = cell.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    return tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else ()


def _nearby(where: Path) -> str:
    """The next step: notebooks of the same folder that may be meant."""
    folder = where.parent
    try:
        names = sorted(p.name for p in folder.glob("*.ipynb"))
    except OSError:
        names = []
    if not names:
        return "; check the path"
    close = difflib.get_close_matches(where.name, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {str(folder / close[0])!r}?"
    more = f" … ({len(names)} in all)" if len(names) > 5 else ""
    return f"; {str(folder)!r} holds {', '.join(names[:5])}{more}"
