"""What a pipeline would do, and why; nothing is executed or recorded."""

from __future__ import annotations

import dataclasses
from typing import Any

from nbops.core.runs import Run
from nbops.pipeline.given import Given
from nbops.pipeline.plan import Planned, unfolded
from nbops.pipeline.state import LEFT, State


def would(state: State) -> Run:
    """The pipeline's run as it is not in the store: ``detail["steps"]`` says of each step its `verdict` ("run",
    "stale": it must run again, "cached", "skipped", "left") and `why`."""
    open_: set[str] = set()
    for step, planned in state.plan.steps.items():
        if planned.left:
            state.given[step] = state.as_last_time(step, planned)
            state.steps[step] = {"status": "not run", "verdict": "left", "why": LEFT}
            continue
        earlier = [s for s in state.plan.graph.earlier(step) if s in open_]
        found = {"status": "would run", "verdict": "run", "why": state.forced}
        if earlier and not state.forced:
            found["why"] = f"unless {earlier[-1]!r} makes what it made before"
        elif not state.forced:
            found = _would(state, step, planned)
        if found["status"] == "would run":
            open_.add(step)
        state.steps[step] = found
        state.tell(step, found["status"], why=found["why"])
    return dataclasses.replace(state.run, detail={"steps": state.steps})


def _would(state: State, step: str, planned: Planned) -> dict[str, Any]:
    before = state.given_to(step)
    why = state.spoken_against(step, planned, before)
    instances = [] if why else unfolded(state.ws, step, planned, before.lists(state.ws, planned.spec))
    if not instances:
        why = why or "its foreach goes over nothing"
        return {"status": "would be skipped", "verdict": "skipped", "skipped": True, "why": why}
    verdicts = [state.verdict(one, before) for one in instances]
    hits = [verdict.hit for verdict in verdicts if verdict.hit is not None]
    if len(hits) == len(verdicts):
        state.given[step] = Given.of(state.ws.store, hits, many=bool(planned.spec.foreach))
        return {"status": "would be cached", "verdict": "cached", "why": verdicts[0].why}
    first = next(verdict for verdict in verdicts if verdict.hit is None)
    some = f"{len(verdicts) - len(hits)} of {len(verdicts)}: " if planned.spec.foreach else ""
    return {"status": "would run", "verdict": first.state, "why": some + first.why}
