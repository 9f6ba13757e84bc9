"""Bookings through the door: keys, moves, extensions, series."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from tests.unit.functions.asking import Answer, Door

SLOT = {"start_time": "2026-06-11T10:00:00Z", "end_time": "2026-06-11T11:00:00Z"}
LATER = {"start_time": "2026-06-11T15:00:00Z", "end_time": "2026-06-11T16:00:00Z"}
KEY = {"Idempotency-Key": "a-key-of-the-client"}
WEEKLY = {
    "start_time": "2026-10-18T09:00:00",
    "end_time": "2026-10-18T10:00:00",
    "time_zone": "Europe/Lisbon",
    "rrule": "FREQ=WEEKLY;COUNT=3",
}


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Door:
    return Door(monkeypatch)


async def book(door: Door, body: Any = None, **more: Any) -> Answer:
    return await door.ask("bookings_create", body or SLOT, **more)


@pytest.mark.parametrize(
    ("operation", "body"),
    [("bookings_create", SLOT), ("series_create", WEEKLY), ("rooms_create", {})],
)
async def test_the_same_key_repeats_the_first_answer(
    door: Door, operation: str, body: dict[str, Any]
) -> None:
    first = await door.ask(operation, body, headers=KEY)
    again = await door.ask(operation, body, headers=KEY)
    assert (first.status, again.status) == (201, 201), first.body
    assert again.body == first.body
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    rows = str(door.world.tables.rows)
    assert first.body["password"] not in rows
    assert KEY["Idempotency-Key"] not in rows


async def test_also_when_the_booking_has_changed_since(door: Door) -> None:
    first = await book(door, headers=KEY)
    number = str(first.body["booking_id"])
    await door.ask("bookings_reschedule", LATER, booking_id=number)
    await door.ask("bookings_cancel", booking_id=number)
    assert (await book(door, headers=KEY)).body == first.body
    other = await book(door, headers={"Idempotency-Key": "another"})
    assert other.status == 201, "the slot can be booked again"
    assert other.body["booking_id"] != first.body["booking_id"]


async def test_the_same_key_for_something_else_is_a_422(door: Door) -> None:
    await book(door, headers=KEY)
    answer = await book(door, LATER, headers=KEY)
    assert (answer.status, answer.code) == (422, "idempotency_key_reused")
    answer = await door.ask("rooms_create", {}, headers=KEY)
    assert (answer.status, answer.code) == (422, "idempotency_key_reused")


async def test_at_once_one_is_made(door: Door) -> None:
    answers = await asyncio.gather(*(book(door, headers=KEY) for _ in range(5)))
    made = [a for a in answers if a.status == 201]
    assert len({a.body["booking_id"] for a in made}) == 1
    others = [a for a in answers if a.status != 201]
    assert {a.code for a in others} <= {"idempotency_in_flight"}
    listed = await door.ask("bookings_list")
    assert len(listed.body) == 1


async def test_a_refusal_does_not_use_the_key_up(door: Door) -> None:
    room = (await door.ask("rooms_create", {})).body["room_id"]
    taken = await book(door, {**SLOT, "room_id": room})
    refused = await book(door, {**SLOT, "room_id": room}, headers=KEY)
    assert (refused.status, refused.code) == (409, "room_taken")
    await door.ask("bookings_cancel", booking_id=str(taken.body["booking_id"]))
    assert (await book(door, {**SLOT, "room_id": room}, headers=KEY)).status == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "with space", "não"])
async def test_keys_that_are_none(door: Door, key: str) -> None:
    answer = await book(door, headers={"Idempotency-Key": key})
    assert answer.status == 400
    assert answer.body["errors"][0]["field"] == "Idempotency-Key"


async def test_guests_get_their_own_links(door: Door) -> None:
    guests = [{"name": "Bob"}, {"email": "carol@example.com"}]
    answer = await book(door, {**SLOT, "guests": guests})
    shown = answer.body["guests"]
    assert [(g.get("name"), g.get("email")) for g in shown] == [
        ("Bob", None), (None, "carol@example.com"),
    ]  # fmt: skip
    links = {answer.body["invite_url"], *(g["invite_url"] for g in shown)}
    assert len(links) == 3
    answer = await book(door, {**LATER, "guests": [{"email": "no address"}, {}]})
    assert {e["field"] for e in answer.body["errors"]} == {"guests.0.email", "guests.1"}


async def test_moving(door: Door) -> None:
    number = str((await book(door)).body["booking_id"])
    moved = await door.ask("bookings_reschedule", LATER, booking_id=number)
    assert moved.status == 200
    assert moved.body["booking_id"] == int(number)
    assert moved.body["start_time"] == LATER["start_time"]
    assert moved.body["change_until"] == "2026-06-11T14:00:00Z"


async def test_extending(door: Door) -> None:
    now = {"start_time": "2026-06-10T09:00:00Z", "end_time": "2026-06-10T10:00:00Z"}
    number = str((await book(door, now)).body["booking_id"])
    end = {"end_time": "2026-06-10T10:30:00Z"}
    longer = await door.ask("bookings_extend", end, booking_id=number)
    assert (longer.status, longer.body["end_time"]) == (200, end["end_time"])
    assert longer.body["phase"] == "running"
    again = await door.ask("bookings_extend", end, booking_id=number)
    assert again.status == 200, "the same end again changes nothing"


async def test_a_series(door: Door) -> None:
    made = await door.ask("series_create", WEEKLY)
    assert made.status == 201, made.body
    assert [b["start_time"] for b in made.body["bookings"]] == [
        "2026-10-18T08:00:00Z", "2026-10-25T09:00:00Z", "2026-11-01T09:00:00Z",
    ]  # fmt: skip
    number = str(made.body["series_id"])
    shown = await door.ask("series_get", series_id=number)
    assert [b["status"] for b in shown.body["bookings"]] == ["upcoming"] * 3
    assert shown.body["rrule"] == WEEKLY["rrule"]
    listed = await door.ask("bookings_list")
    assert {b["series_id"] for b in listed.body} == {made.body["series_id"]}
    gone = await door.ask("series_cancel", series_id=number)
    assert (gone.status, len(gone.body["cancelled"]), gone.body["kept"]) == (200, 3, [])


async def test_phases(door: Door) -> None:
    number = str((await book(door)).body["booking_id"])

    async def phase() -> tuple[str, str]:
        shown = (await door.ask("bookings_get", booking_id=number, token=door.token())).body
        return shown["status"], shown["phase"]

    assert await phase() == ("upcoming", "scheduled")
    door.world.clock.advance(minutes=24 * 60 + 55)
    assert await phase() == ("upcoming", "open")
    door.world.clock.advance(minutes=10)
    assert await phase() == ("upcoming", "running")
    door.world.clock.advance(minutes=60)
    assert await phase() == ("past", "over")


async def test_a_minimum_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    door = Door(monkeypatch, min_notice="PT48H")
    answer = await book(door)
    assert (answer.status, answer.body["errors"][0]["field"]) == (400, "start_time")


async def test_the_longest_answer_can_be_repeated(door: Door) -> None:
    """Of what no compression makes shorter: a property of a row has its limit."""
    letters = random.Random(1)

    def text(length: int) -> str:
        return "".join(chr(letters.randrange(0x20000, 0x2A6D0)) for _ in range(length))

    guests = [{"name": text(80), "email": text(40) + "@x" + text(20)} for _ in range(20)]
    first = await book(door, {**SLOT, "guests": guests}, headers=KEY)
    assert (await book(door, {**SLOT, "guests": guests}, headers=KEY)).body == first.body
    room = {"optional_name": text(200), "metadata": {"a": text(4090)}}
    key = {"Idempotency-Key": "room"}
    made = await door.ask("rooms_create", room, headers=key)
    assert made.status == 201, made.body
    assert (await door.ask("rooms_create", room, headers=key)).body == made.body


async def test_what_is_deeper_than_pythons_stack_is_a_400(door: Door) -> None:
    deep: dict[str, Any] = {}
    for _ in range(600):
        deep = {"a": deep}
    answer = await door.ask("rooms_create", {"metadata": deep})
    assert (answer.status, answer.body["errors"][0]["field"]) == (400, "metadata")


@pytest.mark.parametrize(
    "guest",
    [
        {"name": "a\x85b"}, {"name": "a\u202eb"}, {"name": "a\u2028b"}, {"name": "\u200b"},
        {"name": "   "}, {"email": "<a@b>"}, {"email": "a@b\u200b"}, {"email": "a@b,c@d"},
        {"email": "ã" * 130 + "@b"},
    ],
)  # fmt: skip
async def test_names_that_hide_something(door: Door, guest: dict[str, str]) -> None:
    answer = await book(door, {**SLOT, "guests": [guest]})
    assert answer.status == 400


@pytest.mark.parametrize(
    "change",
    [
        {"start_time": "0001-01-01T00:00:00+14:00"},
        {"start_time": "9999-12-31T23:00:00-14:00", "end_time": "9999-12-31T23:30:00-14:00"},
        {"start_time": "9999-12-31T23:00:00", "time_zone": "Etc/GMT+12"},
        {"rrule": "FREQ=DAILY;UNTIL=00010101T000000Z"},
        {"time_zone": "right/Europe/Lisbon"}, {"time_zone": "localtime"}, {"time_zone": "Factory"},
        {"start_time": 9e9},
    ],
)  # fmt: skip
async def test_series_at_the_edges_are_a_400(door: Door, change: dict[str, Any]) -> None:
    answer = await door.ask("series_create", {**WEEKLY, **change})
    assert answer.status == 400, answer.body


async def test_a_year_that_no_day_is_named_by(door: Door) -> None:
    params = {
        "available": "true",
        "start_time": "0002-01-01T00:00:00+14:00",
        "end_time": "0002-01-01T10:00:00Z",
    }
    assert (await door.ask("rooms_list", params=params)).status == 400
