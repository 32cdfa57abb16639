"""What data a cell is about to read, and what of it, and of anything else, it has written when it has ended."""

from __future__ import annotations

import dataclasses

from nbops.capture.cells import OpenCell
from nbops.capture.data import Fingerprinter, Seen
from nbops.capture.reach import MOST, Span, beneath, called, overlapping, public, reached, roots, spans
from nbops.core.runs import DataUse
from nbops.notebook.names import names

Known = dict[str, tuple[int, str]]
"""Path → (id, digest) of the data that a session's records have last seen there."""


def look_before(cell: OpenCell, budget_s: float) -> None:
    """What the cell can reach now: its inputs, and what its names hold, to tell afterwards what it has bound."""
    code = cell.start.code
    used = names(code)
    cell.write_names = tuple(sorted(used.writes))
    cell.read_names = _roots(cell)
    more = called(used.imports, used.calls, cell.namespace)
    inputs = reached(cell.read_names, cell.namespace, more=more)
    cell.read_names += tuple(more)
    bound = reached(cell.write_names, cell.namespace, through_functions=False)
    cell.ids = {path: id(value) for path, value in (bound | inputs).items()}
    prints = Fingerprinter(budget_s, {})
    cell.reads = [DataUse(name=path, fingerprint=prints.of(value)) for path, value in inputs.items()]
    cell.spans = {path: spans(value) for path, value in inputs.items()}
    cell.beneath = beneath(inputs.values(), cell.read_names, cell.namespace, code)
    cell.budget_s = prints.left_s


def _roots(cell: OpenCell) -> tuple[str, ...]:
    code = cell.start.code
    used = names(code)
    return tuple(roots(used.reads | used.mutates, used.builtins, code, cell.namespace))


def _unsure(use: DataUse) -> DataUse:
    """Of data whose fingerprint could be taken before the cell only."""
    reason = f"it may have changed: {use.fingerprint.reason}"
    return dataclasses.replace(use, fingerprint=dataclasses.replace(use.fingerprint, reason=reason))


def written(cell: OpenCell, known: Known, seen: Seen) -> list[DataUse]:
    """The data that the cell bound to a name, or changed in place; what shares memory with that is changed too, though
    the cell's text doesn't name it. `known` is brought up to date; `seen` are fingerprints taken since it ended."""
    prints = Fingerprinter(cell.budget_s, seen)
    before = {use.name: use.fingerprint for use in cell.reads}
    outputs = reached(cell.write_names, cell.namespace, through_functions=False)
    outputs |= reached(dict.fromkeys((*cell.read_names, *_roots(cell))), cell.namespace)  # some were made by text
    too_many = len([path for path in outputs if not path.isidentifier()]) >= MOST
    found: list[DataUse] = []
    changed: list[Span] = []  # certainly
    # perhaps, before it was let go:
    left = cell.beneath + [span for path in before if path not in outputs for span in cell.spans[path]]
    for path, value in outputs.items():
        rebound = cell.ids.get(path) != id(value)
        if rebound:
            left += [*cell.spans.get(path, ()), *spans(value)]
        if not rebound and path not in before:
            continue
        use = DataUse(name=path, fingerprint=prints.of(value))
        differs = path in before and use.fingerprint.digest != before[path].digest
        if differs and not rebound and use.fingerprint.digest is None:
            found.append(_unsure(use))
        elif rebound or differs:
            found.append(use)
        if differs and not rebound:
            changed += [*cell.spans[path], *spans(value)]  # sorted in place, it lies elsewhere under all its names
    if changed or left:
        others = reached(public(cell.namespace), cell.namespace)
        for path, value in others.items():
            was = known.get(path)
            seen_here = was is not None and was[0] == id(value)
            mine = spans(value) if path not in outputs else []
            if overlapping(mine, changed) or (seen_here and overlapping(mine, left)):
                use = DataUse(name=path, fingerprint=prints.of(value))
                if not seen_here or (was is not None and use.fingerprint.digest != was[1]):
                    found.append(use)
                outputs[path] = value
    if too_many:
        cell.notes.append(f"more than {MOST} tables and arrays are within the cell's reach: not all are recorded")
    for use in (*cell.reads, *found):
        held = outputs.get(use.name)
        if held is not None and use.fingerprint.digest is not None:
            known[use.name] = (id(held), use.fingerprint.digest)
    return found
