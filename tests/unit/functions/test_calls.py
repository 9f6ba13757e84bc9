"""Joining and looking at an invite, through the door."""

from __future__ import annotations

from urllib.parse import unquote

import pytest

from shared.bookings.payloads import GuestCreate
from tests.unit.functions.asking import Door
from tests.world import ALICE


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Door:
    return Door(monkeypatch)


async def booked(door: Door, start: float = 0) -> tuple[str, str, int]:
    """The booking's id, the token of Maria's own invite, and the room."""
    world = door.world
    guests = (GuestCreate(name="Maria"),)
    request = world.request(start).model_copy(update={"guests": guests})
    made = await world.services.bookings.create(ALICE, request, "")
    if not start:
        await world.ready(made)
    url = world.services.invite_url(made.booking, made.booking.guests[0].id)
    token = unquote(url.split("#invite=")[1])
    return str(made.booking.booking_id), token, made.room.room_id


async def test_an_invite_shows_its_booking_to_whoever_has_it(door: Door) -> None:
    number, token, _ = await booked(door, 120)
    answer = await door.ask("invites_show", {"token": token}, token="")
    assert answer.status == 200
    assert answer.body == {
        "booking_id": int(number),
        "start_time": "2026-06-10T11:00:00Z",
        "end_time": "2026-06-10T12:00:00Z",
        "phase": "scheduled",
        "opens_at": "2026-06-10T10:50:00Z",
        "name": "Maria",
    }
    await door.world.services.bookings.cancel(ALICE, int(number), "")
    answer = await door.ask("invites_show", {"token": token}, token="")
    assert (answer.status, answer.body["phase"]) == (200, "cancelled")


async def test_a_forged_invite_is_a_401_everywhere(door: Door) -> None:
    _, token, _ = await booked(door)
    for name, body in (("invites_show", {}), ("invites_join", {"nonce": "nonce-123"})):
        answer = await door.ask(name, {"token": token[:-4] + "AAAA", **body}, token="")
        assert (answer.status, answer.code) == (401, "invite_invalid")


async def test_the_address_of_whoever_joins_is_kept_for_the_audit_trail(door: Door) -> None:
    number, token, room_id = await booked(door)
    await door.ask("bookings_join", {"nonce": "nonce-123"}, booking_id=number, address="10.1.1.1:7")
    body = {"token": token, "nonce": "nonce-123"}
    answer = await door.ask("invites_join", body, token="", address="10.2.2.2:8")
    assert answer.body["display"] == "Maria"
    visits = door.world.rows("Calls", str(room_id), "p|")
    assert {visit["person"].split(":")[0]: visit["address"] for visit in visits} == {
        "user": "10.1.1.1:7",
        "invite": "10.2.2.2:8",
    }
    assert "10.2.2.2" not in str(answer.body)
