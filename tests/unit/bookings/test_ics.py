"""Calendar files, read back as a calendar program reads them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from icalendar import Calendar, Event

from shared.bookings.models import Booking, Guest
from shared.platform.auth import Caller
from tests.world import ALICE, World

MAIL_ALICE = replace(ALICE, email="alice@example.test")
BOB = Guest("bob-1", "Bob", "bob@example.test")
CAROL = Guest("carol-1", None, "carol@example.test")
LINK = "https://calls.example/call#invite=abc"


class Files(World):
    def of_booker(self, booking: Booking, who: Caller = MAIL_ALICE, language: Any = "en") -> bytes:
        return self.services.calendar_files.of_booker(who, booking, language)

    def of_guest(
        self, booking: Booking, guest: Guest = BOB, who: Caller = MAIL_ALICE, language: Any = "en"
    ) -> bytes:
        return self.services.calendar_files.of_guest(who, booking, guest, LINK, language)

    async def made(self, *guests: Guest, start: float = 90) -> Booking:
        return replace((await self.book(start)).booking, guests=guests)


@pytest.fixture
def files() -> Files:
    return Files(public_url="https://calls.example:8443", reminders=("P1D", "PT1H"))


def read(content: bytes) -> tuple[Calendar, Event]:
    calendar = Calendar.from_ical(content)
    (event,) = calendar.walk("VEVENT")
    assert not calendar.errors
    assert not event.errors
    return calendar, event


async def test_the_bookers_file(files: Files) -> None:
    booking = await files.made(BOB, CAROL)
    files.clock.advance(minutes=5)
    calendar, event = read(files.of_booker(booking))
    assert (calendar["VERSION"], calendar["METHOD"]) == ("2.0", "PUBLISH")
    assert "Suroga" in calendar["PRODID"]
    assert event["UID"] == f"booking-{booking.booking_id}@calls.example"
    assert event["SEQUENCE"] == 0
    assert event["STATUS"] == "CONFIRMED"
    assert event.decoded("DTSTART") == booking.start
    assert event.decoded("DTEND") == booking.end
    assert event.decoded("DTSTAMP") == files.now
    assert event.decoded("CREATED") == booking.created_at
    assert event["SUMMARY"] == "Video call with Bob, carol@example.test"
    page = f"https://calls.example:8443/call#booking={booking.booking_id}"
    assert event["URL"] == event["LOCATION"] == page
    assert page in event["DESCRIPTION"]
    assert event["ORGANIZER"] == "mailto:alice@example.test"
    assert event["ORGANIZER"].params["CN"] == "Alice"
    assert "ATTENDEE" not in event, "what is published invites nobody (RFC 5546, 3.2.1)"


async def test_times_are_utc_whatever_the_offset_was(files: Files) -> None:
    moment = datetime.fromisoformat("2026-06-10T14:00:00+02:00").astimezone(UTC)
    booking = replace(await files.made(), start=moment, end=moment + timedelta(hours=1))
    lines = files.of_booker(booking).decode().split("\r\n")
    assert "DTSTART:20260610T120000Z" in lines
    assert "DTEND:20260610T130000Z" in lines


async def test_a_guests_file_invites_that_guest_alone(files: Files) -> None:
    booking = await files.made(BOB, CAROL)
    content = files.of_guest(booking)
    calendar, event = read(content)
    assert calendar["METHOD"] == "REQUEST"
    assert event["ATTENDEE"] == "mailto:bob@example.test"
    assert event["ATTENDEE"].params["CN"] == "Bob"
    assert event["ORGANIZER"] == "mailto:alice@example.test"
    assert event["URL"] == event["LOCATION"] == LINK
    assert event["SUMMARY"] == "Video call with Alice"
    assert b"carol" not in content
    assert f"booking={booking.booking_id}".encode() not in content
    assert event["UID"] == read(files.of_booker(booking))[1]["UID"]


@pytest.mark.parametrize(
    ("guest", "who"),
    [
        (Guest("x", "Dave"), MAIL_ALICE),
        (BOB, ALICE),
        (BOB, replace(ALICE, email="not an address")),
        (BOB, Caller("root", "acme", frozenset({"admin"}), email="root@example.test")),
    ],
    ids=["no guest's address", "no host's address", "a broken address", "an admin's address"],
)
async def test_without_both_addresses_it_is_published(
    files: Files, guest: Guest, who: Caller
) -> None:
    calendar, event = read(files.of_guest(await files.made(guest), guest, who))
    assert calendar["METHOD"] == "PUBLISH"
    assert "ATTENDEE" not in event
    assert ("ORGANIZER" in event) == (who is MAIL_ALICE)


async def test_it_speaks_the_readers_language(files: Files) -> None:
    booking = await files.made()
    assert read(files.of_booker(booking, language="pt"))[1]["SUMMARY"] == "Videochamada"
    assert read(files.of_booker(booking, language="en"))[1]["SUMMARY"] == "Video call"
    _, event = read(files.of_guest(booking, language="pt"))
    assert event["SUMMARY"] == "Videochamada com Alice"
    assert event["DESCRIPTION"] == f"Entrar na chamada: {LINK}"


async def test_it_rings_at_the_times_of_the_reminders(files: Files) -> None:
    _, event = read(files.of_booker(await files.made()))
    alarms = event.walk("VALARM")
    assert [alarm.decoded("TRIGGER") for alarm in alarms] == [
        -timedelta(hours=1),
        -timedelta(days=1),
    ]
    assert {str(alarm["ACTION"]) for alarm in alarms} == {"DISPLAY"}


async def test_a_moved_booking_replaces_what_the_older_file_said(files: Files) -> None:
    booked = await files.book(90)
    _, first = read(files.of_booker(booked.booking))
    moved = (await files.move(booked, 24 * 60)).booking
    _, second = read(files.of_booker(moved))
    assert second["UID"] == first["UID"]
    assert second["SEQUENCE"] > first["SEQUENCE"]
    assert second.decoded("DTSTART") == moved.start


async def test_a_cancelled_booking_takes_itself_out_of_calendars(files: Files) -> None:
    booking = await files.made(BOB)
    cancelled = booking.cancelled()
    for content in (files.of_booker(cancelled), files.of_guest(cancelled)):
        calendar, event = read(content)
        assert calendar["METHOD"] == "CANCEL"
        assert event["STATUS"] == "CANCELLED"
        assert event["SEQUENCE"] == booking.sequence + 1
        assert event["UID"] == f"booking-{booking.booking_id}@calls.example"
        assert not event.walk("VALARM")


NASTY = [
    "A;B,C:D",
    'He said "x" ^n',
    "back\\slash \\n \\; end",
    "Zoë Ünï 日本語 🎥" * 6,
    "line\r\nATTACH:http://evil.example/\r\nX:",
    "\u2028ATTACH:x\u0085y",
    "{link} {names} %s",
    "x" * 200,
    "BEGIN:VALARM",
    " leading and trailing ",
]


@pytest.mark.parametrize("name", NASTY)
async def test_hostile_names_stay_names(files: Files, name: str) -> None:
    guest = Guest("g", name, "g@example.test")
    who = replace(MAIL_ALICE, name=name)
    booking = await files.made(guest)
    for content in (files.of_booker(booking, who), files.of_guest(booking, guest, who)):
        _, event = read(content)
        assert event["SUMMARY"] == f"Video call with {name}".replace("\r\n", "\n")
        assert {key for key in event if key in ("ATTACH", "X")} == set()
        assert len(event.subcomponents) == 2
        lines = content.split(b"\r\n")
        assert all(len(line) <= 75 for line in lines), "folded (RFC 5545, 3.1)"
        assert content.endswith(b"END:VCALENDAR\r\n")
        assert b"\n" not in content.replace(b"\r\n", b"")
    if name.isprintable() and "\\" not in name:  # which the reader takes for escaping there, too
        assert event["ATTENDEE"].params["CN"] == name
        assert event["ORGANIZER"].params["CN"] == name


@pytest.mark.parametrize(
    ("email", "written"),
    [
        ("a+b@example.test", "a+b@example.test"),
        ("a?cc=eve@example.test", "a%3Fcc=eve@example.test"),
        ('";:,%@example.test', "%22%3B%3A%2C%25@example.test"),
        ("zoë@exämple.test", "zo%C3%AB@ex%C3%A4mple.test"),
    ],
)
async def test_hostile_addresses_stay_addresses(files: Files, email: str, written: str) -> None:
    guest = Guest("g", None, email)
    _, event = read(files.of_guest(await files.made(guest), guest))
    assert event["ATTENDEE"] == f"mailto:{written}"
