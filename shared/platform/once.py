"""Idempotency keys: the same request sent twice is carried out once, and answered the same.

A key's row reserves the id of the thing to be made; the thing's own row, in the transaction that
makes it, holds the sealed answer and the key's mark. So there is no moment at which the thing
exists and its answer is lost, and no further wait for storage (docs/calendar.md).

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from shared.platform.clock import Clock, iso, parse
from shared.platform.problems import Problem
from shared.platform.tables import (
    Conflict,
    Delete,
    Insert,
    Op,
    Replace,
    Row,
    StorageUnavailable,
    Tables,
    Value,
)

if TYPE_CHECKING:
    from shared.platform.auth import Caller
    from shared.platform.crypto import Crypto

T = TypeVar("T")

TABLE = "Idempotency"
MAX_OPS = 100
EVERY_DIGEST = "g"
"""Sorts behind every digest: the keys of this table are all digests."""

LIFE = timedelta(hours=24)
IN_FLIGHT = timedelta(seconds=60)
"""After this a request that has made nothing is taken for dead, and its key may be tried again:
with the id that it reserved, so that it can't come back and make a second thing."""

SLOW = timedelta(seconds=10)

Find = Callable[[str], Awaitable[Mapping[str, Any] | None]]
"""The row of the thing with a reserved id, or None."""


class Replay(Exception):
    """It was done before. `answer` is the text that was sealed then."""

    def __init__(self, answer: str) -> None:
        super().__init__("replay")
        self.answer = answer


class Keys:
    """The store of idempotency keys. Every method may raise `StorageUnavailable`."""

    def __init__(self, tables: Tables, crypto: Crypto, clock: Clock) -> None:
        self._tables = tables
        self._crypto = crypto
        self._clock = clock

    def once(self, caller: Caller, key: str, request: str, answer: Callable[[T], str]) -> Once[T]:
        """`request` is what must be the same for a replay; `answer` renders what was made."""
        return Once(self._tables, self._crypto, self._clock, caller, key, request, answer)

    async def purge(self) -> int:
        """Removes the keys that are older than their life; returns how many."""
        limit = self._clock.now() - LIFE
        rows = await self._tables.scan(TABLE, ("", EVERY_DIGEST), ("", EVERY_DIGEST), {})
        old = [row for row in rows if parse(str(row.data["at"])) < limit]
        for pk, same in groupby(old, key=lambda row: row.pk):
            keys = [Delete(row.rk, row.etag) for row in same]
            for n in range(0, len(keys), MAX_OPS):
                await self._forget(pk, keys[n : n + MAX_OPS])
        return len(old)

    async def _forget(self, pk: str, keys: list[Delete]) -> None:
        try:
            await self._tables.commit(TABLE, pk, keys)
        except Conflict:
            return  # one was taken anew meanwhile: the next night


class Once(Generic[T]):
    """One request with a key."""

    def __init__(
        self,
        tables: Tables,
        crypto: Crypto,
        clock: Clock,
        caller: Caller,
        key: str,
        request: str,
        answer: Callable[[T], str],
    ) -> None:
        self._tables = tables
        self._crypto = crypto
        self._clock = clock
        self._pk = _digest(f"{caller.tenant}\n{caller.sub}")
        self._rk = _digest(key)
        self._request = _digest(request)
        self._answer = answer
        self._begun = clock.now()
        self._held = self._met = False
        self.mark = _digest(f"{self._pk}\n{key}")
        """What the thing's row keeps to be recognised by."""

    async def begin(self, reserve: str, find: Find) -> str:
        """Takes the key; returns the id to use, which an earlier request may have reserved.

        Raises `Replay` when the thing exists, and Problem 409 while another request may be making
        it, 422 when the key was used for another request.
        """
        try:
            await self._put(Insert(self._rk, self._row(reserve)))
        except Conflict:
            chosen = await self._meet(reserve, find)
            self._met = chosen != reserve
            reserve = chosen
        self._held = True
        return reserve

    async def _meet(self, reserve: str, find: Find) -> str:
        row = await self._tables.get(TABLE, self._pk, self._rk)
        if row is None:  # the other request has just been refused, and gave the key back
            raise _in_flight()
        age = self._clock.now() - parse(str(row.data["at"]))
        if age >= LIFE:
            return await self._take_over(row, reserve)
        if row.data["request"] != self._request:
            raise Problem(422, "idempotency_key_reused")
        reserved = str(row.data["reserved"])
        if reserved == reserve:  # our own row: its answer was lost
            return reserve
        made = await find(reserved)
        if made is not None and self.made(made):
            raise self.replay(made)
        if age < IN_FLIGHT:
            raise _in_flight(age)
        # An id that somebody else's thing has got meanwhile is of no use.
        return await self._take_over(row, reserve if made is not None else reserved)

    async def replayed(self, find: Find) -> None:
        """For a request that may no longer be made: raises `Replay` when it was, in its time."""
        row = await self._tables.get(TABLE, self._pk, self._rk)
        if row is None or row.data["request"] != self._request:
            return
        if self._clock.now() - parse(str(row.data["at"])) < LIFE:
            made = await find(str(row.data["reserved"]))
            if made is not None and self.made(made):
                raise self.replay(made)

    async def _take_over(self, row: Row, reserve: str) -> str:
        try:
            await self._put(Replace(self._rk, self._row(reserve), row.etag))
        except Conflict:
            raise _in_flight() from None
        return reserve

    async def reserve(self, other: str) -> None:
        """Another id, when the reserved one was found to be somebody else's."""
        row = await self._tables.get(TABLE, self._pk, self._rk)
        if row is None or row.data["request"] != self._request:
            raise _in_flight()
        await self._take_over(row, other)

    def made(self, row: Mapping[str, Any]) -> bool:
        """Whether this thing was made under our key."""
        return row.get("once") == self.mark

    def replay(self, row: Mapping[str, Any]) -> Replay:
        packed = self._crypto.decrypt_bytes(str(row["answer"]))
        return Replay(zlib.decompress(packed).decode())

    def sealed(self, thing: T) -> dict[str, Value]:
        """The properties that the thing's row must be written with.

        One property holds 32 K characters: payloads are bounded so that their answers fit.
        """
        packed = zlib.compress(self._answer(thing).encode(), 9)
        return {"once": self.mark, "answer": self._crypto.encrypt_bytes(packed)}

    @property
    def shared(self) -> bool:
        """Whether another request may make the thing with the id that this one has: it was taken
        over, or may have been."""
        slow = self._clock.now() - self._begun >= IN_FLIGHT / 2
        return self._held and (self._met or slow)

    async def release(self) -> None:
        """Gives the key back after a refusal, so that the request may be tried again at once.

        Best effort; never another request's, nor while another may come back with its id.
        """
        if not self._held or self.shared:
            return
        try:
            await self._put(Delete(self._rk))
        except (Conflict, StorageUnavailable):
            return

    async def _put(self, op: Op) -> None:
        await self._tables.commit(TABLE, self._pk, [op])

    def _row(self, reserve: str) -> dict[str, Value]:
        return {
            "request": self._request,
            "reserved": reserve,
            "at": iso(self._clock.now()),
        }


def _in_flight(age: timedelta = timedelta(0)) -> Problem:
    """It ends soon as a rule; one that has taken so long is dead, and its key is free then."""
    wait = timedelta(seconds=2) if age < SLOW else IN_FLIGHT - age
    seconds = str(math.ceil(wait.total_seconds()))
    return Problem(409, "idempotency_in_flight", headers={"Retry-After": seconds})


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
