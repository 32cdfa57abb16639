"""``nbops.toml``: what the user wishes. Read once, checked whole, frozen.

Every key is a field of a dataclass below; an unknown key is an error that names what comes close, so that a
misspelt gate can't be silently absent.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbops.core.errors import SettingsError, suggestion

FILE = "nbops.toml"
_BETWEEN_NAMES = re.compile(r"[,;\t|()'\"]")
LAST, ALL, NONE = "last", "all", "none"


@dataclass(frozen=True, kw_only=True)
class StoreSettings:
    """``[store]``. `artifacts` is a folder (default: beside the database). `durability` "full" waits for the disk
    at each commit and for each artifact. A deleted run can be restored for `undelete_days`.

    The content of files that cells read or write is kept if it is smaller than `keep_under_mb`, or whatever its size if
    `keep` names it; never if `never_keep` does. Both are shell patterns of paths (or their last part) and of variables:
    tables and arrays in memory are kept only where `keep` names them. Over a quota (what one run, or all, may add to
    the store) content is only fingerprinted."""

    artifacts: str | None = None
    durability: str = "normal"
    keep_under_mb: float = 100.0
    keep: tuple[str, ...] = ()
    never_keep: tuple[str, ...] = ()
    quota_per_run_mb: float = 1_000.0
    quota_mb: float = 10_000.0
    undelete_days: float = 30.0


@dataclass(frozen=True, kw_only=True)
class CaptureSettings:
    """``[capture]``. `budget_s`: how long fingerprinting may take per cell. `card`: full, line or off. Of columns whose
    names match `no_values` (shell patterns, in any case) no value is kept: counts only. `keep_models`: "last" (of what
    one line fits, the last, and those that are named or judged), "all", or "none"."""

    budget_s: float = 1.0
    card: str = "full"
    keep_models: str = LAST
    no_values: tuple[str, ...] = ()

    def withholds(self, column: str) -> bool:
        """May no value of this column be kept? A name that is several in one, of levels (``('user', 'email')``) or of a
        file that was read with another separator (``id;email``), is asked for each."""
        names = {column.lower(), *(part.strip() for part in _BETWEEN_NAMES.split(column.lower()))}
        return any(fnmatch.fnmatchcase(name, pattern.lower()) for name in names for pattern in self.no_values)


@dataclass(frozen=True, kw_only=True)
class PipelineSettings:
    """``[pipeline]``. `warm` false: every kernel is started from nothing, instead of forked from a parent that has
    imported the usual libraries. `checkpoints` false: no state is kept between cells; a state of more than
    `checkpoint_mb` never is. After `checkpoint_days` nobody is expected to go on from one (``nbops data gc``)."""

    warm: bool = True
    checkpoints: bool = True
    checkpoint_mb: float = 1000.0
    checkpoint_days: float = 14.0


@dataclass(frozen=True, kw_only=True)
class Step:
    """``[pipelines.NAME.steps.STEP]``. Paths are relative to the workspace root; `inputs` may be globs.

    `outputs` are files the notebook writes, or names it hands over with ``nbops.output``. `cache` true declares
    that a step that reads a URL, a database, the clock or unseeded randomness may be cached all the same, a
    freshness ("1d", "12h") for how long. `foreach` runs the notebook once for each of several values of a parameter.
    What the rest means is said in docs/pipelines.md."""

    notebook: str
    params: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    cache: bool | str | None = None  # None: cached unless something speaks against it
    timeout_s: float | None = None  # for all cells together
    cell_timeout_s: float | None = None
    retries: int = 0
    retry_wait_s: float = 1.0  # before the first retry; twice as long before each further one
    when: str | None = None
    foreach: Mapping[str, Any] = field(default_factory=dict)
    after_skip: bool = False  # run although a step it needs was skipped
    uses: tuple[str, ...] = ()  # of `limits`


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """``[pipelines.NAME]``. `params` go to every step that has a parameter of that name. At most `jobs` steps run at
    once (by default one, on a cluster as many as it has threads), and of those that use something of `limits` at most
    that many. `engine` "dask": on the Dask cluster of `scheduler`. `on_failure` is the step that runs when another has
    failed, and only then."""

    steps: Mapping[str, Step]
    params: Mapping[str, Any] = field(default_factory=dict)
    engine: str = "local"
    scheduler: str | None = None
    jobs: int | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    on_failure: str | None = None


@dataclass(frozen=True, kw_only=True)
class GateSettings:
    """``[deployments.NAME.gates]``. `max` and `min` bound metrics on the kept evaluation rows; `margin` is how much
    smaller (relative; larger for scores) the candidate's error must be than the champion's on the same rows.
    `slices` bounds the error of every group of rows by a column, as a multiple of that of all rows; `reproduce` asks
    that the run is done again and gives the same. `approval` true asks for the word of a second person, a name for that
    of one whom ``[roles]`` lists under it."""

    max: Mapping[str, float] = field(default_factory=dict)
    min: Mapping[str, float] = field(default_factory=dict)
    margin: float = 0.0
    slices: Mapping[str, float] = field(default_factory=dict)
    reproduce: bool = False
    approval: bool | str = False


@dataclass(frozen=True, kw_only=True)
class TriggerSettings:
    """``[deployments.NAME.triggers]``. `degradation`: act when the realised error of a period that the present
    champion scored exceeds this multiple of the reference error (0: never). `drift`: act on a drift alert.
    `reference` is that error; by default the one that the first accepted version had at its gates. `schedule`: a
    cron line, UTC."""

    degradation: float = 1.3
    reference: float | None = None
    drift: bool = False
    schedule: str | None = None


@dataclass(frozen=True, kw_only=True)
class DriftSettings:
    """``[deployments.NAME.drift]``: the bounds of :class:`nbops.monitor.severity.DriftPolicy` that are set here."""

    psi_warn: float | None = None
    psi_alert: float | None = None
    min_rows: int | None = None
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DeploymentSettings:
    """``[deployments.NAME]``. `key` are input columns that go along with each prediction; `metric` decides;
    `pipeline` is what retrains, with `retrain_params` on top of its own."""

    model: str | None = None
    alias: str = "production"
    pipeline: str | None = None
    retrain_params: Mapping[str, Any] = field(default_factory=dict)
    candidate: str | None = None
    metric: str | None = None
    key: tuple[str, ...] = ()
    gates: GateSettings = field(default_factory=GateSettings)
    triggers: TriggerSettings = field(default_factory=TriggerSettings)
    drift: DriftSettings = field(default_factory=DriftSettings)


@dataclass(frozen=True, kw_only=True)
class ScheduleSettings:
    """``[schedules.NAME]``: exactly one of `cron` (with `tz`), `every` ("15m"), `on_data` (a glob or data:/NAME),
    `on_drift`, `on_degradation` (a deployment); and of `pipeline`, `notebook`. `pin`: run the notebooks as they were
    when it was made. `missed`: once, skip or all; `overlap`: skip, queue or cancel-old. `keep`: of how many runs the
    executed notebooks stay. `on_failure`, `on_success`: whom to tell (``https://…``, ``mailto:…``, ``exec:…``)."""

    cron: str | None = None
    tz: str = "UTC"
    every: str | None = None
    on_data: str | None = None
    on_drift: str | None = None
    on_degradation: str | None = None
    pipeline: str | None = None
    notebook: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    pin: bool = False
    missed: str = "once"
    overlap: str = "skip"
    retries: int = 0
    backoff: str = "1m"
    timeout: str | None = None
    keep: int | None = None
    on_failure: tuple[str, ...] = ()
    on_success: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class NotifySettings:
    """``[notify]``: the mail server of ``mailto:``, as ``smtp://USER@HOST:PORT`` (or ``smtps://``; the password comes
    from the environment variable NBOPS_SMTP_PASSWORD), and who the mail is from."""

    smtp: str = "smtp://localhost:25"
    sender: str = "nbops@localhost"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The whole file. ``[roles]``: who may speak for a role, by identity: ``owner = ["ann", "bob"]``."""

    store: StoreSettings = field(default_factory=StoreSettings)
    capture: CaptureSettings = field(default_factory=CaptureSettings)
    pipeline: PipelineSettings = field(default_factory=PipelineSettings)
    pipelines: Mapping[str, Pipeline] = field(default_factory=dict)
    deployments: Mapping[str, DeploymentSettings] = field(default_factory=dict)
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    schedules: Mapping[str, ScheduleSettings] = field(default_factory=dict)
    notify: NotifySettings = field(default_factory=NotifySettings)

    def deployment(self, name: str) -> DeploymentSettings:
        """The wishes for a deployment; the defaults if nbops.toml doesn't speak of it."""
        return self.deployments.get(name, DeploymentSettings())


def load(path: Path) -> Settings:
    """The settings in a file; the defaults if there is no such file.

    Raises
    ------
    SettingsError
        If it is no TOML, or holds an unknown key or a value of the wrong type.
    """
    if not path.exists():
        return Settings()
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not valid TOML: {error}") from error
    settings: Settings = _table(Settings, data, str(path))
    return settings


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    """The types of a table's keys: compiled from text, which for each of 500 steps would be a tenth of a second."""
    return typing.get_type_hints(cls)


def _table(cls: type, data: Any, where: str) -> Any:
    if not isinstance(data, Mapping):
        raise SettingsError(f"{where}: expected a table, got {data!r}")
    hints = _hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}
    for key in data:
        if key not in fields:
            raise SettingsError(f"{where}: unknown key {key!r}{suggestion(key, fields)}")
    for name, spec in fields.items():
        if name not in data and spec.default is spec.default_factory is dataclasses.MISSING:
            raise SettingsError(f"{where}: {name!r} is missing")
    return cls(**{key: _value(hints[key], value, f"{where}: {key}") for key, value in data.items()})


def _value(hint: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin is types.UnionType or origin is typing.Union:
        options = [a for a in args if a is not type(None)]
        if len(options) == 1:
            return _value(options[0], value, where)
        if type(value) not in options:
            raise SettingsError(f"{where}: expected {' or '.join(o.__name__ for o in options)}, got {value!r}")
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise SettingsError(f"{where}: expected a list, got {value!r}")
        return tuple(_value(args[0], item, where) for item in value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise SettingsError(f"{where}: expected a table, got {value!r}")
        return {k: _value(args[1], v, f"{where}.{k}") for k, v in value.items()}
    if dataclasses.is_dataclass(hint):
        return _table(typing.cast(type, hint), value, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise SettingsError(f"{where}: expected {hint.__name__}, got {value!r}")
    return value
