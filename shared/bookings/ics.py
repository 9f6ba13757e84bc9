"""The calendar file of a booking (iCalendar, RFC 5545; its methods are RFC 5546).

The UID stays for the booking's life and SEQUENCE grows with each change, so that a newer file
replaces what an older one has put into somebody's calendar. icalendar is imported when the first
file is written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from shared.bookings.models import Booking, Guest, State
from shared.bookings.payloads import EMAIL
from shared.platform.auth import Caller
from shared.platform.clock import Clock
from shared.platform.i18n import Language, Message

if TYPE_CHECKING:
    from icalendar import Alarm, Event, vCalAddress

    from shared.platform.settings import Settings

PRODUCER = "-//Suroga//Suroga Streaming//EN"

TITLE = Message("Videochamada", "Video call")
WITH = Message("Videochamada com {names}", "Video call with {names}")
HOW = Message("Entrar na chamada: {link}", "Join the call: {link}")

MAIL_CHARACTERS = "@!$'*+-./=^_`{|}~"
"""What an address may hold besides letters and digits without being escaped (RFC 6068, 2)."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What one reader's file says. Without an organiser's or a guest's address the file can't be an
    invitation (RFC 5546, 3.2.2): then it is published."""

    link: str
    language: Language
    others: Sequence[str]
    organiser: Guest | None = None
    guest: Guest | None = None

    @property
    def invites(self) -> bool:
        return bool(self.organiser and self.guest and self.guest.email)


class CalendarFiles:
    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._url = settings.public_url
        self._host = urlsplit(settings.public_url).hostname
        self._alarms = settings.reminders
        self._clock = clock

    def of_booker(self, caller: Caller, booking: Booking, language: Language) -> bytes:
        """With the page of the call; whoever opens it signs in."""
        link = f"{self._url}/call#booking={booking.booking_id}"
        others = [name for g in booking.guests if (name := g.name or g.email)]
        return self._file(booking, Sheet(link, language, others, _organiser(caller, booking)))

    def of_guest(
        self, caller: Caller, booking: Booking, guest: Guest, link: str, language: Language
    ) -> bytes:
        """For the caller to send to that guest; it tells nothing of the other guests."""
        organiser = _organiser(caller, booking)
        others = [organiser.name] if organiser and organiser.name else []
        return self._file(booking, Sheet(link, language, others, organiser, guest))

    def _file(self, booking: Booking, sheet: Sheet) -> bytes:
        from icalendar import Calendar

        cancelled = booking.state is State.CANCELLED
        method = "CANCEL" if cancelled else "REQUEST" if sheet.invites else "PUBLISH"
        file = Calendar()
        file.add("prodid", PRODUCER)
        file.add("version", "2.0")
        file.add("method", method)
        event = self._event(booking, sheet)
        if not cancelled:
            for before in self._alarms:
                event.add_component(_alarm(-before, _title(sheet)))
        file.add_component(event)
        content: bytes = file.to_ical()
        return content

    def _event(self, booking: Booking, sheet: Sheet) -> Event:
        from icalendar import Event, vUri

        event = Event()
        event.add("uid", f"booking-{booking.booking_id}@{self._host}")
        event.add("sequence", booking.sequence)
        event.add("dtstamp", self._clock.now())
        event.add("created", booking.created_at)
        event.add("dtstart", booking.start)
        event.add("dtend", booking.end)
        event.add("status", "CANCELLED" if booking.state is State.CANCELLED else "CONFIRMED")
        event.add("summary", _title(sheet))
        event.add("description", HOW.text(sheet.language, {"link": sheet.link}))
        event.add("location", sheet.link)
        event.add("url", vUri(sheet.link))
        if sheet.organiser:
            event.add("organizer", _address(sheet.organiser))
        if sheet.invites and sheet.guest:
            attendee = _address(sheet.guest)
            attendee.params |= {"ROLE": "REQ-PARTICIPANT", "PARTSTAT": "NEEDS-ACTION"}
            event.add("attendee", attendee)
        return event


def _organiser(caller: Caller, booking: Booking) -> Guest | None:
    """Whoever booked, where the token says their address: bookings do not keep it."""
    email = caller.email or ""
    if caller.sub != booking.booker or not re.fullmatch(EMAIL, email):
        return None
    return Guest(caller.sub, caller.name, email)


def _title(sheet: Sheet) -> str:
    names = ", ".join(sheet.others)
    return (WITH if names else TITLE).text(sheet.language, {"names": names})


def _address(person: Guest) -> vCalAddress:
    from icalendar import vCalAddress

    address = vCalAddress(f"mailto:{quote(person.email or '', safe=MAIL_CHARACTERS)}")
    if person.name:
        address.params["CN"] = person.name
    return address


def _alarm(trigger: timedelta, text: str) -> Alarm:
    from icalendar import Alarm

    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", text)
    alarm.add("trigger", trigger)
    return alarm
