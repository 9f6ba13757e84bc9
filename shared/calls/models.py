"""Joining a call, and what is remembered of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from shared.bookings.models import Phase
from shared.platform.clock import iso, parse
from shared.platform.ids import NONCE
from shared.platform.payload import IceServer, Payload, Utc

if TYPE_CHECKING:
    from shared.platform.tables import Row, Value

Nonce = Annotated[str, Field(pattern=NONCE)]
InviteToken = Annotated[str, Field(min_length=1, max_length=4096)]
Display = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$")]


class JoinRequest(Payload):
    """`nonce` names the browser tab: the same one replaces itself, after a reload for instance."""

    nonce: Nonce
    display: Display | None = None


class InviteShowRequest(Payload):
    """`token` is the invite from the link's fragment."""

    token: InviteToken


class InviteShown(Payload):
    """What its invite tells of a booking, before the call and after it; `name` is the guest's."""

    booking_id: int
    start_time: Utc
    end_time: Utc
    phase: Phase
    opens_at: Utc
    name: str | None = None


class InviteJoinRequest(JoinRequest):
    """`token` is the invite from the link's fragment."""

    token: InviteToken


class Ticket(Payload):
    """What a browser needs to enter the room; the tokens end with `expires_at`.

    `janus_urls` are the ways to the room's machine in the order in which to try them: WebSocket,
    then HTTP long polling. Each join names the machine of that moment.
    """

    booking_id: int
    room_id: int
    participant_id: int
    display: str
    host: bool
    janus_url: str
    """The first of `janus_urls`."""
    janus_urls: list[str]
    session_token: str
    room_token: str
    pin: str
    ice_servers: list[IceServer]
    start_time: Utc
    end_time: Utc
    expires_at: Utc


@dataclass(frozen=True, slots=True)
class Seat:
    """A person with a browser, in one booking. `participant_id` is the newest that was issued."""

    booking_id: int
    key: str
    participant_id: int
    issued_at: datetime

    @property
    def rk(self) -> str:
        return f"s|{self.booking_id}|{self.key}"

    def to_row(self) -> dict[str, Value]:
        return {
            "booking_id": self.booking_id,
            "key": self.key,
            "participant_id": self.participant_id,
            "issued_at": iso(self.issued_at),
        }

    @classmethod
    def from_row(cls, row: Row) -> Seat:
        data: Mapping[str, Any] = row.data
        return cls(
            data["booking_id"], data["key"], data["participant_id"], parse(data["issued_at"])
        )


@dataclass(frozen=True, slots=True)
class Visit:
    """One participant id: issued once, in the room at most once. Times are what is known so far.

    `address` is where the ticket went: for the audit trail alone, and only until it is told.
    """

    participant_id: int
    booking_id: int
    tenant: str
    person: str
    display: str
    address: str = field(default="", repr=False)
    joined_at: datetime | None = None
    media_at: datetime | None = None
    media_lost_at: datetime | None = None
    left_at: datetime | None = None
    etag: str = ""

    @property
    def rk(self) -> str:
        return visit_rk(self.participant_id)

    @property
    def present(self) -> bool:
        return self.joined_at is not None and self.left_at is None

    def to_row(self) -> dict[str, Value]:
        return {
            "participant_id": self.participant_id,
            "booking_id": self.booking_id,
            "tenant": self.tenant,
            "person": self.person,
            "display": self.display,
            "address": self.address,
            **{name: _text(getattr(self, name)) for name in TIMES},
        }

    @classmethod
    def from_row(cls, row: Row) -> Visit:
        data: Mapping[str, Any] = row.data
        return cls(
            participant_id=data["participant_id"],
            booking_id=data["booking_id"],
            tenant=data["tenant"],
            person=data["person"],
            display=data["display"],
            address=data.get("address", ""),  # older rows have none
            etag=row.etag,
            **{name: _moment(data[name]) for name in TIMES},
        )


TIMES = ("joined_at", "media_at", "media_lost_at", "left_at")


def _text(moment: datetime | None) -> str:
    return iso(moment) if moment else ""


def _moment(text: str) -> datetime | None:
    return parse(text) if text else None


def visit_rk(participant_id: int) -> str:
    return f"p|{participant_id:016d}"


@dataclass(frozen=True, slots=True)
class Call:
    """One stretch of time in which somebody was in a booking's room. `ended_at` is None while it
    lasts. `key` is the participant id by which it was first recorded, 0 before."""

    booking_id: int
    key: int
    tenant: str
    started_at: datetime
    ended_at: datetime | None
    visits: tuple[Visit, ...]

    @property
    def rk(self) -> str:
        return f"c|{self.booking_id}|{self.key:016d}"
