"""The planner's policy, from the settings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from shared.fleet.policy import Policy, Warm

if TYPE_CHECKING:
    from shared.platform.settings import Settings
    from shared.platform.weekly import WeeklyWindow

_DAY = timedelta(days=1)


def policy_of(settings: Settings, since: datetime, until: datetime) -> Policy:
    """With the warm windows that share a moment with [since, until)."""
    return Policy(
        lead=settings.vm_lead,
        margin=settings.vm_margin,
        bridge=settings.vm_bridge,
        spot=settings.spot_bookings,
        warm=windows(settings, since, until),
    )


def windows(settings: Settings, since: datetime, until: datetime) -> list[Warm]:
    """In UTC, by their starts, whole also where they begin before `since` or end after `until`."""
    zone = ZoneInfo(settings.time_zone)
    # A window that began on the day before may still go on.
    day, last = since.astimezone(zone).date() - _DAY, until.astimezone(zone).date()
    found = []
    while day <= last:
        found += [w for w in _of_day(settings, day, zone) if w.start < until and since < w.end]
        day += _DAY
    return sorted(found, key=lambda w: (w.start, w.end, w.machines))


def _of_day(settings: Settings, day: date, zone: ZoneInfo) -> Iterator[Warm]:
    for window in settings.warm:
        if day.weekday() in window.weekdays:
            start, end = _hours(window, day, zone)
            if start < end:  # not when the clock skips all of it
                yield Warm(start, end, window.machines)


def _hours(window: WeeklyWindow, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Of an hour that comes twice both are in it."""
    ends = day if window.since < window.until else day + _DAY
    return _utc(day, window.since, 0, zone), _utc(ends, window.until, 1, zone)


def _utc(day: date, at: time, fold: int, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, at.replace(fold=fold), zone).astimezone(UTC)
