"""Deleted runs as text. Values in, text out."""

from __future__ import annotations

from collections.abc import Sequence

from nbops.core.deletion import DeletedRun, Deletion


def listed(runs: Sequence[DeletedRun]) -> str:
    """A line a deleted run: until when it can be restored, and by which command."""
    from tabulate import tabulate

    if not runs:
        return "no deleted runs"
    head = ["run", "kind", "name", "deleted (UTC)", "by", "restorable until", "restored by"]
    return tabulate([[*_row(run), f"nbops runs restore {run.asked[:8]}"] for run in runs], head, tablefmt="plain")


def deletion(done: Deletion) -> str:
    """What was deleted, or would be."""
    asked = " ".join(dict.fromkeys(run.asked[:8] for run in done.runs))
    end = f"{done.runs[0].until:%Y-%m-%d}" if done.runs else ""
    said = f"would delete {_many(done)}" if done.dry_run else f"deleted {_many(done)}"
    more = "" if done.dry_run else f"; 'nbops runs restore {asked}' brings back, until {end}"
    return f"{_lines(done)}\n{said}{more}"


def restored(done: Deletion) -> str:
    """What is back."""
    return f"{_lines(done)}\nrestored {_many(done)}"


def _lines(done: Deletion) -> str:
    from tabulate import tabulate

    return tabulate([[run.id[:8], run.kind, run.name] for run in done.runs], tablefmt="plain", disable_numparse=True)


def _row(run: DeletedRun) -> list[str]:
    return [run.id[:8], run.kind, run.name, f"{run.deleted_at:%Y-%m-%d %H:%M}", run.deleted_by, f"{run.until:%Y-%m-%d}"]


def _many(done: Deletion) -> str:
    return f"{len(done.runs):,} run{'s' * (len(done.runs) != 1)}"
