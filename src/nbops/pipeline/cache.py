"""Must a step run again? A step is skipped when a completed run of it had the same code, parameters, inputs and
environment, and everything else it is known to have read is unchanged too. Either way it is said why.

What a run stood on is kept with it (``detail["cache"]``), part by part, so that the next one can say which part
changed. The key is the digest of the parts that are known before a run; the packages and files that a run turned
out to use are compared with those of the run that would stand for it.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache as memoized
from pathlib import Path
from typing import Any

from nbops.core.canonical import digest
from nbops.core.errors import CorruptArtifactError, SettingsError, UnknownNameError
from nbops.core.runs import Run, RunKind, RunStatus
from nbops.fingerprints.fingerprint import fingerprint
from nbops.notebook import files, parameters
from nbops.pipeline.code_text import WORDS, CodeText, code_text, of_run
from nbops.pipeline.step_run import keepable
from nbops.settings import FILE, Step
from nbops.store import records, runs
from nbops.store.artifacts import digest_of
from nbops.workspace import Workspace, relative

PARTS = {
    "code": "the code",
    "modules": "the local module",
    "params": "the parameter",
    "inputs": "the input",
    "handovers": "the handed-on value",
    "environment": "the environment",
}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`hit` is the completed run that stands for a new one; None: the step must run. `why` says why. `state` is
    "cached", "stale" (it has completed, but not with what is there now) or "run". `parts` are what the key is the
    digest of."""

    key: str
    text: CodeText
    parts: Mapping[str, Mapping[str, Any]]
    hit: Run | None
    why: str
    state: str = "run"


def verdict(
    ws: Workspace,
    name: str,
    spec: Step,
    notebook: Path,
    *,
    params: Mapping[str, Any],
    inputs: Mapping[str, Path],
    handovers: Mapping[str, str | list[str]],
    forced: str = "",
    done: Run | None = None,
) -> Verdict:
    """Whether a step must run.

    Parameters
    ----------
    params, inputs, handovers
        As the step would get them: checked values, {relative path: file}, {name: digest}.
    forced : str
        Why it must run whatever changed; empty if it need not.
    done : Run, optional
        The step's completed run in a pipeline's run that is gone on with: it isn't done again because of what it read
        outside, nor because it is never cached.
    """
    last = _last(ws, name, notebook)
    read = files.read(notebook)
    text = code_text(ws, read, of_run(last) if last else None)
    parts, key = parts_and_key(read, text, params=params, inputs=inputs, handovers=handovers)

    def must_run(why: str, state: str = "run") -> Verdict:
        return Verdict(key=key, text=text, parts=parts, hit=None, why=why, state=state)

    if forced:
        return must_run(forced)
    if done is not None:
        against = _done_no_more(ws, done, parts, spec, inputs)
        if against:
            return must_run(against, "stale")
        why = f"it came to its end in run {done.id[:6]}, which is gone on with"
        return Verdict(key=key, text=text, parts=parts, hit=done, why=why, state="cached")
    if spec.cache is False:
        return must_run("nbops.toml says cache = false")
    if spec.cache is None and text.outside:
        return must_run(f"{text.outside}; {DECLARE}")
    found = last if last and (last.detail.get("cache") or {}).get("key") == key else runs.by_cache_key(ws.store, key)
    if found is None:
        return must_run(NEVER) if last is None else must_run(_difference(last, parts), "stale")
    against = _too_old(ws, found, spec) or _speaks_against(ws, found, spec, inputs)
    if against:
        return must_run(against, "stale")
    return Verdict(
        key=key, text=text, parts=parts, hit=found, why=f"nothing changed since run {found.id[:6]}", state="cached"
    )


def stood_on(
    ws: Workspace,
    run: Run,
    notebook: Path,
    found: Verdict,
    *,
    params: Mapping[str, Any],
    inputs: Mapping[str, Path],
    handovers: Mapping[str, str | list[str]],
) -> tuple[dict[str, Any], str | None]:
    """What a run that has just completed keeps for those after it, and its cache key: None if what it read changed
    while it ran, for then nobody knows which of the two it stands on."""
    read = files.read(notebook)
    text = code_text(ws, read, found.text)
    parts, key = parts_and_key(read, text, params=params, inputs=inputs, handovers=handovers)
    same = key if key == found.key else None
    kept = {"key": same, "parts": parts, "text": text.kept(), "packages": used_packages(run), "seen": _seen(ws, run)}
    return kept, same


NEVER = "it has not completed before"
DECLARE = 'cache = true (or for how long: cache = "1d") in nbops.toml declares it harmless'
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def freshness(text: str, where: str = FILE) -> timedelta:
    """``"1d"``, ``"12h"``, ``"30m"``, ``"45s"``, ``"2w"``: how long what a step read outside counts as unchanged.

    Raises
    ------
    SettingsError
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", text.strip())
    if match is None:
        raise SettingsError(f'{where}: cache = {text!r}: write true, false or how long, as "1d", "12h", "30m"')
    return timedelta(**{_UNITS[match[2]]: float(match[1])})


def _done_no_more(
    ws: Workspace, done: Run, parts: Mapping[str, Mapping[str, Any]], spec: Step, inputs: Mapping[str, Path]
) -> str:
    """Why a run that came to its end has to be done again all the same; empty if it hasn't. (What a step that changes
    its own inputs began with can't be known.)"""
    kept = done.detail.get("cache") or {}
    if "text" not in kept:
        return "its outputs were not kept"
    against = changes(kept["parts"], parts, [part for part in PARTS if part != "inputs" or kept["key"] is not None])
    return against or _speaks_against(ws, done, replace(spec, cache=True), inputs)


def _too_old(ws: Workspace, found: Run, spec: Step) -> str:
    if not isinstance(spec.cache, str):
        return ""
    age = ws.clock.now() - (found.ended_at or found.started_at)
    if age <= freshness(spec.cache):
        return ""
    hours = age.total_seconds() / 3600
    said = (
        f"{hours / 24:.1f} days" if hours >= 48 else f"{hours:.1f} hours" if hours >= 1 else f"{hours * 60:.1f} minutes"
    )
    return f"its last run is {said} old, and cache = {spec.cache!r}"


def parts_and_key(
    read: files.Notebook,
    text: CodeText,
    *,
    params: Mapping[str, Any],
    inputs: Mapping[str, Path],
    handovers: Mapping[str, str | list[str]],
) -> tuple[dict[str, dict[str, Any]], str]:
    """What a run of the notebook would stand on now, part by part, and its digest."""
    chosen = dict(params)
    if read.language in (None, "python"):
        chosen = parameters.values(parameters.schema(read), params)  # defaults too: the code's digest leaves them out
    parts: dict[str, dict[str, Any]] = {
        "code": dict(text.code),
        "modules": dict(text.modules),
        "params": chosen,
        "inputs": {path: digest_of(file) for path, file in inputs.items()},
        "handovers": dict(handovers),
        "environment": {"Python": platform.python_version(), "kernel": read.kernel or ""},
    }
    key = digest(parts | {"params": keepable(chosen, secret=False)})
    return parts | {"params": keepable(chosen)}, key


def used_packages(run: Run) -> dict[str, str]:
    """The versions, as installed here and now, of the packages that the run's kernel had imported; under the name of
    what was installed (scikit-learn), where that isn't the package's own."""
    found = {}
    for package in run.environment.get("packages", {}):
        for name in (package, *(() if _installed(package) else _distributions().get(package, ()))):
            if version := _installed(name):
                found[name] = version
                break
    return found


def restore(ws: Workspace, outputs: Mapping[str, Mapping[str, Any]]) -> None:
    """Bring back the files a step made, where they are missing or changed.

    Raises
    ------
    CorruptArtifactError, UnknownNameError
    """
    for path, made in outputs.items():
        target = ws.root / path
        if made["kind"] == "file" and not _same(target, made["digest"]):
            target.parent.mkdir(parents=True, exist_ok=True)
            beside = target.with_name(f".{target.name}.nbops")
            try:
                beside.write_bytes(ws.artifacts.read_bytes(made["digest"]))
                beside.replace(target)
            finally:
                beside.unlink(missing_ok=True)


def _seen(ws: Workspace, run: Run) -> dict[str, Any]:
    """What the run's records say it read that nobody declared, in short."""
    reads: dict[str, Any] = {}
    wrote: set[str] = set()
    outside: set[str] = set()
    for record in records.of_run(ws.store, run.id):
        outside |= set(record.uncacheable)
        for use in record.files:
            if use.mode == "write":
                wrote.add(use.path)
            elif use.path not in wrote:
                reads[use.path] = {"digest": use.digest, "reason": use.reason}
    return {"outside": sorted(outside), "reads": reads}


def _speaks_against(ws: Workspace, run: Run, spec: Step, inputs: Mapping[str, Path]) -> str:
    """Why a run with the same key can't stand for a new one; empty if it can."""
    kept = run.detail["cache"]
    for package, version in kept.get("packages", {}).items():
        now = _installed(package)
        if now != version:
            return f"{package} {version} became {now or 'missing'}"
    if "tracking" in run.detail and not spec.cache:
        return "its last run was untracked, so what it read isn't known"
    seen = kept["seen"] if "seen" in kept else _seen(ws, run)
    if seen["outside"] and not spec.cache:
        return f"its last run used {WORDS.get(seen['outside'][0], seen['outside'][0])}; {DECLARE}"
    for path, read in seen["reads"].items():
        if path not in inputs and (changed := _changed(ws, path, **read, declared=bool(spec.cache))):
            return changed
    for path, made in run.detail.get("outputs", {}).items():
        if made["kind"] == "file" and not _same(ws.root / path, made["digest"]):
            if not made["kept"]:
                return f"its output {path} is gone or changed, and was too large to be kept (store.keep_under_mb)"
            try:
                ws.artifacts.verified(made["digest"])
            except (CorruptArtifactError, UnknownNameError):
                return f"its output {path} is gone or changed, and what was kept of it is damaged or gone"
    return ""


def _changed(ws: Workspace, path: str, *, digest: str | None, reason: str | None, declared: bool) -> str:
    """How a file that a run read without saying so beforehand is other now; empty if it isn't."""
    file = ws.root / path
    if digest is None:
        return (
            "" if declared else f"it read {path}, of which no fingerprint was taken ({reason}); declare it as an input"
        )
    if not file.is_file():
        return f"{path}, which it read, is gone"
    return "" if fingerprint(file).digest == digest else f"{path}, which it read, has changed"


def _last(ws: Workspace, name: str, notebook: Path) -> Run | None:
    """The step's last completed run."""
    found = runs.listed(
        ws.store,
        kinds=[RunKind.STEP],
        status=RunStatus.COMPLETED,
        notebook=relative(ws, notebook),
        name=name,
        limit=1,
    )
    return found[0] if found else None


def _difference(last: Run, parts: Mapping[str, Mapping[str, Any]]) -> str:
    """In words, what is other than at the step's last completed run."""
    cache = last.detail.get("cache")
    if not cache:
        return "its last run was not made for the cache"
    return changes(cache["parts"], parts, PARTS) or "its last run is not whole in the store"


def changes(then: Mapping[str, Mapping[str, Any]], parts: Mapping[str, Mapping[str, Any]], asked: Iterable[str]) -> str:
    """In words, which of the parts `asked` for are other than they were; empty if none is."""
    said = []
    for part in asked:
        words, was, now = PARTS[part], then.get(part, {}), parts[part]
        for key in sorted({*was, *now}):
            if was.get(key) == now.get(key):
                continue
            if part == "code":
                said.append("the code changed")
            elif part in ("params", "environment"):
                what = f"the parameter {key}" if part == "params" else key
                said.append(f"{what}: {was.get(key, 'default')!r} became {now.get(key, 'default')!r}")
            else:
                how = "is new" if key not in was else "is gone" if key not in now else "changed"
                said.append(f"{words} {key} {how}")
    more = f" and {len(said) - 3} more changes" if len(said) > 3 else ""
    return "; ".join(said[:3]) + more


def _same(file: Path, digest: str) -> bool:
    return file.is_file() and digest_of(file) == digest


@memoized
def _distributions() -> Mapping[str, list[str]]:
    from importlib import metadata

    return metadata.packages_distributions()


@memoized
def _installed(name: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
