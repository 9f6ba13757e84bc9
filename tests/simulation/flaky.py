"""Machines as clouds have them: slow, and what is asked of them fails in many ways."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.fleet.compute import ComputeError, Machine, Power, Progress
from tests.fakes.clock import ManualClock
from tests.fakes.compute import FakeCompute

NO_ROOM = ("allocation_failed", "sku_not_available", "quota_exceeded")

REFUSED = (*NO_ROOM, "failed", "throttled", "conflict", "auth")
"""At once."""

START_WAYS = (*REFUSED, "fails later", "slow", "stuck", "no janus", "lost")
STOP_WAYS = ("failed", "throttled", "conflict", "auth", "fails later", "slow")
LOOK_WAYS = ("silent", "follow throttled")

OFF = (Power.DEALLOCATED, Power.FAILED)


@dataclass(slots=True)
class Change:
    """What a machine will be, and when. `error`: how its operation is told to have ended."""

    at: datetime
    power: Power
    error: ComputeError | None = None
    janus: bool = True


class FlakyCompute(FakeCompute):
    """`chance` is that of each way to fail, of each operation. `failed[name]`: when it last failed
    to become ready, or was lost; `lost[name]`: when that. `stretches`: (name, since, until) in
    which it was really on."""

    def __init__(self, machines: int, capacity: int, clock: ManualClock, chance: float) -> None:
        super().__init__(machines, capacity=capacity)
        self._clock = clock
        self._random = random.Random(11)
        self._chance = chance
        self._coming: dict[str, list[Change]] = {}
        self._ended: dict[str, ComputeError | None] = {}
        self._since: dict[str, datetime] = {}
        self.failed: dict[str, datetime] = {}
        self.lost: dict[str, datetime] = {}
        self.stretches: list[tuple[str, datetime, datetime]] = []
        self._busy: dict[str, datetime] = {}
        """Until then everything is a conflict: somebody resizes the machine, say."""
        self.operations = 0
        self.failures: dict[str, int] = {}
        self.stopping: set[str] = set()
        """Machines that were asked to stop, and are not off."""

    # -- time --------------------------------------------------------------------------------------

    def settle(self) -> None:
        """What should have happened by now has."""
        for name, changes in self._coming.items():
            while changes and changes[0].at <= self._clock.now():
                self._happen(name, changes.pop(0))

    def _happen(self, name: str, change: Change) -> None:
        power = self.machine(name).power
        if change.power is Power.FAILED and power is not Power.RUNNING:
            return  # it can't be lost any more
        if change.power is Power.FAILED:
            self.lost[name] = change.at
        if change.error or change.power is Power.FAILED:
            self.failed[name] = change.at
        self._ended[name] = change.error
        self._turn(name, change.power, change.at, "evicted" if change.power in OFF else "")
        if change.power is Power.RUNNING:
            self.janus[name].down = not change.janus

    def _turn(self, name: str, power: Power, at: datetime, reason: str = "") -> None:
        on = power not in OFF
        if on and name not in self._since:
            self._since[name] = at
        if not on and name in self._since:
            self.stretches.append((name, self._since.pop(name), at))
            self.stopping.discard(name)
        self.set_power(name, power, reason if power is Power.FAILED else "")

    def _later(self, name: str, *changes: Change) -> None:
        self._coming[name] = list(changes)

    def _in(self, low: float, high: float) -> datetime:
        """Seconds from now."""
        return self._clock.now() + timedelta(seconds=self._random.uniform(low, high))

    # -- the port ----------------------------------------------------------------------------------

    async def start(self, name: str) -> str:
        self.settle()
        self.calls.append(("start", name))
        if self.machine(name).power not in OFF:
            return ""
        way = self._way(name, START_WAYS)
        self._refuse(name, way)
        self._turn(name, Power.STARTING, self._clock.now())
        return self._boot(name, way)

    async def restart(self, name: str) -> str:
        self.settle()
        self.calls.append(("restart", name))
        way = self._way(name, START_WAYS)
        self._refuse(name, way)
        self._turn(name, Power.STARTING, self._clock.now())
        return self._boot(name, way)

    def _boot(self, name: str, way: str) -> str:
        """The machine runs before its Janus answers."""
        runs = self._in(50, 120)
        ready = runs + timedelta(seconds=self._random.uniform(10, 60))
        changes = [Change(runs, Power.RUNNING, janus=False), Change(ready, Power.RUNNING)]
        if way == "no janus":
            self.failed[name] = runs
            changes.pop()
        if way == "slow":
            changes = [Change(self._in(500, 800), Power.RUNNING)]
        if way == "stuck":
            changes = [Change(self._in(4000, 6000), Power.RUNNING)]
        if way == "fails later":
            error = ComputeError("allocation_failed", "no capacity after all")
            changes = [Change(ready, Power.DEALLOCATED, error)]
        if way == "lost":
            gone = ready + timedelta(minutes=self._random.uniform(5, 120))
            changes.append(Change(gone, Power.FAILED))
        self._later(name, *changes)
        return f"start {name}"

    async def deallocate(self, name: str) -> str:
        self.settle()
        self.calls.append(("deallocate", name))
        if self.machine(name).power in OFF or self.machine(name).power is Power.DEALLOCATING:
            return ""
        self.stopping.add(name)
        way = self._way(name, STOP_WAYS)
        if way in REFUSED:
            raise ComputeError(way, f"{way}: injected", _wait(way))
        self._turn(name, Power.DEALLOCATING, self._clock.now())
        change = Change(self._in(30, 60), Power.DEALLOCATED)
        if way == "slow":
            change = Change(self._in(300, 500), Power.DEALLOCATED)
        if way == "fails later":
            change = Change(self._in(30, 60), Power.RUNNING, ComputeError("failed", "internal"))
        self._later(name, change)
        return f"deallocate {name}"

    async def machines(self, look: Collection[str] | None = None) -> list[Machine]:
        self._perhaps("silent", self._chance / 5)
        return await super().machines(look)

    async def follow(self, operation: str) -> Progress:
        self.settle()
        _, _, name = operation.partition(" ")
        self._perhaps("follow throttled", self._chance)
        if self.machine(name).power in (Power.STARTING, Power.DEALLOCATING):
            return "running"
        if error := self._ended.pop(name, None):
            raise error
        return "done"

    def _perhaps(self, what: str, chance: float) -> None:
        if self._random.random() < chance:
            self.failures[what] = self.failures.get(what, 0) + 1
            raise ComputeError("throttled", f"{what}: injected")

    def _way(self, name: str, ways: tuple[str, ...]) -> str:
        self.operations += 1
        draw = self._random.random()
        way = ways[int(draw / self._chance)] if draw < self._chance * len(ways) else ""
        if self._clock.now() < self._busy.get(name, self._clock.now()):
            way = "conflict"
        elif way == "conflict" and self._random.random() < 0.3:
            self._busy[name] = self._in(600, 1800)
        if way:
            self.failures[way] = self.failures.get(way, 0) + 1
        if way and ways is START_WAYS:
            self.failed[name] = self._clock.now()
        return way

    def _refuse(self, name: str, way: str) -> None:
        if way in REFUSED:
            self.failed[name] = self._clock.now()
            raise ComputeError(way, f"{way}: injected", _wait(way))


def _wait(way: str) -> timedelta | None:
    return timedelta(seconds=90) if way == "throttled" else None
