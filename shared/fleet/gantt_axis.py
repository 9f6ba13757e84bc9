"""The time axis of a drawn plan: where the hours and days of a time zone are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
QUARTER = timedelta(minutes=15)

STEPS = (5, 10, 15, 30, 60, 120, 180, 360, 720)
"""Minutes between two ticks."""

ROOM = 44
"""Pixels that an hour's label takes."""


@dataclass(frozen=True, slots=True)
class Axis:
    """[since, until) on `width` pixels that begin at `left`."""

    since: datetime
    until: datetime
    zone: ZoneInfo
    left: float
    width: float

    def x(self, moment: datetime) -> float:
        """Within the chart, also of what is outside."""
        share = (moment - self.since) / (self.until - self.since)
        return self.left + self.width * min(max(share, 0.0), 1.0)

    @property
    def right(self) -> float:
        return self.left + self.width

    def local(self, moment: datetime) -> datetime:
        return moment.astimezone(self.zone)

    def ticks(self) -> Iterator[datetime]:
        """At full hours (minutes, multiples of hours) of the zone; none where days are narrow."""
        per_minute = self.width / ((self.until - self.since) / timedelta(minutes=1))
        step = next((each for each in STEPS if each * per_minute >= ROOM), None)
        if step is None:
            return
        stride = min(QUARTER, timedelta(minutes=step))  # every zone's offset is of quarters
        moment = _floor(self.since, stride)
        while moment < self.until:
            local = self.local(moment)
            if moment >= self.since and (local.hour * 60 + local.minute) % step == 0:
                yield moment
            moment += stride

    def days(self) -> Iterator[tuple[datetime, datetime]]:
        """The parts of the days of the zone that are seen; one may have 23 or 25 hours."""
        day = self.local(self.since).date()
        while True:
            start, end = self._midnight(day), self._midnight(day + DAY)
            if start >= self.until:
                return
            if end > self.since:
                yield max(start, self.since), min(end, self.until)
            day += DAY

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), self.zone).astimezone(UTC)


def _floor(moment: datetime, stride: timedelta) -> datetime:
    return moment - (moment - datetime(1970, 1, 1, tzinfo=UTC)) % stride


def width(length: timedelta) -> float:
    """Pixels: a day fits a screen; what is longer grows, and a month can still be scrolled."""
    days = length / DAY
    return min(1000 + max(days - 1, 0) * 200, 3400)
