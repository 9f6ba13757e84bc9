"""The Janus port: rooms and participants of one machine's Janus.

Two adapters speak it: `client` (the Admin API over HTTP) and the in-memory fake in `tests/fakes`.
Both pass `tests/integration/test_janus_contract.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


class Endpoint(Protocol):
    """Where a machine's Janus is: its name picks the keys, the URLs reach it."""

    @property
    def name(self) -> str: ...
    @property
    def janus_url(self) -> str: ...
    @property
    def admin_url(self) -> str: ...


class JanusError(Exception):
    """Janus refused. `code` is Janus's own (433: wrong secret), 0 when there is none."""

    def __init__(self, reason: str, code: int = 0) -> None:
        super().__init__(f"{reason} ({code})" if code else reason)
        self.code = code
        self.reason = reason


class JanusUnavailable(JanusError):
    """No answer: refused, timed out, or not Janus. What was asked may have been done or not."""


class NoSuchRoom(JanusError):
    """426: the room was never created here, was destroyed, or vanished when Janus restarted."""

    def __init__(self, reason: str = "No such room", code: int = 426) -> None:
        super().__init__(reason, code)


@dataclass(frozen=True, slots=True)
class Participant:
    """`publisher` is false until media was published, and for those who only watch."""

    id: int
    display: str
    publisher: bool


@dataclass(frozen=True, slots=True)
class RoomSpec:
    """`pin` guards joining, `secret` guards management and never leaves the server."""

    room_id: int
    pin: str = field(repr=False)
    size: int
    secret: str = field(repr=False)


class Janus(Protocol):
    """One machine's Janus. Every method may raise `JanusUnavailable` (within about 2 s) and
    `JanusError`."""

    async def ready(self, *, sessions: bool = True) -> None:
        """Returns when browsers can work with it: signed tokens open sessions, forged ones don't.

        Without `sessions` none is opened, for one that accepts none (472) but carries calls: the
        Admin API answers and says that it is in signed mode.
        Raises `JanusUnavailable`, or `JanusError` with the reason.
        """
        ...

    async def accept_sessions(self, on: bool) -> None:
        """While off, a new session gets 472: whoever reloads the page is locked out too. Sessions
        that exist go on. A restart switches it on again."""
        ...

    async def rehearse(self, room: RoomSpec) -> None:
        """A call without media: joins the room as a browser does, over the first URL, with signed
        tokens and the pin, sees itself in the list of participants, and leaves.

        Raises within about 5 s, with the step that failed. Janus counts the visitor among the
        participants meanwhile, and its events tell of the visit.
        """
        ...

    async def create_room(self, room: RoomSpec) -> None:
        """A room that exists (427) counts as success, and keeps the pin and secret it has."""
        ...

    async def edit_room(self, room_id: int, secret: str, new_pin: str) -> None:
        """Changes the pin; those inside stay. Raises `NoSuchRoom`."""
        ...

    async def rooms(self) -> set[int]:
        """The ids of all rooms, the private ones too."""
        ...

    async def destroy_room(self, room_id: int, secret: str) -> None:
        """Everybody inside is thrown out. A room that is not there (426) counts as success."""
        ...

    async def participants(self, room_id: int) -> list[Participant]:
        """Who has joined. Raises `NoSuchRoom`."""
        ...

    async def kick(self, room_id: int, secret: str, participant_id: int) -> None:
        """A participant who is not there (428) counts as success. Raises `NoSuchRoom`."""
        ...


class JanusFactory(Protocol):
    def __call__(self, machine: Endpoint) -> Janus:
        """The Janus of this machine. Cheap: nothing is connected yet."""
        ...
