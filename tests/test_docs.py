"""The documentation says what is there: commands, options, files, headings, names, settings; nothing more or less."""

from __future__ import annotations

import dataclasses
import importlib
import re
import shlex
import typing
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import nbops
from nbops.cli.main import main  # noqa: F401  registers the commands
from nbops.cli.program import program
from nbops.ipython.magics import NbopsMagics
from nbops.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
COMMAND = re.compile(r"(?:^\$ |`)(?:jupyter )?nbops((?: [^`\n]*)?)(?:`|$)", re.M)


def commands(text: str) -> list[list[str]]:
    """Every ``nbops …`` written as code or at a prompt, in words; comments and what follows a ``;`` are left out."""
    found = []
    for match in COMMAND.finditer(text):
        said = re.sub(r"[\[\]…]", "", match[1].partition(";")[0])  # [--optional WORD]
        found.append(shlex.split(said, comments=True))
    return found


def wrong(words: list[str]) -> str | None:
    """What is wrong with a command, None if click would take it; missing arguments are forgiven in prose."""
    command: click.Command = program
    context = click.Context(program, info_name="nbops")
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        name = rest.pop(0)
        if name not in command.commands:
            return f"no command {name!r}"
        command = command.commands[name]
        context = click.Context(command, info_name=name, parent=context)
    options = {o: p for p in command.params if isinstance(p, click.Option) for o in p.opts}
    options |= {o: p for p in command.get_params(context) if isinstance(p, click.Option) for o in p.opts}
    arguments = 0
    while rest:
        word, equals, _ = rest.pop(0).partition("=")
        if not word.startswith("-"):
            arguments += 1
        elif word not in options:
            return f"no option {word!r}"
        elif not options[word].is_flag and not equals and rest:
            rest.pop(0)
    places = sum(99 if p.nargs < 0 else p.nargs for p in command.params if isinstance(p, click.Argument))
    return f"{arguments} arguments, it takes {places}" if arguments > places else None


def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub links to them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}


def broken_links(page: Path, text: str) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", text)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            yield target


def unknown_names(text: str) -> Iterator[str]:
    """``nbops.x.y`` in prose or code that isn't there. Files (nbops.toml, nbops.sqlite) aren't names."""
    for dotted in set(re.findall(r"(?<![\w/.@])nbops((?:\.[A-Za-z_]\w*)+)", text)):
        if dotted in (".toml", ".sqlite") or dotted.startswith(".record.v1"):
            continue
        holder: object = nbops
        for part in dotted.split(".")[1:]:
            try:
                holder = getattr(holder, part)
            except AttributeError:
                try:
                    holder = importlib.import_module(f"{getattr(holder, '__name__', '')}.{part}")
                except ImportError as error:
                    if error.name != "jupyter_scheduler":  # the one extra that has an environment of its own
                        yield f"nbops{dotted}"
                    break


def settings_keys(cls: type = Settings) -> dict[str, set[str]]:
    """{section: its keys} of nbops.toml."""
    hints = typing.get_type_hints(cls)
    found = {}
    for field in dataclasses.fields(cls):
        if dataclasses.is_dataclass(hints[field.name]):
            found[field.name] = {f.name for f in dataclasses.fields(hints[field.name])}
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_command_in_the_docs_is_one(page: Path) -> None:
    assert [(words, why) for words in commands(page.read_text()) if (why := wrong(words))] == []


def test_every_command_that_the_panel_names_is_one() -> None:
    named = {
        (file.name, words)
        for file in (ROOT / "labextension" / "src" / "views").glob("*.tsx")
        for words in re.findall(r"<Code>nbops ([^<{]*)</Code>", file.read_text())
    }
    assert len(named) > 3
    assert [(file, words, why) for file, words in named if (why := wrong(shlex.split(words)))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert list(broken_links(page, page.read_text())) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_name_of_ours_exists(page: Path) -> None:
    assert list(unknown_names(page.read_text())) == []


def test_every_command_and_public_name_is_mentioned() -> None:
    text = "\n".join(page.read_text() for page in PAGES)
    said = {words[0] for words in commands(text) if words}
    assert set(program.commands) - said == set()
    assert [n for n in nbops.__all__ if n != "__version__" and not re.search(rf"nbops\.{n}\b|`{n}`", text)] == []


def test_the_documentation_is_linked_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [p.name for p in PAGES[1:] if f"(docs/{p.name}" not in readme] == []


def test_settings_of_the_docs_exist() -> None:
    keys = settings_keys()
    text = "\n".join(page.read_text() for page in PAGES)
    named = re.findall(r"`\[(\w+)\] (\w+)", text)
    assert named
    assert [(section, key) for section, key in named if key not in keys.get(section, set())] == []


def test_environment_variables_are_those_of_the_code() -> None:
    code = "\n".join(p.read_text() for p in (ROOT / "src").rglob("*.py"))
    used = set(re.findall(r"[\"'](NBOPS_[A-Z_]+)[\"']", code))
    section = (ROOT / "docs" / "recording.md").read_text().partition("## Environment variables")[2]
    assert set(re.findall(r"NBOPS_[A-Z_]+", section)) == used


def test_magics_of_the_docs_exist() -> None:
    text = "\n".join(page.read_text() for page in PAGES)
    named = {word for words in re.findall(r"%nbops ([\w|]+)", text) for word in words.split("|")}
    known = set(re.findall(r"%nbops (\w+)", NbopsMagics.nbops.__doc__ or ""))
    assert named == known


def test_make_targets_of_the_readme_exist() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"(?:^\$ |`)make (\w+)", (ROOT / "README.md").read_text(), re.M))
    assert named
    assert named <= targets


def test_these_checks_can_fail() -> None:
    text = "`nbops runs lst`, `nbops run x.ipynb -q a=1`\n```console\n$ nbops rollback a b # no\n```\n"
    assert [wrong(words) for words in commands(text)] == [
        "no command 'lst'",
        "no option '-q'",
        "2 arguments, it takes 1",
    ]
    assert wrong(["run", "in.ipynb", "out.ipynb", "-p", "a=1", "--require-tracking"]) is None
    page = ROOT / "README.md"
    assert list(broken_links(page, "[a](docs/nothing.md) [b](docs/recording.md#nowhere) [c](docs/recording.md)")) == [
        "docs/nothing.md",
        "docs/recording.md#nowhere",
    ]
    assert list(unknown_names("`nbops.track` nbops.toml nbops.monitor.severity.overall")) == []
    for name in ("nbops.nothing", "nbops.track.nothing", "nbops.monitor.severity.nothing"):
        assert list(unknown_names(f"call {name}()")) == [name]
