"""Progress of steps on a terminal: a line that moves where there is one, plain lines where there is none."""

from __future__ import annotations

import sys

import click

from nbops.pipeline.progress import Progress, StepEvent

WIDTH = 96


def steps() -> Progress:
    """A listener that tells how steps get on, on standard error: of several at once, each in the same line."""
    moving = sys.stderr.isatty()
    running: dict[str, str] = {}

    def tell(event: StepEvent) -> None:
        if event.state == "cell":
            usual = f" of about {event.usual_s:.0f}" if event.usual_s >= 1 else ""
            running[event.step] = f"{event.step}: cell {event.cell} of {event.cells}, {event.seconds:.0f}{usual} s"
            if moving:
                click.echo(f"\r  {' · '.join(running.values())[:WIDTH]:<{WIDTH}}", nl=False, err=True)
            return
        if event.state != "started":
            running.pop(event.step, None)
        why = f" ({event.why})" if event.why else ""
        seconds = f" in {event.seconds:.1f} s" if event.seconds else ""
        clear = "\r" + " " * (WIDTH + 2) + "\r" if moving else ""
        click.echo(f"{clear}{event.step}: {event.state}{seconds}{why}", err=True)

    return tell
