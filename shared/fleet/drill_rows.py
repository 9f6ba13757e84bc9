"""The drill's one row in the pool's partition: the one under way, and what came of others."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from shared.fleet.drill_terms import Outcome, Phase, Step
from shared.fleet.models import EPOCH
from shared.platform.clock import iso, parse
from shared.platform.tables import Row, Value

MOST_RESULTS = 10
MOST_REASON = 300
"""Characters: with so many each, the results fit the property of a row several times over."""


@dataclass(frozen=True, slots=True)
class Drilled:
    """A drill that is over, as it was reported. `steps` in seconds; `change` how much longer each
    took than when the machine was drilled before (negative: less)."""

    vm: str
    began: datetime
    ended: datetime
    by: str
    result: Outcome
    reason: str = ""
    steps: Mapping[str, float] = field(default_factory=dict)
    change: Mapping[str, float] = field(default_factory=dict)

    def dump(self) -> dict[str, Any]:
        return {
            "vm": self.vm,
            "began": iso(self.began),
            "ended": iso(self.ended),
            "by": self.by,
            "result": self.result,
            "reason": self.reason,
            "steps": dict(self.steps),
            "change": dict(self.change),
        }

    @classmethod
    def load(cls, data: Mapping[str, Any]) -> Drilled:
        times = {name: parse(data[name]) for name in ("began", "ended")}
        return cls(**{**data, **times})


@dataclass(frozen=True, slots=True)
class Drill:
    """`since` when it is in this phase; `vm`, `began` and the following are of the one under way.

    `reason` says why it has failed; empty while all is well. `results`: the newest first.
    `machines`: how long each step took when the machine was drilled last.
    """

    since: datetime
    phase: Phase = Phase.RESTING
    vm: str = ""
    began: datetime = EPOCH
    by: str = ""
    reason: str = ""
    steps: Mapping[str, float] = field(default_factory=dict)
    results: Sequence[Drilled] = ()
    machines: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    etag: str = ""

    @property
    def under_way(self) -> bool:
        return self.phase is not Phase.RESTING

    def timed(self, step: Step, seconds: float) -> Drill:
        return replace(self, steps={**self.steps, step: round(max(seconds, 0.0), 3)})

    def started(self, now: datetime, vm: str, by: str, existing: Collection[str]) -> Drill:
        """`existing` are the pool's machines: what is known of others is forgotten."""
        return replace(
            self,
            since=now,
            phase=Phase.STARTING,
            vm=vm,
            began=now,
            by=by,
            reason="",
            steps={},
            machines={name: took for name, took in self.machines.items() if name in existing},
        )

    def ended(self, now: datetime, result: Outcome, reason: str) -> Drill:
        """What remains of it is the first of the results. One that was broken off counts for
        nothing else: the machine has not been drilled."""
        old = self.machines.get(self.vm, {})
        change = {s: round(took - old[s], 3) for s, took in self.steps.items() if s in old}
        reason = reason[:MOST_REASON]
        over = Drilled(self.vm, self.began, now, self.by, result, reason, self.steps, change)
        proven = {} if result == "broken_off" else {self.vm: self.steps}
        return Drill(
            now,
            results=[over, *self.results][:MOST_RESULTS],
            machines={**self.machines, **proven},
            etag=self.etag,
        )

    def to_row(self) -> dict[str, Value]:
        machines = {name: dict(took) for name, took in self.machines.items()}
        return {
            "since": iso(self.since),
            "phase": self.phase.value,
            "vm": self.vm,
            "began": iso(self.began),
            "by": self.by,
            "reason": self.reason,
            "steps": json.dumps(dict(self.steps)),
            "results": json.dumps([one.dump() for one in self.results], ensure_ascii=False),
            "machines": json.dumps(machines, ensure_ascii=False),
        }

    @classmethod
    def from_row(cls, row: Row) -> Drill:
        data: Mapping[str, Any] = row.data
        return cls(
            since=parse(data["since"]),
            phase=Phase(data["phase"]),
            vm=data["vm"],
            began=parse(data["began"]),
            by=data["by"],
            reason=data["reason"],
            steps=json.loads(data["steps"]),
            results=[Drilled.load(one) for one in json.loads(data["results"])],
            machines=json.loads(data["machines"]),
            etag=row.etag,
        )
