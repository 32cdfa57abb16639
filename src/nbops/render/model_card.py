"""A model card as Markdown (Mitchell et al. 2019, "Model Cards for Model Reporting"), from recorded facts alone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from nbops.render.card import number, value


def card_markdown(facts: Mapping[str, Any]) -> str:
    """The card. What only people know (intended use, ethical considerations) is a heading to be filled in."""
    signature = facts["signature"]
    made = facts["created_at"]
    when = f"{made:%Y-%m-%d %H:%M} UTC" if isinstance(made, datetime) else str(made)
    lines = [
        f"# {facts['name']} version {facts['number']}",
        "",
        f"`{facts['type']}`, a {signature.task} model, registered {when} by {facts['created_by']}.",
        "",
        *_list("Details", _details(facts)),
        *_list("Takes", [f"`{f.name}`: {f.type}{'' if f.nullable else ', never missing'}" for f in signature.inputs]),
        *_list("Gives", [f"`{signature.output.name}`: {signature.output.type}", *_classes(signature.classes)]),
        *_list("Parameters", [f"`{k}` = {value(v)}" for k, v in facts["params"].items()]),
        *_list("Measured", [f"{k}: {number(float(v))}" for k, v in facts["metrics"].items()] + _judged(facts)),
        *_list("Gates", [f"{g.gate}: {g.outcome}. Asked: {g.asked}. Seen: {g.seen}" for g in facts["gates"]]),
        *_list("Libraries at training", [f"{k} {v}" for k, v in facts["libraries"].items()]),
        *_list("Limits", _limits(facts)),
        "## Intended use",
        "",
        "_Not recorded: write here what the model is for, and what it is not for._",
    ]
    return "\n".join(lines) + "\n"


def _list(title: str, entries: list[str]) -> list[str]:
    return [f"## {title}", "", *(f"- {entry}" for entry in entries or ["nothing is recorded"]), ""]


def _details(facts: Mapping[str, Any]) -> list[str]:
    known = [
        ("run", facts["run"]),
        ("notebook", facts["notebook"]),
        ("commit", facts["commit"]),
        ("file", f"{facts['artifact']} ({facts['format']})"),
        ("aliases", ", ".join(facts["aliases"])),
        ("deployments of the model", ", ".join(facts["deployments"])),
        ("training data", facts["trained_on"]),
    ]
    return [f"{label}: {said}" for label, said in known if said]


def _classes(classes: tuple[Any, ...]) -> list[str]:
    return [f"classes: {', '.join(map(str, classes[:20]))}{' …' if len(classes) > 20 else ''}"] if classes else []


def _judged(facts: Mapping[str, Any]) -> list[str]:
    return ["measured on the model this one is the refit of, on rows that one hadn't seen"] if facts["refit"] else []


def _limits(facts: Mapping[str, Any]) -> list[str]:
    said = [f"{g.gate} was not checked: {g.why or g.seen}" for g in facts["gates"] if g.outcome == "not checked"]
    if not facts["metrics"]:
        said.append("no evaluation rows were kept: its quality is not known here")
    if facts["allowed_types"]:
        said.append(
            f"types allowed by {facts['allowed_by']}: {', '.join(facts['allowed_types'])} ({facts['allowed_why']})"
        )
    return said or ["none that was recorded"]
