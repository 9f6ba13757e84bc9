"""Claims: which room is taken when, in one day's partition. Pure: no storage here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from shared.bookings.models import Booking
from shared.platform.clock import iso, parse
from shared.platform.intervals import peak
from shared.platform.tables import Row, Value

HEAD = "a"
CLAIM = "b|"
AFTER_CLAIMS = "c"


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


def partitions_of(booking: Booking) -> list[str]:
    """The days of a booking, its home first."""
    home = home_of(booking.booking_id)
    return partitions(int(home[:2]), booking.start, booking.end)


def day_bounds(pk: str) -> tuple[datetime, datetime]:
    day = datetime.strptime(pk.split("|")[1], "%Y%m%d").replace(tzinfo=UTC)
    return day, datetime.combine(day.date() + timedelta(days=1), time(), UTC)


@dataclass(frozen=True, slots=True)
class Claim:
    """A room taken for [start, end). Only a claim outside its home is ever pending."""

    booking_id: int
    room_id: int
    tenant: str
    start: datetime
    end: datetime
    home: str
    attempt: str
    claimed_at: datetime
    pending: bool = False
    ended: bool = False
    pk: str = ""
    etag: str = ""

    @property
    def rk(self) -> str:
        return f"{CLAIM}{self.booking_id}"

    @property
    def foreign(self) -> bool:
        return self.pk != self.home

    def overlaps(self, start: datetime, end: datetime) -> bool:
        return self.start < end and start < self.end

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
            "pending": self.pending,
            "ended": self.ended,
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
            pending=bool(data["pending"]),
            ended=bool(data["ended"]),
            pk=row.pk,
            etag=row.etag,
        )


@dataclass(frozen=True, slots=True)
class Day:
    """One partition as read: the head's ETag is empty when nobody has booked on that day."""

    pk: str
    head_etag: str
    claims: Mapping[int, Claim]

    @classmethod
    def from_rows(cls, pk: str, rows: Sequence[Row]) -> Day:
        head = next((row.etag for row in rows if row.rk == HEAD), "")
        claims = (Claim.from_row(row) for row in rows if row.rk.startswith(CLAIM))
        return cls(pk, head, {claim.booking_id: claim for claim in claims})

    def taken_rooms(self, start: datetime, end: datetime) -> set[int]:
        return {c.room_id for c in self.claims.values() if c.overlaps(start, end)}

    def peak(self, start: datetime, end: datetime) -> int:
        """The most claims that hold at one moment of [start, end) on this day."""
        first, last = day_bounds(self.pk)
        return peak(self.claims.values(), max(start, first), min(end, last))
