"""The whole system on fakes: all services, a clock that stands still, queues to drain."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from pydantic import SecretStr

from shared.bookings.making import Booked
from shared.bookings.payloads import BookingCreate, BookingExtend, BookingPatch, SeriesCreate
from shared.bookings.rows import Stored
from shared.bookings.series import Repeated
from shared.bootstrap import Ports, Services
from shared.calls.models import InviteJoinRequest, JoinRequest, Ticket
from shared.events.catalogue import DomainEvent
from shared.platform.auth import Caller
from shared.platform.clock import iso
from shared.platform.queues import FLEET_WAKE, JANUS_EVENTS, OUTBOX
from shared.platform.settings import Settings
from tests.fakes.clock import ManualClock
from tests.fakes.compute import FakeCompute
from tests.fakes.janus import FakeJanus
from tests.fakes.messenger import FakeMessenger
from tests.fakes.queues import FakeQueues
from tests.fakes.tables import FakeTables

ALICE = Caller("alice", "acme", frozenset({"user"}), name="Alice")
BOB = Caller("bob", "acme", frozenset({"user"}))
ADMIN = Caller("root", "acme", frozenset({"admin"}))
EVE = Caller("eve", "evil", frozenset({"user", "admin"}))

ALICE_AT, GUEST_AT = "10.0.0.1:5001", "10.0.0.2:5002"
"""The addresses that they join from."""


def make_settings(**changes: Any) -> Settings:
    values: dict[str, Any] = {
        "mode": "local",
        "public_url": "http://localhost:7071",
        "AzureWebJobsStorage": SecretStr("UseDevelopmentStorage=true"),
        "encryption_keys": SecretStr("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="),
        "link_key": SecretStr("l" * 32),
        "janus_key": SecretStr("j" * 32),
        "jwt_secret": SecretStr("s" * 32),
        "jwt_issuer": "suroga-local",
        "jwt_audience": "suroga",
    }
    return Settings(**(values | changes))


class World:
    def __init__(self, tables: Any = None, queues: Any = None, **settings: Any) -> None:
        self.clock = ManualClock()
        self.tables: Any = tables or FakeTables()
        self.queues: Any = queues or FakeQueues()
        self.settings = make_settings(**settings)
        self.compute = self.make_compute()
        self.messenger = FakeMessenger()
        ports = Ports(
            tables=self.tables,
            queues=self.queues,
            compute=self.compute,
            janus=self.compute.janus_of,
            messenger=self.messenger,
            clock=self.clock,
            random=random.Random(7),
        )
        self.services = Services(self.settings, ports)
        self.left: list[DomainEvent] = []
        self.services.relay.subscribers.append(self._saw)

    def make_compute(self) -> FakeCompute:
        """The machines; a world of another kind has others."""
        return FakeCompute(self.settings.local_vms, capacity=self.settings.vm_capacity)

    async def _saw(self, event: DomainEvent) -> None:
        """`left` holds the events that have left the outbox."""
        self.left.append(event)

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def request(
        self, start: float = 0, minutes: float = 60, room: int | None = None
    ) -> BookingCreate:
        """`start` in minutes from now."""
        begin = self.now + timedelta(minutes=start)
        end = begin + timedelta(minutes=minutes)
        return BookingCreate(start_time=begin, end_time=end, room_id=room)

    async def book(
        self, start: float = 0, minutes: float = 60, *, who: Caller = ALICE, room: int | None = None
    ) -> Booked:
        return await self.services.bookings.create(who, self.request(start, minutes, room), "")

    async def move(
        self,
        booked: Booked | Stored,
        start: float,
        minutes: float = 60,
        *,
        who: Caller = ALICE,
        room: int | None = None,
    ) -> Stored:
        """`start` in minutes from now."""
        request = self.request(start, minutes)
        patch = BookingPatch(start_time=request.start_time, end_time=request.end_time, room_id=room)
        number = booked.booking.booking_id
        return await self.services.bookings.reschedule(who, number, patch, "")

    async def extend(self, booked: Booked | Stored, minutes: float) -> Stored:
        """`minutes` beyond the booked end."""
        request = BookingExtend(end_time=booked.booking.end + timedelta(minutes=minutes))
        return await self.services.bookings.extend(ALICE, booked.booking.booking_id, request, "")

    async def repeat(
        self,
        rrule: str,
        start: float = 60,
        minutes: float = 60,
        *,
        zone: str = "UTC",
        room: int | None = None,
        once: Any = None,
    ) -> Repeated:
        request = self.request(start, minutes)
        series = SeriesCreate(
            start_time=request.start_time,
            end_time=request.end_time,
            time_zone=zone,
            rrule=rrule,
            room_id=room,
        )
        return await self.services.series.create(ALICE, series, "", once)

    async def tick(self) -> None:
        await self.services.tick()

    async def drain(self, rounds: int = 20) -> None:
        """Handles what the queues hold, and what that puts there, whatever the delays."""
        for _ in range(rounds):
            waiting, self.queues.messages = self.queues.messages, []
            if not waiting:
                return
            for queue, body, delay in waiting:
                if queue == JANUS_EVENTS and "check" in body:
                    self.clock.advance(seconds=delay)
                await self.deliver(queue, body)

    async def deliver(self, queue: str, body: dict[str, Any]) -> None:
        match queue:
            case "outbox":
                await self.services.relay.handle(body)
            case "fleet-wake":
                await self.services.tick(body["attempt"])
            case "janus-events":
                await self.services.calls.handle(body)
            case "operator-messages":
                await self.services.operators.handle(body)

    async def ready(self, booked: Booked) -> FakeJanus:
        """The booking's machine is up and holds its room."""
        await self.tick()
        await self.tick()
        placed = self.row("Fleet", "00", f"p|{booked.booking.booking_id}")
        return self.compute.janus[str(placed["vm"])]

    async def join(self, booked: Booked, nonce: str = "nonce-alice") -> Ticket:
        request = JoinRequest(nonce=nonce)
        number = booked.booking.booking_id
        return await self.services.joining.by_booker(ALICE, number, request, ALICE_AT)

    async def join_invited(self, booked: Booked, nonce: str = "nonce-guest") -> Ticket:
        token = self.services.joining.invite_token(booked.booking)
        request = InviteJoinRequest(token=token, nonce=nonce, display="Guest")
        return await self.services.joining.by_invite(request, GUEST_AT)

    def event(self, kind: str, ticket: Ticket, at: datetime | None = None) -> dict[str, Any]:
        return {
            "vm": "janus-0",
            "type": kind,
            "room": ticket.room_id,
            "participant": ticket.participant_id,
            "at": iso(at or self.now),
        }

    async def tell(self, *events: dict[str, Any]) -> None:
        await self.services.calls.handle({"events": list(events)})

    def rows(self, table: str, pk: str, prefix: str = "") -> list[dict[str, Any]]:
        rows = self.tables.rows.get((table, pk), {})
        return [dict(row.data) for rk, row in sorted(rows.items()) if rk.startswith(prefix)]

    def row(self, table: str, pk: str, rk: str) -> dict[str, Any]:
        return dict(self.tables.rows[(table, pk)][rk].data)

    def events(self, kind: str = "") -> list[dict[str, Any]]:
        """The envelopes in every outbox, those of one type or all."""
        import json

        found = [
            json.loads(str(row.data["envelope"]))
            for rows in self.tables.rows.values()
            for rk, row in rows.items()
            if rk.startswith("o|")
        ]
        return [event for event in found if kind in ("", event["type"])]


__all__ = ["ADMIN", "ALICE", "BOB", "EVE", "FLEET_WAKE", "JANUS_EVENTS", "OUTBOX", "World"]
