"""What a model URI stands for.

::

    models:/NAME/VERSION    one version
    models:/NAME@ALIAS      the version the alias stands for now
    runs:/ID/MODELNAME      a model of a run, registered or not (ID may be the beginning of an id)
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, unquote

from nbops.core.errors import UnknownNameError, UsageError
from nbops.core.models import ModelVersion
from nbops.core.runs import ModelUse, Run
from nbops.store import models, records, runs
from nbops.store.database import Reader

FORMS = "models:/NAME/VERSION, models:/NAME@ALIAS or runs:/ID/MODELNAME"


@dataclass(frozen=True, kw_only=True)
class ModelUri:
    """`name` is the registered model's name, or the model's name within `run`. Exactly one of the others is given."""

    name: str
    version: int | None = None
    alias: str | None = None
    run: str | None = None

    def __str__(self) -> str:
        if self.run is not None:
            return f"runs:/{self.run}/{quote(self.name)}"
        return f"models:/{quote(self.name)}" + (f"@{self.alias}" if self.alias else f"/{self.version}")


def parse(uri: str) -> ModelUri:
    """The parts of a model URI.

    Raises
    ------
    UsageError
        If it has none of the three forms.
    """
    scheme, colon, rest = uri.partition(":/")
    rest = rest.strip("/") if colon else ""
    if scheme == "models" and rest:
        name, at, alias = rest.rpartition("@")
        if at and name and alias and "/" not in rest:
            return ModelUri(name=unquote(name), alias=unquote(alias))
        name, slash, number = rest.rpartition("/")
        if slash and name and "/" not in name and number.isascii() and number.isdigit() and int(number) > 0:
            return ModelUri(name=unquote(name), version=int(number))
    if scheme == "runs":
        run, slash, name = rest.partition("/")
        if slash and run and name and "/" not in name:
            return ModelUri(name=unquote(name), run=run)
    raise UsageError(f"{uri!r} is no model URI; expected {FORMS}")


def version(reader: Reader, uri: ModelUri) -> ModelVersion:
    """The registered version behind a ``models:/`` URI.

    Raises
    ------
    UnknownNameError
        If there is no such model, version or alias; the message lists what comes close.
    """
    known = models.names(reader)
    if uri.name not in known:
        raise UnknownNameError("model", uri.name, known, hint="'nbops promote RUN --name NAME' makes one")
    if uri.version is not None:
        return models.get(reader, uri.name, uri.version)
    found = models.aliased(reader, uri.name, uri.alias or "")
    if found is None:
        raise UnknownNameError(f"alias of the model {uri.name!r}", uri.alias or "", models.aliases(reader, uri.name))
    return found


def model_of_run(reader: Reader, uri: ModelUri) -> tuple[Run, ModelUse]:
    """The run and the model behind a ``runs:/`` URI, as it was at the end of the run.

    Raises
    ------
    UnknownNameError, AmbiguousError
    """
    run = runs.get(reader, uri.run or "")
    made = {use.name: use for use in records.models(reader, run.id)}
    if uri.name not in made:
        raise UnknownNameError(f"model of the run {run.id}", uri.name, made)
    return run, made[uri.name]
