"""Examples for the OpenAPI document: one story, told with the same ids everywhere.

Alice books room 12345 for ten o'clock of a day and invites Maria. The day is a parameter, because
what people try in a browser should be in the future.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from functions.fleet_examples import BY_HAND, fleet_answers
from functions.report_examples import report_answers, report_csv

DAY = date(2026, 6, 20)
"""Of the examples in files, which stay as they are."""

HOST = "http://localhost:7071"
ROOM, OTHER_ROOM = 12345, 67890
MARIA = "h3Jm0c2vT8KkQ4b9ZyXw1A"
MACHINE = "janus-0"
KEY_ID = "00343c8de0f8d2a1b9c4e7f6"
EVENT = "evt_00343c8de0f00000000000000000000a1b2"
OPERATION_ID = "5d8c27cf1a1f4b0f9c62a7f3"
JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"
INVITE = "eyJhbGciOiJIUzI1NiIsInR5cCI6Imludml0ZSJ9.eyJqdGkiOiJndWVzdCJ9.c2lnbmF0dXJl"
PASSWORD, NEW_PASSWORD = "Ab3xkL9pQ2mn", "Xy9vAb7MkT4w"
API_KEY = f"suroga.YWNtZQ.{KEY_ID}.dGhlIHRva2VuIGlzIHNob3duIHRoaXMgb25jZSBvbmx5"
IDEMPOTENCY_KEY = "7c1f1d2e-6a43-4f0e-9a51-2f3f6d1f0b8c"
QR = '<?xml version="1.0" encoding="utf-8"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="148"/>'


class Examples:
    """`bodies` and `answers` are by the name of their model."""

    def __init__(self, day: date = DAY) -> None:
        self.day = day
        self.booking_id = int(f"{day:%Y%m%d}00123456")
        self.start, self.end = self.at("10:00"), self.at("11:00")
        self.parameters = self._parameters()
        self.bodies = self._bodies()
        self.answers = {**self._rooms(), **self._bookings(), **self._rest()}
        self.answers |= fleet_answers(self.at, self.booking_id, MACHINE)
        self.answers |= report_answers(day, self.booking_id, MACHINE)
        self.files = {
            "image/svg+xml": QR,
            "text/calendar": self._ics(),
            "text/csv": report_csv(day, self.booking_id),
        }

    def at(self, clock: str, days: int = 0) -> str:
        return f"{self.day + timedelta(days):%Y-%m-%d}T{clock}:00Z"

    def _parameters(self) -> dict[str, Any]:
        """By name; those that depend on the operation by its name and theirs."""
        return {
            "room_id": ROOM,
            "booking_id": self.booking_id,
            "series_id": self.booking_id,
            "invite_id": MARIA,
            "key_id": KEY_ID,
            "vm": MACHINE,
            "from": self.at("00:00"),
            "to": self.at("00:00", 1),
            "limit": 50,
            "rooms_list.after": str(ROOM - 1),
            "rooms_availability.after": str(ROOM - 1),
            "bookings_list.after": f"{self.day}T09:00:00.000000Z|{self.booking_id}",
            "api_keys_list.after": KEY_ID,
            "audit_list.after": "012345678901234567|" + EVENT,
            "available": "true",
            "start_time": self.start,
            "end_time": self.end,
            "max_participants": 2,
            "created_before": self.at("00:00"),
            "created_after": self.at("00:00", -30),
            "status": "upcoming",
            "date": self.day.isoformat(),
            "format": "svg",
            "scale": 4,
            "since": self.at("00:00", -7),
            "until": self.at("00:00", 1),
            "actor": "alice",
            "action": "call.join",
            "subject": f"booking/{self.booking_id}",
            "scope": "platform",
            "month": f"{self.day:%Y-%m}",
            "by": "week",
            "tenant": "acme",
            "Idempotency-Key": IDEMPOTENCY_KEY,
        }

    def _bodies(self) -> dict[str, dict[str, Any]]:
        guest = {"name": "Maria", "email": "maria@example.com"}
        join = {"nonce": "browser-tab-1", "display": "Alice"}
        return {
            "ApiKeyCreate": {
                "name": "Reception",
                "scopes": ["bookings:read", "bookings:write"],
                "roles": ["user"],
                "expires_at": "2099-01-01T00:00:00Z",
            },
            "BookingCreate": {"start_time": self.start, "end_time": self.end, "guests": [guest]},
            "BookingExtend": {"end_time": self.at("11:30")},
            "BookingPatch": {"start_time": self.at("14:00"), "end_time": self.at("15:00")},
            "DrillCreate": {"vm": MACHINE},
            "InviteCreate": guest,
            "InviteJoinRequest": {**join, "display": "Maria", "token": INVITE},
            "InviteShowRequest": {"token": INVITE},
            "JoinRequest": join,
            **BY_HAND,
            "PasswordReset": {"force": False},
            "RoomCreate": {
                "max_participants": 2,
                "optional_name": "Sala de reunião X",
                "metadata": {"floor": 3},
            },
            "SeriesCreate": {
                "start_time": f"{self.day}T09:00:00-03:00",
                "end_time": f"{self.day}T09:30:00-03:00",
                "time_zone": "America/Sao_Paulo",
                "rrule": "FREQ=WEEKLY;COUNT=3",
            },
            "TokenRequest": {"user": "alice", "tenant": "acme", "roles": ["user"]},
        }

    def _rooms(self) -> dict[str, dict[str, Any]]:
        view = {
            "room_id": ROOM,
            "max_participants": 2,
            "optional_name": "Sala de reunião X",
            "metadata": {"floor": 3},
            "created_at": self.at("12:00", -10),
            "updated_at": self.at("12:00", -10),
        }
        people = [(14310042000123, "Alice"), (14310043000456, "Maria")]
        return {
            "RoomView": view,
            "RoomDetail": {**view, "has_future_booking": True},
            "RoomCreated": {**view, "password": PASSWORD},
            "Availability": {
                "available_rooms": [
                    {"room_id": ROOM, "max_participants": 2},
                    {"room_id": OTHER_ROOM, "max_participants": 4},
                ]
            },
            "NewPassword": {"room_id": ROOM, "new_password": NEW_PASSWORD},
            "ParticipantsView": {
                "room_id": ROOM,
                "participant_count": len(people),
                "participants": [
                    {"id": number, "display": name, "metadata": {"publisher": True}}
                    for number, name in people
                ],
            },
        }

    def _bookings(self) -> dict[str, dict[str, Any]]:
        view = {
            "booking_id": self.booking_id,
            "room_id": ROOM,
            "start_time": self.start,
            "end_time": self.end,
            "status": "upcoming",
            "phase": "scheduled",
            "opens_at": self.at("09:50"),
            "cancel_until": self.at("09:00"),
            "change_until": self.at("09:00"),
        }
        link = f"{HOST}/call#invite={INVITE}"
        invite = {
            "invite_id": MARIA,
            "name": "Maria",
            "email": "maria@example.com",
            "invite_url": link,
        }
        repeated = self._occurrences()
        ids = [each["booking_id"] for each in repeated]
        of_series = [{**view, **each, "series_id": ids[0]} for each in repeated]
        for each in of_series:
            each["opens_at"] = each["start_time"].replace("12:00", "11:50")
            each["cancel_until"] = each["change_until"] = each["start_time"].replace("T12", "T11")
        return {
            "BookingView": view,
            "BookingDetail": {**view, "invite_url": link},
            "BookingCreated": {
                **view,
                "password": PASSWORD,
                "invite_url": link,
                "guests": [invite],
            },
            "InviteView": invite,
            "SeriesCreated": {
                "series_id": ids[0],
                "room_id": ROOM,
                "password": PASSWORD,
                "bookings": repeated,
            },
            "SeriesView": {
                "series_id": ids[0],
                "rrule": "FREQ=WEEKLY;COUNT=3",
                "time_zone": "America/Sao_Paulo",
                "bookings": of_series,
            },
            "SeriesCancelled": {
                "cancelled": ids[1:],
                "kept": [{"booking_id": ids[0], "code": "cancel_too_late"}],
            },
        }

    def _occurrences(self) -> list[dict[str, Any]]:
        return [
            {
                "booking_id": int(f"{self.day + timedelta(days):%Y%m%d}00123456"),
                "start_time": self.at("12:00", days),
                "end_time": self.at("12:30", days),
            }
            for days in (0, 7, 14)
        ]

    def _rest(self) -> dict[str, dict[str, Any]]:
        key = {
            "key_id": KEY_ID,
            "name": "Reception",
            "scopes": ["bookings:read", "bookings:write"],
            "roles": ["user"],
            "created_by": "root",
            "created_at": self.at("08:00", -1),
            "expires_at": "2099-01-01T00:00:00Z",
        }
        shown = {
            "booking_id": self.booking_id,
            "start_time": self.start,
            "end_time": self.end,
        }
        return {
            "ApiKeyView": key,
            "ApiKeyCreated": {**key, "token": API_KEY},
            "ChannelTest": {
                "channel": 2,
                "service": "slack",
                "ok": False,
                "reason": "http_404",
            },
            "AuditEntry": {
                "id": EVENT,
                "at": self.at("09:58"),
                "actor": "alice",
                "action": "call.join",
                "subject": f"booking/{self.booking_id}",
                "address": "203.0.113.7:51234",
                "operation_id": OPERATION_ID,
                "details": {"booking_id": self.booking_id, "room_id": ROOM, "display": "Alice"},
            },
            "AuthConfig": {"local_sign_in": True},
            "Health": {"status": "ok", "database": "ok", "queue": "ok", "janus": "ok"},
            "InviteShown": {
                **shown,
                "phase": "scheduled",
                "opens_at": self.at("09:50"),
                "name": "Maria",
            },
            "Ticket": {
                **shown,
                "room_id": ROOM,
                "participant_id": 14310042000123,
                "display": "Alice",
                "host": True,
                "janus_url": "ws://127.0.0.1:8188",
                "janus_urls": ["ws://127.0.0.1:8188", "http://127.0.0.1:8190/janus"],
                "session_token": "1781953800,janus,janus.plugin.videoroom:c2lnbmF0dXJl",
                "room_token": f"1781953800,janus.plugin.videoroom,room={ROOM}:c2lnbmF0dXJl",
                "pin": PASSWORD,
                "ice_servers": [{"urls": "stun:stun.example.com:3478"}],
                "expires_at": self.at("11:10"),
            },
            "Token": {"access_token": JWT, "token_type": "Bearer", "expires_in": 43200},
        }

    def _ics(self) -> str:
        stamp = f"{self.day:%Y%m%d}T"
        lines = [
            "BEGIN:VCALENDAR",
            "VERSION:2.0",
            "PRODID:-//Suroga//Suroga Streaming//EN",
            "METHOD:PUBLISH",
            "BEGIN:VEVENT",
            f"UID:booking-{self.booking_id}@localhost",
            f"DTSTAMP:{stamp}080000Z",
            f"DTSTART:{stamp}100000Z",
            f"DTEND:{stamp}110000Z",
            "SUMMARY:Video call",
            "SEQUENCE:0",
            "END:VEVENT",
            "END:VCALENDAR",
        ]
        return "\r\n".join(lines) + "\r\n"
