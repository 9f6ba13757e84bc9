"""A world whose reconciler can die at any call, and a book of what really happened in it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from shared.bookings.claims import Claim
from shared.bootstrap import Ports, Services
from shared.fleet.ledger import Carriage
from shared.fleet.models import EPOCH, Fleet, Override
from shared.fleet.store import write
from shared.platform.queues import OUTBOX
from tests.fakes.compute import FakeCompute
from tests.fakes.faults import Call, Faults, Killed, When, none
from tests.unit.fleet.watched import Times, WatchedCompute, WatchedTables
from tests.world import World

SOON = 3
"""Seconds from one tick of a story to the next, as wake-ups bring them."""

LATE = timedelta(seconds=2 * SOON)
"""What the ledger may be late at each end of a stretch: a tick died."""


@dataclass(frozen=True, slots=True)
class Death:
    """In which tick of the story, before or after which of its calls."""

    tick: int
    nth: int
    when: When


@dataclass(slots=True)
class Process:
    """One that runs the reconciler; `after`: how many turns of the loop later it begins."""

    services: Services
    faults: Faults
    after: int = 0


class Crashing(World):
    """`death` says where the first process dies; a new one takes its place. `twin`: another process
    does the same all the time, begun so many turns of the loop after the first."""

    compute: WatchedCompute

    def __init__(self, death: Death | None = None, twin: int | None = None, **more: Any) -> None:
        super().__init__(WatchedTables(), **{"cancel_notice": timedelta(0), **more})
        self.death = death
        self.twins = twin is not None
        self.calls: list[list[Call]] = []
        """Those of each tick."""
        self.ticked: list[datetime] = []
        self.processes = [self._process()]
        if twin is not None:
            self.processes.append(self._process(after=twin))

    def make_compute(self) -> FakeCompute:
        settings = self.settings
        return WatchedCompute(settings.local_vms, settings.vm_capacity, self.clock)

    def _process(self, after: int = 0) -> Process:
        faults = Faults()
        over, ports = faults.over, self.services.ports
        janus = {name: over(each) for name, each in self.compute.janus.items()}
        mine: Ports = replace(
            ports,
            tables=over(self.tables),
            queues=over(self.queues),
            compute=over(self.compute),
            janus=lambda endpoint: janus[endpoint.name],
        )
        return Process(Services(self.settings, mine), faults, after)

    # -- time --------------------------------------------------------------------------------------

    def minute(self, minute: float) -> None:
        """Of the story, at the earliest. Nothing runs until then."""
        self.clock.time = max(self.now, BEGIN + timedelta(minutes=minute))

    async def ticks(self, count: int) -> None:
        """Each may be where the process dies."""
        for _ in range(count):
            await self._tick()
            self.clock.advance(seconds=SOON)

    async def _tick(self) -> None:
        first = self.processes[0]
        number = len(self.calls)
        death = self.death
        dies = death is not None and death.tick == number
        first.faults.set(none)
        if death and dies:
            first.faults.kill(death.nth, death.when)
        ends = await asyncio.gather(*map(self._run, self.processes), return_exceptions=True)
        for end in ends:
            if end and not isinstance(end, Killed):
                raise end
        self.calls.append(first.faults.calls)
        self.ticked.append(self.now)
        if dies:
            # A call that raises is never over.
            assert first.faults.fired or self.twins or (death and death.when == "after")
            for _ in range(30):  # what it has left running ends
                await asyncio.sleep(0)
            self.processes[0] = self._process()

    async def _run(self, process: Process) -> None:
        for _ in range(process.after):
            await asyncio.sleep(0)
        await process.services.tick()

    async def quiet(self) -> None:
        """Until nothing is on its way; nobody dies any more."""
        for _ in range(20):
            report = await self.services.reconciler.run()
            self.clock.advance(seconds=SOON)
            if not report.restless:
                return
        raise AssertionError("it never comes to rest")

    # -- deeds -------------------------------------------------------------------------------------

    async def decide(self, name: str, *, hold: float = 0, exclude: float = 0) -> None:
        """In minutes from now."""
        now = self.now
        override = Override(
            name,
            hold_since=now if hold else EPOCH,
            hold_until=now + timedelta(minutes=hold) if hold else EPOCH,
            exclude_until=now + timedelta(minutes=exclude) if exclude else EPOCH,
            by="olga",
            reason="maintenance",
            at=now,
        )
        await self.services.fleet_store.commit(0, [write(override)])

    # -- what must hold ----------------------------------------------------------------------------

    async def check(self) -> None:
        """Every live booking is on one machine, which is ready and has its room; and no Janus that
        runs has a room that no booking needs there."""
        await self.quiet()
        fleet = await self.services.fleet_store.load(0)
        for claim in await self._live():
            self._served(claim, fleet)
        for name, janus in self.compute.janus.items():
            needed = {placement.room_id for placement in fleet.on(name)}
            assert janus.down or janus.room_specs.keys() <= needed, f"a room is left on {name}"

    async def _live(self) -> list[Claim]:
        lead, now = self.settings.vm_lead, self.now
        claims = await self.services.bookings.claims(0, now - timedelta(hours=25), now + lead)
        return [c for c in claims if c.start - lead <= now < c.end and not c.ended]

    def _served(self, claim: Claim, fleet: Fleet) -> None:
        placement = fleet.placements[claim.booking_id]
        assert (placement.start, placement.end) == (claim.start, claim.end)
        assert fleet.vms[placement.vm].serving
        assert placement.made
        holding = [n for n, j in self.compute.janus.items() if claim.room_id in j.room_specs]
        assert [n for n in holding if n in self.compute.on] == [placement.vm]

    async def over(self, minute: float) -> None:
        """By then everything is off, told and written down."""
        for later in (0, 40):  # a failure is over when nothing has failed for half an hour
            self.minute(minute + later)
            await self.quiet()
        fleet = await self.services.fleet_store.load(0)
        assert not self.compute.on
        assert not fleet.placements
        assert not fleet.overrides
        assert not fleet.incidents
        assert not [vm for vm in fleet.vms.values() if vm.on or vm.operation or vm.stop_failed]
        await self._check_stretches()
        await self._check_carriages()
        for name in self.compute.janus:
            ends = self._ends(name)
            assert len(ends) == len(self.compute.truth.get(name, [])), (name, ends)
        pointers = {body["event"] for body in self.queues.take(OUTBOX)}
        assert {event["id"] for event in self.events()} <= pointers, "somebody will carry each"

    async def _check_stretches(self) -> None:
        found = await self.services.fleet_store.stretches(0, EPOCH, self.now)
        for name in self.compute.janus:
            own = sorted((one.start, one.end) for one in found if one.vm == name)
            assert all(one[1] <= other[0] for one, other in pairwise(own)), "overlap"
            told, true = _joined(own), _joined(self.compute.truth.get(name, []))
            assert len(told) == len(true), f"{name} was on {true}, and is billed {told}"
            for (start, end), (since, until) in zip(told, true, strict=True):
                # Whoever dies before they ask for a start has written it down already.
                early = max((t for t in self.ticked if t < since), default=since)
                assert early <= start <= since + LATE, (name, start, since)
                assert until <= end <= until + LATE, (name, end, until)

    def _ends(self, name: str) -> list[str]:
        """What was told when it went off: once each time."""
        told = [event for event in self.events() if event["subject"] == f"vm/{name}"]
        return [e["type"] for e in told if e["type"] in ("vm.deallocated", "vm.lost")]

    async def _check_carriages(self) -> None:
        found = await self.services.fleet_store.carriages(0, EPOCH, self.now + timedelta(days=1))
        assert Counter((one.booking_id, one.vm) for one in found) == self.tables.stays
        by_booking: dict[int, list[Carriage]] = {}
        for one in found:
            by_booking.setdefault(one.booking_id, []).append(one)
        for own in by_booking.values():
            assert all(one.end <= other.start for one, other in pairwise(own)), "overlap"

    def told(self) -> Counter[str]:
        """How often it was told what happened to machines. To which does not matter: after a death
        another one may have been taken."""
        kinds = ("vm.started", "vm.deallocated", "vm.lost")
        return Counter(event["type"] for event in self.events() if event["type"] in kinds)

    def incidents(self, *, over: bool) -> Counter[tuple[str, str]]:
        """How often each was opened, or was over: (kind, subject)."""
        return Counter(
            (e["data"]["kind"], e["subject"])
            for e in self.events()
            if "kind" in e["data"] and (e["type"] == "fleet.recovered") is over
        )


def _joined(times: Sequence[Times]) -> list[Times]:
    """Without breaks as short as a late tick, and without stretches as short."""
    joined: list[Times] = []
    for start, end in times:
        if joined and start - joined[-1][1] <= LATE:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return [(start, end) for start, end in joined if end - start > LATE]


BEGIN = World().now
