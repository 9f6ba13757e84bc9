"""Ids, pins and tokens. The integers stay below 2^53, so that JavaScript reads them exactly."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from random import Random

from shared.platform.clock import Clock

NONCE = r"^[A-Za-z0-9_-]{8,64}$"
"""What names a browser tab in a join."""

PLATFORM_TENANT = "platform"
"""The tenant of what concerns operators and no customer (`vm.*`)."""

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

_POOLS = 100
_PER_DAY = 10**6
_PER_POOL = 10**13
_MILLISECOND = timedelta(milliseconds=1)
# Neither 0/O/o nor 1/I/l: people read pins to each other.
_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789"


class Ids:
    """`random` is a `random.SystemRandom`, or in tests a seeded `random.Random`: pins and tokens
    are as hard to guess as it is."""

    def __init__(self, clock: Clock, random: Random) -> None:
        self._clock = clock
        self._random = random

    def booking_id(self, pool: int, start: datetime) -> int:
        """Names its home partition (calendar protocol): the UTC day of `start`, and the pool."""
        day = int(start.astimezone(UTC).strftime("%Y%m%d"))
        return (day * _POOLS + pool) * _PER_DAY + self._random.randrange(_PER_DAY)

    def room_id(self, pool: int) -> int:
        return pool * _PER_POOL + self._random.randrange(1, _PER_POOL)

    @staticmethod
    def room_pool(room_id: int) -> int:
        return room_id // _PER_POOL

    @staticmethod
    def drill_room(pool: int) -> int:
        """The room in which a machine of the pool is rehearsed: nobody can book it, because it is
        of a pool that there is not."""
        return (_POOLS + pool) * _PER_POOL

    @staticmethod
    def is_drill_room(room_id: int) -> bool:
        return Ids.room_pool(room_id) >= _POOLS

    def participant_id(self) -> int:
        """Sorts by time."""
        return self._milliseconds() * 1000 + self._random.randrange(1000)

    @staticmethod
    def first_participant_id(moment: datetime) -> int:
        """No id issued at `moment` or later is smaller."""
        return max(0, (moment - EPOCH) // _MILLISECOND) * 1000

    @staticmethod
    def issued_at(participant_id: int) -> datetime:
        return EPOCH + participant_id // 1000 * _MILLISECOND

    def pin(self) -> str:
        """69 bits."""
        return "".join(self._random.choice(_ALPHABET) for _ in range(12))

    def token(self) -> str:
        """128 bits, URL-safe."""
        raw = self._random.getrandbits(128).to_bytes(16, "big")
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")

    def secret(self) -> str:
        """256 bits, URL-safe."""
        raw = self._random.getrandbits(256).to_bytes(32, "big")
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")

    def key_id(self) -> str:
        """Sorts by time; unique, and not secret."""
        return f"{self._milliseconds():011x}{self._random.getrandbits(52):013x}"

    def event_id(self) -> str:
        """Sorts by time."""
        return f"evt_{self._milliseconds():011x}{self._random.getrandbits(84):021x}"

    def _milliseconds(self) -> int:
        return (self._clock.now() - EPOCH) // _MILLISECOND
