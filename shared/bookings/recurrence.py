"""When a series of bookings takes place (RFC 5545, 3.3.10): wall-clock times of a time zone. Pure.

09:00 stays 09:00 when the clocks change; each booking lasts as long as the first one. A time that
the clocks skip is refused with its date; of one that comes twice the first is meant, unless the
start was given with an offset: then whichever of the two the start itself is.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import TYPE_CHECKING, cast
from zoneinfo import ZoneInfo

from shared.platform.clock import iso
from shared.platform.i18n import Message
from shared.platform.payload import in_range
from shared.platform.problems import FieldError, Problem, invalid
from shared.platform.zones import zones

if TYPE_CHECKING:
    from dateutil.rrule import rrule

MOST = 104
"""Occurrences: two years of weeks. With the house's limits, about what one transaction can tell."""

FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")


def _listed(one: str) -> str:
    return rf"({one})(,({one}))*"


LAST_YEAR = 9998
"""One before Python's last, so that a week may reach over its end."""

MONTH_DAY = r"[+-]?([1-9]|[12]\d|3[01])"
WEEKDAY = r"([+-]?([1-9]|[1-4]\d|5[0-3]))?(MO|TU|WE|TH|FR|SA|SU)"
PARTS = {
    "FREQ": "|".join(FREQUENCIES),
    "INTERVAL": r"[1-9]\d{0,2}",
    "COUNT": r"[1-9]\d{0,3}",
    "UNTIL": r"\d{8}(T\d{6}Z?)?",
    "WKST": "MO|TU|WE|TH|FR|SA|SU",
    "BYDAY": _listed(WEEKDAY),
    "BYMONTHDAY": _listed(MONTH_DAY),
    "BYMONTH": _listed(r"[1-9]|1[0-2]"),
    "BYSETPOS": _listed(r"[+-]?[1-9]\d?"),
}


def occurrences(
    start: datetime, end: datetime, zone_name: str, rule: str, latest: datetime
) -> list[tuple[datetime, datetime]]:
    """The intervals in UTC, the first one first. `start` and `end`: naive (wall clock of the zone)
    or with an offset; nothing begins after `latest`.

    Raises Problem 400 that names the field and, for a time that does not exist, its date.
    """
    zone = _zone(zone_name)
    first, length = _first(start, end, zone)
    wall = first.replace(tzinfo=None, fold=0)
    parts = _parts(rule)
    last = latest.astimezone(zone).replace(tzinfo=None)
    walls = _walls(parts, wall, zone, last)
    if len(walls) > MOST:
        raise _bad(
            "rrule",
            f"dá mais de {MOST} reservas: indique COUNT ou um UNTIL anterior",
            f"gives more than {MOST} bookings: set COUNT or an earlier UNTIL",
        )
    if not walls or walls[0] != wall:
        raise _bad(
            "start_time",
            "deve ser a primeira data que rrule dá",
            "must be the first time that rrule gives",
        )
    if "COUNT" in parts and len(walls) < int(parts["COUNT"]):
        raise _bad(
            "rrule",
            f"continua depois de {iso(latest)}, o limite para reservar",
            f"goes on after {iso(latest)}, which is as far as one may book",
        )
    starts = [_moment(each, first.fold, zone) for each in walls]
    if any(start + length > following for start, following in pairwise(starts)):
        raise _bad(
            "end_time",
            "não pode ser depois do início da reserva seguinte da série",
            "must not be after the next booking of the series begins",
        )
    return [(moment, moment + length) for moment in starts]


def _zone(name: str) -> ZoneInfo:
    if name not in zones():
        raise _bad(
            "time_zone",
            "deve ser um nome IANA como Europe/Lisbon",
            "must be an IANA name like Europe/Lisbon",
        )
    return ZoneInfo(name)


def _first(start: datetime, end: datetime, zone: ZoneInfo) -> tuple[datetime, timedelta]:
    """The first start in the zone (its `fold` says which one is meant), and the length."""
    if (start.tzinfo is None) != (end.tzinfo is None):
        raise _bad(
            "end_time",
            "deve ter desvio horário se e só se start_time o tem",
            "must have an offset if start_time has one, and none if not",
        )
    if start.tzinfo is None:
        begin, finish = _moment(start, 0, zone), _moment(end, 0, zone, "end_time")
        if finish <= begin < _moment(end, 1, zone, "end_time"):
            finish = _moment(end, 1, zone, "end_time")  # from the first 01:45 to the second 01:15
    else:
        begin, finish = start.astimezone(UTC), end.astimezone(UTC)
    return begin.astimezone(zone), finish - begin


def _moment(wall: datetime, fold: int, zone: ZoneInfo, field: str = "start_time") -> datetime:
    """The moment at which the zone's clocks show this time."""
    moment = wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None, fold=0) != wall.replace(fold=0):
        raise _bad(
            field,
            f"{wall:%Y-%m-%d %H:%M} não existe em {zone.key}: os relógios saltam essa hora",
            f"{wall:%Y-%m-%d %H:%M} does not exist in {zone.key}: the clocks skip it",
        )
    return moment


def _parts(rule: str) -> Mapping[str, str]:
    text = rule.strip().upper().removeprefix("RRULE:")
    parts: dict[str, str] = {}
    for part in filter(None, text.split(";")):
        name, _, value = part.partition("=")
        if name in parts or name not in PARTS or not re.fullmatch(PARTS[name], value):
            raise _bad(
                "rrule",
                f"{part[:40]} não é aceite; partes: {', '.join(PARTS)}",
                f"{part[:40]} is not understood; parts: {', '.join(PARTS)}",
            )
        parts[name] = value
    if "FREQ" not in parts:
        raise _bad(
            "rrule",
            f"deve ter FREQ: {', '.join(FREQUENCIES)}",
            f"must have a FREQ: {', '.join(FREQUENCIES)}",
        )
    if ("COUNT" in parts) == ("UNTIL" in parts):
        raise _bad("rrule", "deve ter COUNT ou UNTIL", "must have either COUNT or UNTIL")
    return parts


def _walls(
    parts: Mapping[str, str], wall: datetime, zone: ZoneInfo, last: datetime
) -> list[datetime]:
    """Wall-clock times: `wall` and those after it, one more than may be at most."""
    until = _until(parts["UNTIL"], zone) if "UNTIL" in parts else last
    if until > last:
        raise _bad(
            "rrule",
            f"UNTIL não pode ser depois de {last:%Y-%m-%d}, o limite para reservar",
            f"UNTIL must not be after {last:%Y-%m-%d}, as far as one may book",
        )
    rest = ";".join(f"{k}={v}" for k, v in parts.items() if k not in ("COUNT", "UNTIL"))
    count = int(parts.get("COUNT", MOST + 1))
    try:
        if not _begins(rest, wall):
            return []
        return list(islice(_rule(rest, wall).replace(until=until), min(count, MOST + 1)))
    except (ValueError, IndexError, OverflowError) as error:
        raise _bad("rrule", f"não é aceite: {error}", f"is not understood: {error}") from None


def _begins(text: str, wall: datetime) -> bool:
    """Whether the rule gives its own start.

    A rule that matches no day is searched to the end of the calendar: a minute of our time. So the
    start is tried in a year near that end which has the same days. A rule that matches once does so
    again soon.
    """
    days = (calendar.isleap(wall.year), wall.replace(month=1, day=1).weekday())
    twin = next(
        year
        for year in range(LAST_YEAR, LAST_YEAR - 28, -1)
        if (calendar.isleap(year), calendar.weekday(year, 1, 1)) == days
    )
    there = wall.replace(year=twin)
    return next(iter(_rule(text, there)), None) == there


def _rule(text: str, wall: datetime) -> rrule:
    from dateutil.rrule import rrulestr

    return cast("rrule", rrulestr(text, dtstart=wall))


def _until(text: str, zone: ZoneInfo) -> datetime:
    """A day counts as a whole; a time with `Z` is UTC (RFC 5545, 3.3.10)."""
    try:
        if len(text) == 8:
            return datetime.strptime(text + "235959", "%Y%m%d%H%M%S")  # noqa: DTZ007 (wall clock)
        wall = datetime.strptime(text.rstrip("Z"), "%Y%m%dT%H%M%S")  # noqa: DTZ007
    except ValueError:
        raise _bad("rrule", f"UNTIL={text} não é uma data", f"UNTIL={text} is no date") from None
    if not in_range(wall):
        raise _bad("rrule", f"UNTIL={text} não é uma data próxima", f"UNTIL={text} is too far")
    if text.endswith("Z"):
        return wall.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)
    return wall


def _bad(field: str, pt: str, en: str) -> Problem:
    return invalid([FieldError(field, Message(pt, en))])
