"""Payloads of what rooms can do besides being listed (webrtc-streaming.md 5.4, 5.6, 5.7)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from shared.platform.payload import Payload


class AvailableRoom(Payload):
    room_id: int
    max_participants: int


class Availability(Payload):
    """The answer to `GET /rooms/availability` (5.4)."""

    available_rooms: list[AvailableRoom]


class PasswordReset(Payload):
    """Body of `POST /rooms/{id}/password/reset`, which may be empty. `force`: also when the room is
    booked, now or later."""

    force: Annotated[bool, Field(strict=True)] = False


class NewPassword(Payload):
    """The answer to a reset (5.6)."""

    room_id: int
    new_password: str


class ParticipantMetadata(Payload):
    """What Janus tells: whether they send audio or video."""

    publisher: bool


class ParticipantView(Payload):
    id: int
    display: str
    metadata: ParticipantMetadata


class ParticipantsView(Payload):
    """Who is in a room (5.7)."""

    room_id: int
    participant_count: int
    participants: list[ParticipantView]
