"""A world whose minutes pass as on the platform: the reconciler's timer, then the drill's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from shared.events.catalogue import DomainEvent
from shared.fleet.compute import Power
from shared.fleet.drill_rows import Drill
from shared.fleet.models import EPOCH, Override
from shared.fleet.store import DRILL, FleetStore, write
from tests.fakes.faults import Faults
from tests.fakes.queues import FakeQueues
from tests.fakes.tables import FakeTables
from tests.world import World

WEEK = timedelta(days=7)


class Drilling(World):
    """`faults` can kill the process at any call of storage, queues and Janus."""

    def __init__(self, **settings: Any) -> None:
        self.faults = Faults()
        over = self.faults.over
        super().__init__(over(FakeTables()), over(FakeQueues()), **settings)
        janus = self.compute.janus
        janus.update({name: over(each) for name, each in janus.items()})

    @property
    def store(self) -> FleetStore:
        return self.services.fleet_store

    async def due(self) -> None:
        """The system has been up for a week."""
        await self.services.drills.run()
        self.clock.time += WEEK

    async def minute(self) -> None:
        await self.tick()
        await self.drain()
        self.clock.advance(seconds=15)
        await self.services.drills.run()
        await self.drain()
        self.clock.advance(seconds=45)

    async def minutes(self, count: int) -> None:
        for _ in range(count):
            await self.minute()

    async def until(self, phase: str) -> None:
        for _ in range(40):
            if self.phase == phase:
                return
            await self.minute()
        raise AssertionError(f"the drill is {self.phase}, never {phase}")

    @property
    def phase(self) -> str:
        return str(self.row("Fleet", "00", DRILL)["phase"])

    @property
    def drill(self) -> Drill:
        return Drill.from_row(self.tables.rows["Fleet", "00"][DRILL])

    @property
    def reports(self) -> list[DomainEvent]:
        return [event for event in self.left if event.type == "fleet.drill"]

    @property
    def report(self) -> dict[str, Any]:
        """The only one."""
        (event,) = self.reports
        return dict(event.data)

    @property
    def on(self) -> list[str]:
        names = self.compute.janus
        return [n for n in names if self.compute.machine(n).power is not Power.DEALLOCATED]

    async def override(self, vm: str, **minutes: float) -> None:
        """An operator's; in place of whatever there is. `hold` and `exclude` in minutes."""
        fleet = await self.store.load(0)
        ends = {name: self.now + timedelta(minutes=count) for name, count in minutes.items()}
        one = Override(
            vm,
            hold_since=self.now,
            hold_until=ends.get("hold", EPOCH),
            exclude_until=ends.get("exclude", EPOCH),
            by="olga",
            reason="maintenance",
            at=self.now,
            etag=fleet.override(vm).etag,
        )
        await self.store.commit(0, [write(one)])
