"""What every command shares: how errors end, how answers are printed, how parameters are written.

Modules of commands import only what is light at their top; what is heavy is imported when a command runs, so that
``nbops --help`` stays fast."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import click

from nbops.core.errors import NbopsError, ParameterError
from nbops.core.wire import json_safe
from nbops.pipeline import own_process
from nbops.workspace import Workspace, open_workspace

F = TypeVar("F", bound=Callable[..., Any])

SECTIONS: dict[str, list[str]] = {}


class Program(click.Group):
    """The top group: its help is a table of contents."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  click's
        for title, names in SECTIONS.items():
            _first_sentences(formatter, title, {name: self.commands[name] for name in names})


class Nouns(click.Group):
    """A group of one noun's commands."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  click's
        _first_sentences(formatter, "Commands", dict(sorted(self.commands.items())))


class Listing(Nouns):
    """A group that alone, or with options only, is its ``list``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        asks_help = args and args[0] in ctx.help_option_names
        if not args or (args[0].startswith("-") and not asks_help):
            args = ["list", *args]
        return super().parse_args(ctx, args)


def _first_sentences(formatter: click.HelpFormatter, title: str, commands: dict[str, click.Command]) -> None:
    with formatter.section(title):
        formatter.write_dl([(name, command.get_short_help_str(1000)) for name, command in commands.items()])


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="nbops")
def program() -> None:
    """Make notebooks operational: record, pipeline, promote, watch."""


def section(title: str, *commands: click.Command) -> None:
    """Put commands under a heading of the help page."""
    for command in commands:
        program.add_command(command)
        SECTIONS.setdefault(title, []).append(command.name or "")


def json_option(function: F) -> F:
    """The ``--json`` of every reading command."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(function)


def workspace() -> Workspace:
    return open_workspace()


def show(value: Any, text: Callable[[], str], as_json: bool) -> None:
    """Print an answer: as JSON, or as text made only when asked for."""
    if as_json:
        click.echo(json.dumps(json_safe(value), indent=1, ensure_ascii=False))
    else:
        click.echo(text())


def table(rows: Iterable[Sequence[Any]], head: Sequence[str], empty: str) -> str:
    """Aligned columns, or a sentence where there is nothing to list."""
    from tabulate import tabulate

    lines = list(rows)
    if not lines:
        return empty
    # a text that looks like a number (the id 390e03) stays one
    words = [i for i in range(len(lines[0])) if any(isinstance(line[i], str) for line in lines if i < len(line))]
    return tabulate(lines, head, tablefmt="plain", floatfmt=".4g", missingval="–", disable_numparse=words)


def count(number: int, noun: str) -> str:
    """``1 run``, ``2 runs``."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def parse_params(pairs: Iterable[str]) -> dict[str, str]:
    """``-p key=value`` options.

    Raises
    ------
    ParameterError
        For an option without ``=``.
    """
    params = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise ParameterError(f"-p {pair!r}: write it as -p name=value")
        params[key] = value
    return params


def parse_object(text: str) -> dict[str, Any]:
    """The parameters of ``--params-json``.

    Raises
    ------
    ParameterError
        If it is no JSON object.
    """
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ParameterError(f"--params-json {text!r} is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise ParameterError(f'--params-json {text!r}: write one object, {{"name": value}}')
    return found


def main() -> None:
    """The console script. Errors of ours are one sentence and their exit code; a traceback is a bug."""
    own_process.begin()
    try:
        code = program.main(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("stopped", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except NbopsError as error:
        click.echo(f"nbops: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # `nbops runs | head`: whoever reads has gone
        sys.exit(0)
    except OSError as error:  # the disk, a path, a permission: the user's to mend
        if error.strerror is None:
            raise
        where = f": {str(error.filename)!r}" if error.filename is not None else ""
        click.echo(f"nbops: {error.strerror}{where}", err=True)
        sys.exit(1)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C now ends what is still being put away
    sys.exit(code if isinstance(code, int) else 0)
