"""Rooms through the door."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.bookings import room_service
from shared.janus.port import JanusError
from shared.platform.tables import StorageUnavailable
from tests.unit.functions.asking import Answer, Door
from tests.world import World

KEYED = {"Idempotency-Key": "k-1"}
TEN, ELEVEN, NOON = "2026-06-10T10:00:00Z", "2026-06-10T11:00:00Z", "2026-06-10T12:00:00Z"
TIMES = {"start_time": TEN, "end_time": ELEVEN}


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Door:
    return Door(monkeypatch)


def admin(door: Door) -> str:
    return door.token("root", "acme", "admin")


async def room(door: Door, **body: Any) -> int:
    answer = await door.ask("rooms_create", body)
    assert answer.status == 201
    number: int = answer.body["room_id"]
    return number


async def book(door: Door, number: int, **times: str) -> str:
    answer = await door.ask("bookings_create", {**TIMES, **times, "room_id": number})
    assert answer.status == 201
    return str(answer.body["booking_id"])


async def has_future_booking(door: Door, number: int) -> bool:
    answer = await door.ask("rooms_get", room_id=str(number))
    found: bool = answer.body["has_future_booking"]
    return found


# Creating


async def test_a_room_is_made_told_of_and_shown_without_its_password(door: Door) -> None:
    body = {"max_participants": 4, "optional_name": "Sala X", "metadata": {"floor": 2}}
    made = await door.ask("rooms_create", body, address="10.0.0.3:77")
    assert made.status == 201
    assert made.headers["Location"] == f"/api/v1/rooms/{made.body['room_id']}"
    password = made.body.pop("password")
    assert {**made.body, **body} == made.body
    shown = await door.ask("rooms_get", room_id=str(made.body["room_id"]))
    assert shown.body == {**made.body, "has_future_booking": False}
    assert (await door.ask("rooms_list")).body == [made.body]
    (event,) = door.world.events("room.created")
    assert event["data"] == {
        "room_id": made.body["room_id"],
        "max_participants": 4,
        "optional_name": "Sala X",
    }
    await door.world.drain()
    audit = door.world.left[-1].audit
    assert audit
    assert (audit.actor, audit.action, audit.address) == ("alice", "room.create", "10.0.0.3:77")
    assert password not in json.dumps([shown.body, event])


async def test_the_same_request_again_gets_the_same_room(door: Door) -> None:
    first, again = [await door.ask("rooms_create", {}, headers=KEYED) for _ in range(2)]
    assert (again.status, again.body) == (201, first.body)
    assert again.headers["Idempotency-Replayed"] == "true"
    other = await door.ask("rooms_create", {"max_participants": 4}, headers=KEYED)
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    assert len((await door.ask("rooms_list")).body) == 1
    rows = json.dumps(door.world.rows("Rooms", "acme|00"))
    assert first.body["password"] not in rows
    assert len(door.world.events("room.created")) == 1


async def test_a_refused_request_may_be_sent_again_with_its_key(door: Door) -> None:
    janus = await door.world.ready(await door.world.book())
    janus.fail_next = JanusError("broken", 499)
    refused = await door.ask("rooms_create", {}, headers=KEYED)
    assert (refused.status, refused.code) == (503, "room_create_failed")
    assert not door.world.events("room.created")
    door.world.clock.advance(seconds=6)
    made = await door.ask("rooms_create", {}, headers=KEYED)
    assert made.status == 201
    assert janus.room_specs[made.body["room_id"]].pin == made.body["password"]


async def test_a_request_that_died_is_taken_over_with_its_id(door: Door) -> None:
    """What it has left in Janus has a pin that nobody knows."""
    janus = await door.world.ready(await door.world.book())
    died = False

    def die(verb: str, table: str, pk: str) -> None:
        nonlocal died
        if verb == "commit" and table == "Rooms" and not died:
            died = True
            raise KeyboardInterrupt

    door.world.tables.fail = die
    real, janus.destroy_room = janus.destroy_room, _nothing
    with pytest.raises(KeyboardInterrupt):
        await door.ask("rooms_create", {}, headers=KEYED)
    janus.destroy_room = real
    (left,) = [n for n in janus.room_specs if not door.world.rows("Rooms", "acme|00", f"{n:016d}")]
    assert (await door.ask("rooms_create", {}, headers=KEYED)).code == "idempotency_in_flight"
    door.world.clock.advance(seconds=61)
    made = await door.ask("rooms_create", {}, headers=KEYED)
    assert made.body["room_id"] == left
    assert janus.room_specs[left].pin == made.body["password"]


async def _nothing(*_: object) -> None:
    return None


@pytest.mark.parametrize("keyed", [KEYED, {}])
async def test_a_lost_answer_of_the_storage_is_no_lost_room(
    door: Door, keyed: dict[str, str]
) -> None:
    lost = False

    def lose(verb: str, table: str, pk: str) -> None:
        nonlocal lost
        if (verb, table) == ("commit!", "Rooms") and not lost:
            lost = True
            raise StorageUnavailable("cut")

    door.world.tables.fail = lose
    made = await door.ask("rooms_create", {}, headers=keyed)
    assert made.status == 201
    assert lost
    assert (await door.ask("rooms_get", room_id=str(made.body["room_id"]))).status == 200


# Listing


async def listed(door: Door, **params: str) -> Any:
    answer = await door.ask("rooms_list", params=params)
    return [r["room_id"] for r in answer.body] if answer.status == 200 else answer.body["errors"]


async def free(door: Door, **params: str) -> Any:
    answer = await door.ask("rooms_availability", params={**TIMES, **params})
    assert answer.status == 200
    return [r["room_id"] for r in answer.body["available_rooms"]]


async def test_the_rooms_that_are_free(door: Door) -> None:
    rooms = sorted([await room(door, max_participants=n) for n in (2, 3, 4)])
    await book(door, rooms[1])
    open_ones = [rooms[0], rooms[2]]
    assert await listed(door, available="true", **TIMES) == open_ones == await free(door)
    assert await listed(door, available="false", **TIMES) == rooms == await listed(door)
    assert await free(door, start_time=ELEVEN, end_time=NOON) == rooms
    half = {"start_time": "2026-06-10T10:59:00Z", "end_time": NOON}
    assert await free(door, **half) == open_ones
    answer = await door.ask("rooms_availability", params=TIMES)
    assert {tuple(each) for each in answer.body["available_rooms"]} == {
        ("room_id", "max_participants")
    }
    (size,) = [r["max_participants"] for r in answer.body["available_rooms"][:1]]
    assert await listed(door, max_participants=str(size)) == [open_ones[0]]


async def test_no_room_is_free_when_the_machines_carry_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    door = Door(monkeypatch, local_vms=1, vm_capacity=1)
    numbers = sorted([await room(door), await room(door)])
    await book(door, numbers[0])
    assert await free(door) == [] == await listed(door, available="true", **TIMES)
    assert await free(door, start_time=ELEVEN, end_time=NOON) == numbers
    assert await listed(door) == numbers


async def test_a_search_reads_large_chunks_however_short_its_page(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = sorted([await room(door) for _ in range(200)])
    tables = door.world.tables
    tables.requests.clear()
    assert await listed(door, max_participants="9", limit="1") == []
    assert [verb for verb, table, _ in tables.requests if table == "Rooms"] == ["query"] * 2
    monkeypatch.setattr(room_service, "CHUNK", 50)
    monkeypatch.setattr(room_service, "MOST_READ", 100)
    tables.requests.clear()
    answer = await door.ask("rooms_list", params={"max_participants": "9", "limit": "1"})
    assert answer.body == []
    assert f"after={numbers[99]}" in answer.headers["Link"]
    assert len([verb for verb, table, _ in tables.requests if table == "Rooms"]) == 3


async def test_nothing_to_show(door: Door) -> None:
    answer = await door.ask("rooms_availability", params=TIMES)
    assert (answer.status, answer.body) == (200, {"available_rooms": []})


async def test_pages_of_free_rooms(door: Door) -> None:
    numbers = sorted([await room(door) for _ in range(3)])
    first = await door.ask("rooms_availability", params={**TIMES, "limit": "2"})
    link = first.headers["Link"]
    assert link.startswith("</api/v1/rooms/availability?")
    after = link.split("after=")[1].split("&")[0].split(">")[0]
    rest = await door.ask("rooms_availability", params={**TIMES, "limit": "2", "after": after})
    assert "Link" not in rest.headers
    both = first.body["available_rooms"] + rest.body["available_rooms"]
    assert [r["room_id"] for r in both] == numbers


@pytest.mark.parametrize(
    ("params", "fields"),
    [
        ({"start_time": None}, ["start_time"]),
        ({"end_time": None}, ["end_time"]),
        ({"start_time": None, "end_time": None}, ["start_time", "end_time"]),
        ({"start_time": "tomorrow"}, ["start_time"]),
        ({"start_time": "2026-06-10T10:00:00"}, ["start_time"]),
        ({"end_time": TEN}, ["end_time"]),
        ({"end_time": "2026-06-10T09:00:00Z"}, ["end_time"]),
        ({"end_time": "2026-07-11T10:00:01Z"}, ["end_time"]),
    ],
    ids=str,
)
async def test_bad_intervals_are_named(
    door: Door, params: dict[str, str | None], fields: list[str]
) -> None:
    sent = {name: value for name, value in {**TIMES, **params}.items() if value is not None}
    for name, more in (("rooms_availability", {}), ("rooms_list", {"available": "true"})):
        answer = await door.ask(name, params={**sent, **more})
        assert answer.status == 400
        assert [error["field"] for error in answer.body["errors"]] == fields


async def test_thirty_one_days_are_fine(door: Door) -> None:
    assert await free(door, end_time="2026-07-11T10:00:00Z") == []


# What a room's detail says of its bookings


async def test_a_future_booking_until_it_ends(door: Door) -> None:
    number = await room(door)
    assert not await has_future_booking(door, number)
    await book(door, number)
    for hours, expected in ((0, True), (1.5, True), (0.5, False)):
        door.world.clock.advance(hours=hours)
        assert await has_future_booking(door, number) is expected


async def test_a_booking_that_was_moved_across_days(door: Door) -> None:
    number, other = await room(door), await room(door)
    booking = await book(door, number)
    later = {"start_time": "2026-06-12T23:30:00Z", "end_time": "2026-06-13T00:30:00Z"}
    moved = await door.ask("bookings_reschedule", later, booking_id=booking)
    assert moved.status == 200
    door.world.clock.time = door.world.clock.time.replace(day=13, hour=0, minute=29)
    assert await has_future_booking(door, number)
    assert not await has_future_booking(door, other)
    door.world.clock.advance(minutes=1)
    assert not await has_future_booking(door, number)


async def test_a_booking_that_was_moved_to_another_room(door: Door) -> None:
    number, other = await room(door), await room(door)
    booking = await book(door, number)
    await door.ask("bookings_reschedule", {"room_id": other}, booking_id=booking)
    assert [await has_future_booking(door, n) for n in (number, other)] == [False, True]


async def test_a_booking_that_was_cancelled(door: Door) -> None:
    number = await room(door)
    booking = await book(door, number, start_time="2026-06-11T23:30:00Z", end_time=_AFTER_MIDNIGHT)
    await door.ask("bookings_cancel", booking_id=booking)
    assert not await has_future_booking(door, number)


_AFTER_MIDNIGHT = "2026-06-12T00:30:00Z"


async def test_a_booking_that_was_ended_early_across_midnight(door: Door) -> None:
    number = await room(door)
    booking = await book(door, number, start_time="2026-06-11T23:30:00Z", end_time=_AFTER_MIDNIGHT)
    door.world.clock.time = door.world.clock.time.replace(day=11, hour=23, minute=45)
    assert (await door.ask("bookings_end", booking_id=booking)).status == 204
    assert not await has_future_booking(door, number)


async def test_one_ended_by_a_writer_that_died_before_the_next_day(door: Door) -> None:
    """Its claim on the next day is as long as it was."""
    number = await room(door)
    booking = await book(door, number, start_time="2026-06-11T23:30:00Z", end_time=_AFTER_MIDNIGHT)
    door.world.clock.time = door.world.clock.time.replace(day=12, hour=0, minute=10)

    def fail(verb: str, table: str, pk: str) -> None:
        if verb == "commit" and pk == "00|20260612":
            raise StorageUnavailable("cut")

    door.world.tables.fail = fail
    assert (await door.ask("bookings_end", booking_id=booking)).status == 204
    assert door.world.rows("Calendar", "00|20260612", "b|")[0]["end"] == _AFTER_MIDNIGHT
    assert not await has_future_booking(door, number)
    door.world.tables.fail = lambda *_: None
    token = admin(door)
    assert (await door.ask("rooms_delete", token=token, room_id=str(number))).status == 204


# Admins


async def test_deleting(door: Door) -> None:
    number, booked = str(await room(door)), await room(door)
    await book(door, booked)
    token = admin(door)
    assert (await door.ask("rooms_delete", room_id=number)).code == "admin_only"
    foreign = door.token("eve", "evil", "admin")
    assert (await door.ask("rooms_delete", token=foreign, room_id=number)).status == 404
    assert (await door.ask("rooms_delete", token=token, room_id="7")).status == 404
    refused = await door.ask("rooms_delete", token=token, room_id=str(booked))
    assert (refused.status, refused.code) == (409, "room_booked")
    gone = await door.ask("rooms_delete", token=token, room_id=number)
    assert (gone.status, gone.body) == (204, None)
    assert (await door.ask("rooms_get", room_id=number)).status == 404


async def test_deleting_while_janus_fails(door: Door) -> None:
    janus = await door.world.ready(await door.world.book())
    number = str(await room(door))
    janus.down = True
    refused = await door.ask("rooms_delete", token=admin(door), room_id=number)
    assert (refused.status, refused.code) == (503, "room_delete_failed")
    assert refused.headers["Retry-After"] == "5"
    assert (await door.ask("rooms_get", room_id=number)).status == 200


async def reset(door: Door, number: int, body: Any = None, token: str | None = None) -> Answer:
    return await door.ask("rooms_reset", body, token=token or admin(door), room_id=str(number))


async def test_a_new_password(door: Door) -> None:
    number = await room(door)
    assert (await reset(door, number, token=door.token())).code == "admin_only"
    foreign = door.token("eve", "evil", "admin")
    assert (await reset(door, number, token=foreign)).code == "room_not_found"
    first, again = await reset(door, number), await reset(door, number, {})
    assert first.status == again.status == 200
    assert set(first.body) == {"room_id", "new_password"}
    assert first.body["room_id"] == number
    assert first.body["new_password"] != again.body["new_password"]
    booking = await book(door, number, start_time="2026-06-10T09:10:00Z")
    refused = await reset(door, number)
    assert (refused.status, refused.code) == (409, "room_booked")
    forced = await reset(door, number, {"force": True})
    shown = await door.ask("bookings_get", booking_id=booking)
    assert shown.body["password"] == forced.body["new_password"]
    assert (await reset(door, number, {"force": "yes"})).body["errors"][0]["field"] == "force"
    events = json.dumps(door.world.events("room.password_reset"))
    assert forced.body["new_password"] not in events


async def test_a_password_that_janus_does_not_take(door: Door) -> None:
    janus = await door.world.ready(await door.world.book())
    number = await room(door)
    janus.fail_next = JanusError("broken", 499)
    refused = await reset(door, number)
    assert (refused.status, refused.code) == (503, "password_reset_failed")


async def test_participants(door: Door) -> None:
    booked = await door.world.book()
    number = booked.room.room_id
    janus = await door.world.ready(booked)
    janus.join(number, 7, "Ana")
    shown = await door.ask("rooms_participants", room_id=str(number))
    assert (shown.status, shown.body) == (
        200,
        {
            "room_id": number,
            "participant_count": 1,
            "participants": [{"id": 7, "display": "Ana", "metadata": {"publisher": True}}],
        },
    )
    bob = door.token("bob")
    refused = await door.ask("rooms_participants", token=bob, room_id=str(number))
    assert (refused.status, refused.code) == (403, "participants_forbidden")
    assert (await door.ask("rooms_participants", room_id="7")).code == "room_not_found"
    door.world.clock.advance(seconds=6)
    janus.down = True
    failed = await door.ask("rooms_participants", room_id=str(number))
    assert (failed.status, failed.code) == (502, "janus_failed")
    assert failed.body["title"]


async def test_nobody_in_a_room_without_a_machine(door: Door) -> None:
    number = await room(door)
    shown = await door.ask("rooms_participants", token=admin(door), room_id=str(number))
    assert shown.body == {"room_id": number, "participant_count": 0, "participants": []}


# Timers


async def _run(timer: Any) -> None:
    await timer._function.get_user_function()(None)


async def test_the_night_changes_passwords_and_purges_keys(door: Door) -> None:
    from functions.housekeeping import rooms_nightly

    made = await door.ask("rooms_create", {}, headers=KEYED)
    door.world.clock.advance(hours=25)
    await _run(rooms_nightly)
    booking = await book(
        door,
        made.body["room_id"],
        start_time="2026-06-11T10:10:00Z",
        end_time="2026-06-11T11:00:00Z",
    )
    shown = await door.ask("bookings_get", booking_id=booking)
    assert shown.body["password"] != made.body["password"]
    assert not door.world.rows("Idempotency", "acme|alice")


async def test_the_sweep_finishes_what_was_left(door: Door) -> None:
    from functions.housekeeping import calendar_sweep

    number = await room(door)
    world: World = door.world

    def die(verb: str, table: str, pk: str) -> None:
        if verb == "commit!" and table == "Rooms":
            raise KeyboardInterrupt

    world.tables.fail = die
    with pytest.raises(KeyboardInterrupt):
        await door.ask("rooms_delete", token=admin(door), room_id=str(number))
    world.tables.fail = lambda *_: None
    assert (await door.ask("rooms_get", room_id=str(number))).status == 404
    world.clock.advance(minutes=11)
    await _run(calendar_sweep)
    assert not world.rows("Rooms", "acme|00", "0")
    await world.drain()
    assert [e.audit and e.audit.actor for e in world.left if e.type == "room.deleted"] == ["root"]
