"""Claims: which room is taken when, in one day's partition. Pure: no storage here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from shared.bookings.models import Booking
from shared.platform.clock import iso, parse
from shared.platform.intervals import peak
from shared.platform.tables import Insert, Op, Replace, Row, Value

HEAD = "a"
CLAIM = "b|"
AFTER_CLAIMS = "c"

CLOSED_LIFE = timedelta(minutes=15)
"""How long a head names a room that is being deleted. It is there for a writer that read the day
after it was closed, and the room's row before that was marked: both are read in the same wait,
which the storage's time-out (10 s a page) bounds. The rest is for clocks that differ."""

MOST_CLOSED = 300
"""Rooms that a head names: some 15,000 characters, of the 32 K that a property holds."""


def partition(pool: int, day: date) -> str:
    return f"{pool:02d}|{day:%Y%m%d}"


def partitions(pool: int, start: datetime, end: datetime) -> list[str]:
    """Every day that [start, end) touches, in UTC; the first is the home."""
    first, last = start.date(), (end - timedelta(microseconds=1)).date()
    return [partition(pool, first + timedelta(days=n)) for n in range((last - first).days + 1)]


def home_of(booking_id: int) -> str:
    """The partition that a booking's id names; empty when it names none."""
    digits = f"{booking_id:016d}"
    try:
        day = datetime.strptime(digits[:8], "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError:
        return ""
    if len(digits) != 16:
        return ""
    return partition(int(digits[8:10]), day)


def claimed_days(booking: Booking) -> list[str]:
    """The days that hold the booking's claims; after a move its home need not be one of them."""
    home = home_of(booking.booking_id)
    return partitions(int(home[:2]), booking.start, booking.end)


def day_bounds(pk: str) -> tuple[datetime, datetime]:
    day = datetime.strptime(pk.split("|")[1], "%Y%m%d").replace(tzinfo=UTC)
    return day, datetime.combine(day.date() + timedelta(days=1), time(), UTC)


@dataclass(frozen=True, slots=True)
class Claim:
    """A room taken for [start, end), in one day's partition `pk`.

    `home` is where the booking's row is. A claim that is `pending` waits for the decision of its
    `attempt`, which stands in the partition `fence`.
    """

    booking_id: int
    room_id: int
    tenant: str
    start: datetime
    end: datetime
    home: str
    attempt: str
    claimed_at: datetime
    pk: str
    fence: str = ""
    ended: bool = False
    etag: str = ""

    @property
    def rk(self) -> str:
        """Outside the home one an attempt: a move keeps the old claim until it has the new one."""
        return f"{CLAIM}{self.booking_id}" + (f"|{self.attempt}" if self.foreign else "")

    @property
    def pending(self) -> bool:
        return self.fence != ""

    @property
    def foreign(self) -> bool:
        return self.pk != self.home

    @property
    def loose(self) -> bool:
        """Whether somebody else decides if it holds: the attempt, or the booking at its home."""
        return self.pending or self.foreign

    @property
    def first(self) -> bool:
        """Whether its day is the one on which the booking begins."""
        return day_bounds(self.pk)[0].date() == self.start.date()

    def overlaps(self, start: datetime, end: datetime) -> bool:
        """One that was ended as it began takes nothing."""
        return self.start < end and start < self.end and self.start < self.end

    def to_row(self) -> dict[str, Value]:
        return {
            "booking_id": self.booking_id,
            "room_id": self.room_id,
            "tenant": self.tenant,
            "start": iso(self.start),
            "end": iso(self.end),
            "home": self.home,
            "attempt": self.attempt,
            "claimed_at": iso(self.claimed_at),
            "fence": self.fence,
            "ended": self.ended,
            "loose": self.loose,
        }

    @classmethod
    def from_row(cls, row: Row) -> Claim:
        data = row.data
        return cls(
            booking_id=int(data["booking_id"]),
            room_id=int(data["room_id"]),
            tenant=str(data["tenant"]),
            start=parse(str(data["start"])),
            end=parse(str(data["end"])),
            home=str(data["home"]),
            attempt=str(data["attempt"]),
            claimed_at=parse(str(data["claimed_at"])),
            pk=row.pk,
            fence=str(data["fence"]),
            ended=bool(data["ended"]),
            etag=row.etag,
        )


@dataclass(frozen=True, slots=True)
class Day:
    """One partition as read: the head's ETag is empty when nobody has booked on that day.

    `closed` are the rooms that somebody is deleting, with the moment at which that began.
    """

    pk: str
    head_etag: str
    claims: Mapping[str, Claim]
    closed: Mapping[int, datetime] = field(default_factory=dict)

    @classmethod
    def from_rows(cls, pk: str, rows: Sequence[Row]) -> Day:
        head = next((row for row in rows if row.rk == HEAD), None)
        claims = {row.rk: Claim.from_row(row) for row in rows if row.rk.startswith(CLAIM)}
        marks = json.loads(str(head.data.get("closed", "{}"))) if head else {}
        closed = {int(room): parse(at) for room, at in marks.items()}
        return cls(pk, head.etag if head else "", claims, closed)

    def head(self, now: datetime, closing: int = 0) -> Op:
        """Writing the head gives it a new ETag: whoever has read the day before can't commit."""
        closed = self._closed(now) | ({closing: now} if closing else {})
        data: dict[str, Value] = {}
        if closed:
            data["closed"] = json.dumps({str(room): iso(at) for room, at in closed.items()})
        return Replace(HEAD, data, self.head_etag) if self.head_etag else Insert(HEAD, data)

    def full(self, now: datetime, closing: int = 0) -> bool:
        """Whether the head can't name one more room that is being deleted."""
        return len(self._closed(now).keys() - {closing}) >= MOST_CLOSED

    def _closed(self, now: datetime) -> dict[int, datetime]:
        return {room: at for room, at in self.closed.items() if now - at < CLOSED_LIFE}

    def taken_rooms(self, start: datetime, end: datetime, ignoring: int = 0) -> set[int]:
        return {c.room_id for c in self._others(ignoring) if c.overlaps(start, end)}

    def peak(self, start: datetime, end: datetime, ignoring: int = 0) -> int:
        """The most claims that hold at one moment of [start, end) on this day, besides those of the
        booking `ignoring`, which is about to move."""
        first, last = day_bounds(self.pk)
        return peak(self._others(ignoring), max(start, first), min(end, last))

    def _others(self, ignoring: int) -> list[Claim]:
        return [c for c in self.claims.values() if c.booking_id != ignoring]
