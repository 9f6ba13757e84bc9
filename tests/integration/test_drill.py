"""A whole drill with a real Janus: the reconciler starts and ends it, and its events come back."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer

from shared.bootstrap import Ports, Services
from shared.events.catalogue import DomainEvent
from shared.fleet.compute import Power
from shared.fleet.models import VmState
from shared.janus.port import JanusFactory
from shared.platform.auth import Caller
from shared.platform.ids import Ids
from shared.platform.queues import FLEET_WAKE, JANUS_EVENTS, OUTBOX
from tests.conftest import Figures
from tests.fakes.messenger import FakeMessenger
from tests.fakes.queues import FakeQueues
from tests.fakes.tables import FakeTables
from tests.janus import LocalVms

OLGA = Caller("olga", "acme", frozenset({"operator"}))
STEPS = ["start", "ready", "room", "join", "destroy", "deallocate"]
PATIENCE = 15.0


class System:
    """All services on real machines; storage and queues are in memory. `heard` are the events of
    Janus that were handled."""

    def __init__(self, vms: LocalVms) -> None:
        self.queues = FakeQueues()
        janus: JanusFactory = vms.janus  # type: ignore[assignment]
        ports = Ports(
            tables=FakeTables(),
            queues=self.queues,
            compute=vms.compute,
            janus=janus,
            messenger=FakeMessenger(),
            clock=vms.clock,
            random=random.Random(7),
        )
        self.services = Services(vms.settings, ports)
        self.left: list[DomainEvent] = []
        self.heard: list[dict[str, Any]] = []
        self.services.relay.subscribers.append(self._saw)

    async def _saw(self, event: DomainEvent) -> None:
        self.left.append(event)

    async def pass_on(self) -> None:
        """What the timers and the queues bring, at once."""
        await self.services.tick()
        await self.services.drills.run()
        waiting, self.queues.messages = self.queues.messages, []
        for queue, body, _ in waiting:
            if queue == OUTBOX:
                await self.services.relay.handle(body)
            elif queue == JANUS_EVENTS:
                self.heard += body["events"]
                await self.services.calls.handle(body)

    async def woken_by_janus(self) -> list[str]:
        """The queues that the handling of all these events has put something into."""
        self.queues.messages.clear()
        await self.services.calls.handle({"events": self.heard})
        return [queue for queue, _, _ in self.queues.messages]


async def test_a_drill_on_a_real_machine(figures: Figures) -> None:
    systems: list[System] = []

    async def receive(request: web.Request) -> web.Response:
        authorization = request.headers.get("Authorization")
        await systems[0].services.janus_events.take(authorization, await request.read())
        return web.Response()

    app = web.Application()
    app.router.add_post("/janus/events", receive)
    async with TestServer(app) as server, LocalVms(public_url=_origin(server)) as vms:
        systems.append(system := System(vms))
        await system.services.drills.start(OLGA, "")
        deadline = time.monotonic() + PATIENCE
        while (await system.services.drills.recent(OLGA))[0] or len(system.heard) < 2:
            assert time.monotonic() < deadline, "the drill does not come to its end"
            await system.pass_on()
            await asyncio.sleep(0.02)
        await system.pass_on()
        powers = {machine.power for machine in await vms.compute.machines()}
        fleet = await system.services.fleet_store.load(vms.settings.pool)
    (report,) = [event for event in system.left if event.type == "fleet.drill"]
    figures(f"drill of {report.data['vm']}, seconds: {report.data['steps']}")
    assert (report.data["result"], report.data["reason"]) == ("ok", "")
    assert list(report.data["steps"]) == STEPS
    assert sum(report.data["steps"].values()) < PATIENCE
    assert powers == {Power.DEALLOCATED}
    assert fleet.vms["janus-0"].state is VmState.DEALLOCATED
    assert not fleet.overrides
    assert {(e["type"], e["room"]) for e in system.heard} == {
        ("joined", Ids.drill_room(0)),
        ("left", Ids.drill_room(0)),
    }
    assert FLEET_WAKE not in await system.woken_by_janus()


def _origin(server: BaseTestServer) -> str:
    return str(server.make_url("")).rstrip("/")
