"""The steps of a drill that is under way: each is a transaction, and the row says what is next."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.events.catalogue import Audit, EventType
from shared.fleet.drill_book import BY, DrillBook, released
from shared.fleet.drill_call import DrillCall
from shared.fleet.drill_rows import Drill
from shared.fleet.drill_terms import Outcome, Phase
from shared.fleet.idle import Idle
from shared.fleet.models import Fleet, Vm, VmState
from shared.platform import logs
from shared.platform.clock import Clock
from shared.platform.i18n import Message

if TYPE_CHECKING:
    from shared.platform.settings import Settings

LIMIT = timedelta(minutes=30)
"""The machine is asked for no longer than this, whatever happens."""

READY_WITHIN = timedelta(minutes=15)
STOPPED_WITHIN = timedelta(minutes=15)

REHEARSED_WITHIN = timedelta(minutes=1)
"""A rehearsal takes 11 s at most; whose has taken longer has died."""

BY_HAND = Message(
    "um operador decidiu sobre uma máquina", "an operator has decided about a machine"
)
OVERDUE = Message("o tempo acabou", "its time ran out")
HANDED_OVER = Message("a máquina ficou com outra tarefa", "the machine was handed over")


class DrillSteps:
    """`wake` asks for a pass of the reconciler. Every method may raise `StorageUnavailable`, and
    `Conflict` when another run was faster."""

    def __init__(
        self,
        book: DrillBook,
        idle: Idle,
        call: DrillCall,
        wake: Callable[[], Awaitable[None]],
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._book = book
        self._idle = idle
        self._call = call
        self._wake = wake
        self._settings = settings
        self._clock = clock

    async def step(self, fleet: Fleet, drill: Drill) -> None:
        if drill.phase is Phase.STOPPING:
            await self._see_off(fleet, drill)
        elif await self.breaks_off(fleet, drill):
            return
        elif drill.phase is Phase.STARTING:
            await self._await_ready(fleet, drill)
        elif self._clock.now() - drill.since >= REHEARSED_WITHIN:
            await self._rehearse(drill)

    async def breaks_off(self, fleet: Fleet, drill: Drill) -> bool:
        """Hands the machine over at once, should it have to."""
        obstacle = await self._obstacle(fleet, drill)
        if not obstacle:
            return False
        vm = fleet.vms.get(drill.vm)
        if vm and vm.serving and drill.phase is Phase.REHEARSING:
            await self._call.clear(vm)
        await self._end(fleet, drill, "broken_off", obstacle.en)
        await self._wake()
        return True

    async def _obstacle(self, fleet: Fleet, drill: Drill) -> Message | None:
        override, now = fleet.override(drill.vm), self._clock.now()
        if now >= drill.began + LIMIT:
            return OVERDUE
        if override.by != BY:
            return BY_HAND
        return await self._idle.needed(fleet, drill.began + LIMIT)

    async def _await_ready(self, fleet: Fleet, drill: Drill) -> None:
        vm, now = fleet.vms.get(drill.vm) or Vm(drill.vm), self._clock.now()
        asked = max(vm.on_since, drill.began)
        if vm.on:
            drill = drill.timed("start", (asked - drill.began).total_seconds())
        if vm.serving:
            await self._rehearse(drill.timed("ready", (vm.since - asked).total_seconds()))
        elif vm.state is VmState.FAILED:
            await self._let_go(fleet, drill, f"start: {vm.reason}")
        elif now - drill.began >= READY_WITHIN:
            minutes = READY_WITHIN // timedelta(minutes=1)
            await self._let_go(fleet, drill, f"ready: still {vm.state} after {minutes} min")

    async def _rehearse(self, drill: Drill) -> None:
        """Whoever stores first that it rehearses does: two at a time would disturb each other."""
        mine = replace(drill, phase=Phase.REHEARSING, since=self._clock.now())
        await self._book.commit(mine)
        fleet, drill_now = await self._book.load()
        if drill_now is None or (drill_now.phase, drill_now.since) != (mine.phase, mine.since):
            return
        vm = fleet.vms.get(drill.vm) or Vm(drill.vm)
        rehearsed, reason = await self._call.run(vm, drill_now)
        await self._let_go(fleet, rehearsed, reason)

    async def _let_go(self, fleet: Fleet, drill: Drill, reason: str) -> None:
        """Asks for the machine no longer. `reason`: why the drill has failed, or empty."""
        logs.event("drill.rehearsed", vm=drill.vm, reason=reason)
        stopping = replace(drill, phase=Phase.STOPPING, since=self._clock.now(), reason=reason)
        await self._book.commit(stopping, released(fleet, drill))
        await self._wake()

    async def _see_off(self, fleet: Fleet, drill: Drill) -> None:
        vm, now = fleet.vms.get(drill.vm) or Vm(drill.vm), self._clock.now()
        result: Outcome = "failed" if drill.reason else "ok"
        if vm.state is VmState.DEALLOCATED:
            if "start" in drill.steps:
                drill = drill.timed("deallocate", (vm.since - drill.since).total_seconds())
            await self._end(fleet, drill, result, drill.reason)
        elif await self._wanted(fleet, drill, now):
            result = "failed" if drill.reason else "broken_off"
            await self._end(fleet, drill, result, drill.reason or HANDED_OVER.en)
        elif now - drill.since >= STOPPED_WITHIN:
            minutes = STOPPED_WITHIN // timedelta(minutes=1)
            reason = drill.reason or f"deallocate: still {vm.state} after {minutes} min"
            await self._end(fleet, drill, "failed", reason)

    async def _wanted(self, fleet: Fleet, drill: Drill, now: datetime) -> bool:
        """Whether the machine stays on for others' sake."""
        if fleet.override(drill.vm).held(now):
            return True
        return bool(await self._idle.needed(fleet, now + self._settings.vm_bridge))

    async def _end(self, fleet: Fleet, drill: Drill, result: Outcome, reason: str) -> None:
        over = drill.ended(self._clock.now(), result, reason)
        told = over.results[0].dump()
        told |= {"started_at": told.pop("began"), "ended_at": told.pop("ended")}
        audit = Audit(BY, "drill.end")
        severity = "error" if result == "failed" else "info"
        event = self._book.event(EventType.FLEET_DRILL, drill.vm, told, audit, severity)
        await self._book.commit(over, released(fleet, drill), [event])
