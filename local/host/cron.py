"""When a timer runs: NCRONTAB expressions and TimeSpan intervals, in UTC.

The rules are the vendor's, not Unix cron's:
https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer#ncrontab-expressions
https://github.com/atifaziz/NCrontab/wiki/Crontab-Expression
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")

# 29 February on one given weekday: at most 40 years apart, where a century has no leap day.
_SEARCH_DAYS = 41 * 366

_DIGITS = re.compile(r"[0-9]{1,4}")
_SPAN = re.compile(r"(?:([0-9]{1,4})\.)?([0-9]{1,4}):([0-9]{2}):([0-9]{2})")


class Schedule:
    """Either of the two: `parse` chooses."""

    text: str

    @staticmethod
    def parse(text: str) -> Schedule:
        """Raises `ValueError` with a sentence that says what is wrong."""
        if ":" in text:
            return Interval(text.strip(), _span(text.strip()))
        return _cron(text)

    def next(self, after: datetime) -> datetime:
        """The first occurrence strictly after `after`, in UTC; raises `ValueError` if none is."""
        raise NotImplementedError


@dataclass(frozen=True)
class Interval(Schedule):
    """Azure takes these on an App Service plan only; they count from the last run."""

    text: str
    every: timedelta

    def next(self, after: datetime) -> datetime:
        return after.astimezone(UTC) + self.every


@dataclass(frozen=True)
class Cron(Schedule):
    text: str
    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    def next(self, after: datetime) -> datetime:
        start = after.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
        if self._on(start.date()) and (moment := self._from(start.time())):
            return datetime.combine(start.date(), moment, UTC)
        first = time(self.hours[0], self.minutes[0], self.seconds[0])
        for ahead in range(1, _SEARCH_DAYS):
            day = start.date() + timedelta(days=ahead)
            if self._on(day):
                return datetime.combine(day, first, UTC)
        raise ValueError(f"The schedule '{self.text}' names a date that never comes.")

    def _on(self, day: date) -> bool:
        """Day of month AND day of week: Unix cron would take either one."""
        return (
            day.month in self.months
            and day.day in self.days
            and day.isoweekday() % 7 in self.weekdays
        )

    def _from(self, moment: time) -> time | None:
        """The first time of a matching day that is not before `moment`."""
        for hour in (hour for hour in self.hours if hour >= moment.hour):
            if hour > moment.hour:
                return time(hour, self.minutes[0], self.seconds[0])
            for minute in (minute for minute in self.minutes if minute >= moment.minute):
                least = moment.second if minute == moment.minute else 0
                second = next((second for second in self.seconds if second >= least), None)
                if second is not None:
                    return time(hour, minute, second)
        return None


@dataclass(frozen=True)
class _Field:
    name: str
    least: int
    most: int
    names: tuple[str, ...] = ()

    def parse(self, text: str, whole: str) -> list[int]:
        values: set[int] = set()
        try:
            for part in text.split(","):
                values.update(self._part(part))
        except ValueError as error:
            where = f"'{text}' as the {self.name} of the schedule '{whole}'"
            raise ValueError(f"{where} is wrong: {error}.") from None
        return sorted(values)

    def _part(self, text: str) -> range:
        span, slash, step_text = text.partition("/")
        step = self._number(step_text) if slash else 1
        if step < 1:
            raise ValueError("a step is 1 or more")
        if span == "*":
            return range(self.least, self.most + 1, step)
        first_text, dash, last_text = span.partition("-")
        first = self._value(first_text)
        # As NCrontab: `5/10` starts at 5, while a step of 1 after a single value adds nothing.
        last = self._value(last_text) if dash else (self.most if step > 1 else first)
        if last < first:  # NCrontab would swap them, so that FRI-MON is MON-FRI: nobody means that
            raise ValueError(f"the range '{span}' ends before it starts")
        return range(first, last + 1, step)

    def _value(self, text: str) -> int:
        for index, name in enumerate(self.names):
            if text.lower() in (name.lower(), name[:3].lower()):
                return index + self.least
        value = self._number(text)
        if not self.least <= value <= self.most:
            raise ValueError(f"{value} is not from {self.least} to {self.most}")
        return value

    @staticmethod
    def _number(text: str) -> int:
        if not _DIGITS.fullmatch(text):
            raise ValueError(f"'{text}' is not understood")
        return int(text)


_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, MONTHS),
    _Field("day of week", 0, 6, DAYS),
)


def _cron(text: str) -> Cron:
    parts = text.split()
    if len(parts) == 5:  # the classic form, without seconds
        parts = ["0", *parts]
    if len(parts) != 6:
        raise ValueError(
            f"The schedule '{text}' has {len(parts)} fields; it takes 6: "
            "second minute hour day month day-of-week."
        )
    seconds, minutes, hours, days, months, weekdays = (
        field.parse(part, text) for field, part in zip(_FIELDS, parts, strict=True)
    )
    return Cron(
        text=" ".join(text.split()),
        seconds=tuple(seconds),
        minutes=tuple(minutes),
        hours=tuple(hours),
        days=frozenset(days),
        months=frozenset(months),
        weekdays=frozenset(weekdays),
    )


def _span(text: str) -> timedelta:
    """.NET's TimeSpan: from 24 on, the first number of three counts days (dd:hh:mm)."""
    match = _SPAN.fullmatch(text)
    if not match:
        raise ValueError(f"The schedule '{text}' is neither NCRONTAB nor an interval hh:mm:ss.")
    days, first, second, third = (int(group or 0) for group in match.groups())
    hours, minutes, seconds = first, second, third
    if first > 23 and match[1] is None:
        days, hours, minutes, seconds = first, second, third, 0
    if hours > 23 or minutes > 59 or seconds > 59:
        raise ValueError(f"The interval '{text}' has a part that is too large.")
    span = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if not span:
        raise ValueError(f"The interval '{text}' is zero.")
    return span
