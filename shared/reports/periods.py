"""Weeks and months in the time zone of the reports: a day may have 23 or 25 hours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from shared.reports.models import By

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Period:
    """[start, end) in UTC. `name` is `2026-W43` (ISO 8601, weeks begin on Monday) or `2026-10`;
    `day` is its first one."""

    name: str
    day: date
    start: datetime
    end: datetime


def seconds(moment: datetime) -> int:
    """Whole seconds since 1970: bills count in them."""
    return (moment - _EPOCH) // _SECOND


def moment(at: int) -> datetime:
    return _EPOCH + timedelta(seconds=at)


def midnight(day: date, zone: str) -> datetime:
    """When the day begins; where the clocks skip midnight, at the moment at which they do."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def local_day(at: datetime, zone: str) -> date:
    return at.astimezone(ZoneInfo(zone)).date()


def month(name: str, zone: str) -> Period:
    """Of `2026-10`."""
    return _period(date.fromisoformat(f"{name}-01"), "month", zone)


def period_of(at: datetime, by: By, zone: str) -> Period:
    """The one that holds this moment."""
    day = local_day(at, zone)
    first = day.replace(day=1) if by == "month" else day - timedelta(days=day.weekday())
    return _period(first, by, zone)


def following(period: Period, by: By, zone: str) -> Period:
    return period_of(period.end, by, zone)


def previous(period: Period, by: By, zone: str) -> Period:
    return period_of(period.start - _SECOND, by, zone)


def periods(since: datetime, until: datetime, by: By, zone: str) -> Iterator[Period]:
    """Those of [since, until), the first and the last one as far as they are in it."""
    while since < until:
        whole = period_of(since, by, zone)
        yield Period(whole.name, whole.day, since, min(whole.end, until))
        since = whole.end


def _period(first: date, by: By, zone: str) -> Period:
    if by == "week":
        after = first + timedelta(days=7)
        name = f"{first:%G-W%V}"
    else:
        after = (first + timedelta(days=31)).replace(day=1)
        name = f"{first:%Y-%m}"
    return Period(name, first, midnight(first, zone), midnight(after, zone))
