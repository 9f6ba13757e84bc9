"""The Janus port in memory."""

from __future__ import annotations

import asyncio
from itertools import count

from shared.janus.port import JanusError, JanusUnavailable, NoSuchRoom, Participant, RoomSpec


class FakeJanus:
    """`down`: nothing is answered. `unready`: the reason that `ready` gives. `fail_next`: raised
    once by the next request. `accepting`: whether new sessions are let in. `rehearsals`: the rooms
    that were rehearsed; `rehearsal_fails`: the reason why none is. `calls` records (verb, room id)
    of every request that was made."""

    def __init__(self) -> None:
        self.room_specs: dict[int, RoomSpec] = {}
        self.people: dict[int, list[Participant]] = {}
        self.calls: list[tuple[str, int]] = []
        self.down = False
        self.unready = ""
        self.accepting = True
        self.rehearsals: list[int] = []
        self.rehearsal_fails = ""
        self.fail_next: JanusError | None = None
        self._ids = count(1000)

    def join(self, room_id: int, participant_id: int = 0, display: str = "") -> Participant:
        """Somebody joins with a browser and publishes."""
        self._session()
        person = Participant(participant_id or next(self._ids), display, True)
        self.people[self._room(room_id).room_id].append(person)
        return person

    def leave(self, room_id: int, participant_id: int) -> None:
        self.people[room_id] = [p for p in self.people[room_id] if p.id != participant_id]

    def wipe(self) -> None:
        """What a restart does."""
        self.room_specs.clear()
        self.people.clear()
        self.accepting = True

    async def ready(self, *, sessions: bool = True) -> None:
        await self._request("ready")
        if self.unready:
            raise JanusError(self.unready)
        if sessions:
            self._session()

    async def accept_sessions(self, on: bool) -> None:
        await self._request("accept_sessions")
        self.accepting = on

    async def rehearse(self, room: RoomSpec) -> None:
        await self._request("rehearse", room.room_id)
        if self.rehearsal_fails:
            raise JanusError(self.rehearsal_fails)
        self._session()
        if room.room_id not in self.room_specs:
            raise JanusError("Can't join the room: No such room", 426)
        if self.room_specs[room.room_id].pin != room.pin:
            raise JanusError("Can't join the room: Unauthorized (wrong pin)", 433)
        self.rehearsals.append(room.room_id)

    async def create_room(self, room: RoomSpec) -> None:
        await self._request("create", room.room_id)
        if room.room_id not in self.room_specs:
            self.room_specs[room.room_id] = room
            self.people[room.room_id] = []

    async def edit_room(self, room_id: int, secret: str, new_pin: str) -> None:
        await self._request("edit", room_id)
        room = self._room(room_id, secret)
        self.room_specs[room_id] = RoomSpec(room_id, new_pin, room.size, room.secret)

    async def rooms(self) -> set[int]:
        await self._request("list")
        return set(self.room_specs)

    async def destroy_room(self, room_id: int, secret: str) -> None:
        await self._request("destroy", room_id)
        if room_id in self.room_specs:
            self._room(room_id, secret)
            del self.room_specs[room_id], self.people[room_id]

    async def participants(self, room_id: int) -> list[Participant]:
        await self._request("listparticipants", room_id)
        return list(self.people[self._room(room_id).room_id])

    async def kick(self, room_id: int, secret: str, participant_id: int) -> None:
        await self._request("kick", room_id)
        self._room(room_id, secret)
        self.leave(room_id, participant_id)

    def _session(self) -> None:
        if not self.accepting:
            raise JanusError("Not accepting new sessions", 472)

    def _room(self, room_id: int, secret: str | None = None) -> RoomSpec:
        room = self.room_specs.get(room_id)
        if room is None:
            raise NoSuchRoom
        if secret is not None and secret != room.secret:
            raise JanusError("Unauthorized (wrong secret)", 433)
        return room

    async def _request(self, verb: str, room_id: int = 0) -> None:
        self.calls.append((verb, room_id))
        await asyncio.sleep(0)
        error, self.fail_next = self.fail_next, None
        if self.down:
            raise JanusUnavailable("Janus does not answer")
        if error:
            raise error
