"""Machines follow the bookings: on for two in a row, off when the last one goes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.platform.clock import iso
from tests.e2e.system import System, eventually


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Without margin and grace: what stays on does so for a booking."""
    system = System(
        tmp_path_factory.mktemp("fleet"),
        SUROGA_VM_MARGIN="PT0S",
        SUROGA_VM_BRIDGE="PT0S",
        SUROGA_JOIN_GRACE="PT0S",
        SUROGA_CANCEL_NOTICE="PT0S",
    )
    system.start()
    try:
        yield system
    finally:
        assert system.stop() == 0
    assert not system.janus()


async def token(system: System, user: str, *roles: str) -> str:
    wanted = {"user": user, "roles": [*roles]}
    status, answer = await system.ask("POST", "/api/v1/auth/token", wanted)
    assert status == 200, answer
    return str(answer["access_token"])


async def book(system: System, start: datetime, seconds: int) -> dict[str, Any]:
    times = {"start_time": iso(start), "end_time": iso(start + timedelta(seconds=seconds))}
    alice = await token(system, "alice", "user")
    status, booking = await system.ask("POST", "/api/v1/bookings", times, alice)
    assert status == 201, booking
    return dict(booking)


async def fleet(system: System) -> dict[str, Any]:
    olga = await token(system, "olga", "operator")
    status, answer = await system.ask("GET", "/api/v1/fleet", None, olga)
    assert status == 200, answer
    return dict(answer)


async def carried(system: System) -> list[int]:
    machines = (await fleet(system))["machines"]
    return [booking["booking_id"] for machine in machines for booking in machine["bookings"]]


def rooms_made(system: System) -> set[int]:
    return {event["booking_id"] for event in system.events("room.made")}


async def test_two_bookings_back_to_back_cause_no_stop_between_them(system: System) -> None:
    starts, stops = len(system.events("vm.start")), len(system.events("vm.deallocate"))
    now = datetime.now(UTC)
    first = await book(system, now, 12)
    second = await book(system, now + timedelta(seconds=12), 12)
    numbers = {first["booking_id"], second["booking_id"]}
    await eventually(lambda: numbers <= rooms_made(system), 30)
    (janus,) = system.janus()
    while datetime.now(UTC) < now + timedelta(seconds=20):
        await system.tick()
        await asyncio.sleep(1)
    assert system.janus() == [janus]
    assert len(system.events("vm.start")) == starts + 1
    assert len(system.events("vm.deallocate")) == stops
    over = now + timedelta(seconds=25) - datetime.now(UTC)
    await asyncio.sleep(max(over.total_seconds(), 0))
    await system.tick()
    await eventually(lambda: not system.janus(), 75)


async def test_cancelling_one_of_two_keeps_the_machine(system: System) -> None:
    alice = await token(system, "alice", "user")
    soon = datetime.now(UTC) + timedelta(minutes=20)
    one, other = await book(system, soon, 600), await book(system, soon, 600)
    numbers = {one["booking_id"], other["booking_id"]}
    await eventually(lambda: numbers <= rooms_made(system), 30)
    (janus,) = system.janus()
    await system.ask("DELETE", f"/api/v1/bookings/{one['booking_id']}", None, alice)
    await system.tick()
    for _ in range(30):
        if await carried(system) == [other["booking_id"]]:
            break
        await asyncio.sleep(1)
    assert await carried(system) == [other["booking_id"]]
    assert system.janus() == [janus]
    await system.ask("DELETE", f"/api/v1/bookings/{other['booking_id']}", None, alice)
    await system.tick()
    await eventually(lambda: not system.janus(), 75)  # at the timer's next tick at the latest
