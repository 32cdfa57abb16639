"""Progress of steps on a terminal: a line that moves where there is one, plain lines where there is none."""

from __future__ import annotations

import sys

import click

from nbops.pipeline.progress import Progress, StepEvent


def steps() -> Progress:
    """A listener that tells how steps get on, on standard error."""
    moving = sys.stderr.isatty()

    def tell(event: StepEvent) -> None:
        if event.state == "cell":
            if moving:
                line = f"  {event.step}: cell {event.cell} of {event.cells}, {event.seconds:.0f} s"
                click.echo(f"\r{line:<70}", nl=False, err=True)
            return
        why = f" ({event.why})" if event.why else ""
        seconds = f" in {event.seconds:.1f} s" if event.seconds else ""
        clear = "\r" + " " * 70 + "\r" if moving else ""
        click.echo(f"{clear}{event.step}: {event.state}{seconds}{why}", err=True)

    return tell
