"""Loading a registered model: the file's digest verified, its types checked, its libraries compared.

A model of another scikit-learn often loads and predicts the same; so a difference is a note, and an error only when
the file can't be loaded, which then names the difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nbops.core.errors import ExecutionError, NbopsError, UnknownNameError, UntrustedModelError
from nbops.core.models import ModelVersion
from nbops.modelfiles.load import load as load_file
from nbops.registry import resolve
from nbops.registry.versions import libraries_here
from nbops.workspace import Workspace, open_workspace


def load_version(ws: Workspace, version: ModelVersion) -> Any:
    """The estimator of a version.

    Raises
    ------
    CorruptArtifactError
        If the file isn't what was registered.
    UntrustedModelError
        If it holds types that the version's record doesn't allow, or is a pickle and the record doesn't say who
        allowed it and why.
    ExecutionError
        If it can't be loaded here; the message says which libraries differ.
    """
    allowed = version.allowed_types
    if allowed and not (version.allowed_by and version.allowed_why):
        raise UntrustedModelError(
            f"{version.name} version {version.number} holds types that are allowed by nobody"
            f" ({', '.join(allowed)}): the record doesn't say who allowed them and why",
            tuple(allowed),
        )
    return _load(ws, version.artifact, version.format, allowed, _named(version), library_notes(version))


def load_model(uri: str, *, allow: Sequence[str] = ()) -> Any:
    """The estimator behind a model URI, from the workspace of the current folder.

    Parameters
    ----------
    uri : str
        ``models:/NAME/VERSION``, ``models:/NAME@ALIAS`` or ``runs:/ID/MODELNAME``.
    allow : sequence of str
        For ``runs:/`` only: types beyond the reviewed list that you trust. A registered version's record says itself
        what was allowed.

    Raises
    ------
    UsageError
        If the URI has none of these forms; `UnknownNameError` if it names nothing.
    CorruptArtifactError, UntrustedModelError, ExecutionError
        As :func:`load_version`.
    """
    ws = open_workspace()
    wanted = resolve.parse(uri)
    if wanted.run is None:
        return load_version(ws, resolve.version(ws.store, wanted))
    run, use = resolve.model_of_run(ws.store, wanted)
    if use.digest is None:
        raise UnknownNameError(
            "kept model", uri, hint=f"its file was not kept: {use.reason or 'no reason was recorded'}"
        )
    return _load(ws, use.digest, use.format or "skops", allow, f"the model {use.name!r} of run {run.id}", ())


def library_notes(version: ModelVersion) -> tuple[str, ...]:
    """Sentences on libraries whose major or minor version differs here from that at training; usually none."""
    here = libraries_here()
    return tuple(
        f"{_named(version)} was trained with {name} {then}, this is {here.get(name, 'without it')}"
        for name, then in version.libraries.items()
        if _minor(then) != _minor(here.get(name, ""))
    )


def _load(
    ws: Workspace, digest: str, format: str, allow: Sequence[str], what: str, differences: tuple[str, ...]
) -> Any:
    path: Path = ws.artifacts.verified(digest)
    try:
        return load_file(path, format, allow=allow)
    except NbopsError:
        raise
    except Exception as error:
        because = f"; {'; '.join(differences)}: install that version, or train it again" if differences else ""
        defined = "; its types are defined in a notebook or script that isn't loaded here" if _homeless(error) else ""
        raise ExecutionError(f"{what} can't be loaded: {type(error).__name__}: {error}{defined}{because}") from error


def _homeless(error: Exception) -> bool:
    return isinstance(error, (ModuleNotFoundError, AttributeError)) and "__main__" in str(error)


def _named(version: ModelVersion) -> str:
    return f"{version.name} version {version.number}"


def _minor(version: str) -> tuple[str, ...]:
    return tuple(version.split(".")[:2])
