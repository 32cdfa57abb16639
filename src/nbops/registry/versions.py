"""Registering: a model of a run becomes a numbered version that never changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from nbops.core import wire
from nbops.core.errors import UsageError
from nbops.core.models import ModelVersion, Signature
from nbops.core.runs import ModelUse, Run
from nbops.store import models
from nbops.store.database import Transaction

LIBRARIES = ("sklearn", "numpy", "scipy", "skops")
"""Whose versions decide whether a model file means tomorrow what it means today; and Python's."""


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """Types beyond the reviewed list that somebody allowed for one model (``"pickle"``: the whole file)."""

    types: tuple[str, ...] = ()
    by: str | None = None
    why: str | None = None


def register(
    tx: Transaction,
    name: str,
    run: Run,
    use: ModelUse,
    *,
    signature: Signature,
    profile: str | None,
    evaluation: str | None,
    metrics: Mapping[str, float],
    judged: str | None,
    allowance: Allowance,
    by: str,
    at: datetime,
) -> ModelVersion:
    """The version of `name` that holds this model of this run: a new one, or the one it was registered as before.

    Raises
    ------
    UsageError
        If the model's file was not kept.
    """
    if use.digest is None or use.format is None:
        raise UsageError(f"the model {use.name!r} of run {run.id} was not kept: {use.reason or 'no reason recorded'}")
    known = models.by_artifact(tx, name, use.digest, run.id)
    if known is not None:
        return known
    version = ModelVersion(
        name=name,
        number=models.next_number(tx, name),
        run=run.id,
        artifact=use.digest,
        format=use.format,
        type=use.type,
        signature=signature,
        profile=profile,
        evaluation=evaluation,
        metrics=dict(metrics),
        libraries=libraries_of(run),
        judged=judged,
        allowed_types=allowance.types,
        allowed_by=allowance.by if allowance.types else None,
        allowed_why=allowance.why if allowance.types else None,
        created_at=at,
        created_by=by,
    )
    models.add(tx, version)
    return version


def signature_of(use: ModelUse) -> Signature | None:
    """The signature that was captured, if one was."""
    return wire.from_json(Signature, dict(use.signature)) if use.signature else None


def libraries_of(run: Run) -> dict[str, str]:
    """The versions a run had, as recorded; where it recorded none, this process's."""
    recorded = run.environment
    packages = recorded.get("packages", {})
    here = libraries_here()
    found = {name: packages.get(name, here[name]) for name in LIBRARIES if name in packages or name in here}
    return {**found, "python": recorded.get("python") or here["python"]}


def libraries_here() -> dict[str, str]:
    """This process's versions. Read from the installed packages' metadata: nothing is imported."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version("scikit-learn" if name == "sklearn" else name)
        except PackageNotFoundError:
            continue
    return {**found, "python": platform.python_version()}
