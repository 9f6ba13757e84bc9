"""The row of a room, and back.

It says what is under way with its room: that it is being deleted, or its pin changed. Whoever dies
over that leaves the mark, and the next run goes on from it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from shared.bookings.models import Room
from shared.platform.clock import iso, parse
from shared.platform.tables import Row, Value

DELETION, RESET, NEXT_PIN = "deletion", "reset", "next_pin"

BACK = "back"
"""Why a pin is being changed to the old one: that change turns round no more."""

UNFINISHED = "unfinished"
"""Stands on the rows that have a mark, so that they are found."""


def partition_of(tenant: str, pool: int) -> str:
    return f"{tenant}|{pool:02d}"


def room_rk(room_id: int) -> str:
    return f"{room_id:016d}"


@dataclass(frozen=True, slots=True)
class Mark:
    """Something under way: who began it, when, from which address, and why."""

    at: datetime
    by: str
    address: str = ""
    reason: str = ""

    def dump(self) -> str:
        return json.dumps({**asdict(self), "at": iso(self.at)}, ensure_ascii=False)

    @classmethod
    def load(cls, text: object) -> Mark:
        data = json.loads(str(text))
        return cls(**{**data, "at": parse(data["at"])})


@dataclass(frozen=True, slots=True)
class StoredRoom:
    """A room as read. While its pin is being changed, `room` has the new one already: whoever makes
    the room in a Janus, or lets somebody in, helps on."""

    room: Room
    data: Mapping[str, Value]
    etag: str

    @property
    def deletion(self) -> Mark | None:
        return Mark.load(self.data[DELETION]) if DELETION in self.data else None

    @property
    def reset(self) -> Mark | None:
        return Mark.load(self.data[RESET]) if RESET in self.data else None

    @property
    def unfinished(self) -> bool:
        return UNFINISHED in self.data

    @property
    def begun_at(self) -> datetime:
        """When what is under way began, the latest of it."""
        marks = [mark.at for mark in (self.deletion, self.reset) if mark]
        return max(marks, default=self.room.updated_at)

    @property
    def sealed_old_pin(self) -> str:
        """The pin that counts until its change is complete."""
        return str(self.data["pin"])

    # The row as it becomes:

    def with_deletion(self, mark: Mark | None) -> dict[str, Value]:
        return self._changed({DELETION: mark.dump() if mark else ""})

    def with_reset(self, mark: Mark, sealed_pin: str) -> dict[str, Value]:
        return self._changed({RESET: mark.dump(), NEXT_PIN: sealed_pin})

    def with_pin(self, sealed_pin: str, updated_at: datetime) -> dict[str, Value]:
        changes = {"pin": sealed_pin, "updated_at": iso(updated_at)}
        return self._changed({RESET: "", NEXT_PIN: "", **changes})

    def without_reset(self) -> dict[str, Value]:
        return self._changed({RESET: "", NEXT_PIN: ""})

    def _changed(self, changes: Mapping[str, Value]) -> dict[str, Value]:
        """Empty is gone."""
        row = {**self.data, **changes, UNFINISHED: ""}
        row = {name: value for name, value in row.items() if value != "" or name not in _MARKS}
        return row | ({UNFINISHED: True} if row.keys() & {DELETION, RESET} else {})


_MARKS = {DELETION, RESET, NEXT_PIN, UNFINISHED}


def room_row(room: Room) -> dict[str, Value]:
    row: dict[str, Value] = {
        "room_id": room.room_id,
        "tenant": room.tenant,
        "size": room.size,
        "pin": room.sealed_pin,
        "created_at": iso(room.created_at),
        "updated_at": iso(room.updated_at),
    }
    if room.name is not None:
        row["name"] = room.name
    if room.metadata is not None:
        row["metadata"] = json.dumps(room.metadata, ensure_ascii=False)
    return row


def stored_room(row: Row) -> StoredRoom:
    data: Mapping[str, Any] = row.data
    reset = Mark.load(data[RESET]) if RESET in data else None
    room = Room(
        room_id=int(data["room_id"]),
        tenant=str(data["tenant"]),
        size=int(data["size"]),
        sealed_pin=str(data.get(NEXT_PIN, data["pin"])),
        created_at=parse(str(data["created_at"])),
        updated_at=parse(str(data["updated_at"])),
        name=data.get("name"),
        metadata=json.loads(data["metadata"]) if "metadata" in data else None,
        unsettled=reset is not None,
        undecided=reset is not None and reset.reason != BACK,
    )
    return StoredRoom(room, data, row.etag)
