"""A call without media on one machine, each step timed."""

from __future__ import annotations

from collections.abc import Awaitable

from shared.fleet.drill_rows import Drill
from shared.fleet.drill_terms import Step
from shared.fleet.models import Vm
from shared.janus.keys import room_secret
from shared.janus.port import JanusError, JanusFactory, RoomSpec
from shared.platform import logs
from shared.platform.clock import Clock
from shared.platform.ids import Ids

SIZE = 2


class DrillCall:
    def __init__(
        self, janus: JanusFactory, janus_key: str, pool: int, ids: Ids, clock: Clock
    ) -> None:
        self._janus = janus
        self._ids = ids
        self._clock = clock
        self._room_id = ids.drill_room(pool)
        self._secret = room_secret(janus_key, self._room_id)

    async def run(self, vm: Vm, drill: Drill) -> tuple[Drill, str]:
        """The drill with the steps that it took, and why it failed; empty when it did not. The room
        is destroyed whatever comes before."""
        await self.clear(vm)  # of a run that died
        janus = self._janus(vm)
        room = RoomSpec(self._room_id, self._ids.pin(), SIZE, self._secret)
        drill, reason = await self._timed(drill, "room", janus.create_room(room))
        if not reason:
            drill, reason = await self._timed(drill, "join", janus.rehearse(room))
        destroy = janus.destroy_room(self._room_id, self._secret)
        drill, not_destroyed = await self._timed(drill, "destroy", destroy)
        return drill, reason or not_destroyed

    async def clear(self, vm: Vm) -> None:
        """Best effort: a room that stays behind dies with its machine."""
        try:
            await self._janus(vm).destroy_room(self._room_id, self._secret)
        except JanusError as error:
            logs.event("drill.room_left", vm=vm.name, reason=error.reason)

    async def _timed(self, drill: Drill, step: Step, work: Awaitable[None]) -> tuple[Drill, str]:
        began = self._clock.now()
        try:
            await work
        except JanusError as error:
            return drill, f"{step}: {error.reason}"
        return drill.timed(step, (self._clock.now() - began).total_seconds()), ""
