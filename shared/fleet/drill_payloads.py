"""What operators are shown of drills."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from shared.fleet.drill_terms import Outcome, Phase, Step
from shared.platform.payload import Payload, Utc

if TYPE_CHECKING:
    from shared.fleet.drill_rows import Drill, Drilled


class DrillCreate(Payload):
    """Without `vm` it is the machine whose turn it is."""

    vm: Annotated[str, Field(min_length=1, max_length=100)] | None = None


class DrillView(Payload):
    """While it is under way it has a `phase`, and then a `result`. `steps` in seconds; `change` how
    much longer each took than in the machine's drill before (negative: less)."""

    vm: str
    by: str
    started_at: Utc
    ended_at: Utc | None = None
    phase: Phase | None = None
    result: Outcome | None = None
    reason: str
    steps: dict[Step, float]
    change: dict[Step, float]


def under_way(drill: Drill) -> DrillView:
    return DrillView(
        vm=drill.vm,
        by=drill.by,
        started_at=drill.began,
        phase=drill.phase,
        reason=drill.reason,
        steps=dict(drill.steps),
        change={},
    )


def over(drilled: Drilled) -> DrillView:
    return DrillView(
        vm=drilled.vm,
        by=drilled.by,
        started_at=drilled.began,
        ended_at=drilled.ended,
        result=drilled.result,
        reason=drilled.reason,
        steps=dict(drilled.steps),
        change=dict(drilled.change),
    )
