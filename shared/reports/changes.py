"""What has changed of the bookings since the last plan. Pure, but for the rows that remember them.

Each plan remembers the bookings of its own week and of the next one, so the next plan can tell.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.bookings.claims import Claim
from shared.platform.clock import iso, parse
from shared.platform.tables import Insert
from shared.reports.periods import moment, seconds

PART = 30_000
"""Characters of a row: a property holds 32 K."""

MOST_PARTS = 60
"""Rows that commit with the plan; bookings that they do not hold are not compared."""

FIRST = 50
"""Changes of each kind that are named."""


@dataclass(frozen=True, slots=True)
class Noted:
    """A booking as a plan knew it."""

    booking_id: int
    tenant: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Notes:
    """The bookings that begin before `horizon`, as they were `at` the plan."""

    at: datetime
    horizon: datetime
    bookings: Mapping[int, Noted] = field(default_factory=dict)

    def rows(self, prefix: str) -> list[Insert]:
        parts = [json.dumps(part, ensure_ascii=False) for part in _parts(self.bookings.values())]
        return [Insert(f"{prefix}{n:03d}", {"bookings": text}) for n, text in enumerate(parts)]


def notes(at: datetime, horizon: datetime, claims: Iterable[Claim]) -> Notes:
    """What is to be remembered; the horizon is nearer when there are more than the rows hold."""
    found = [
        Noted(c.booking_id, c.tenant, c.start, c.end)
        for c in claims
        if at <= c.start < horizon and c.start < c.end and not c.ended
    ]
    found.sort(key=lambda one: (one.start, one.booking_id))
    held = sum(len(part) for part in [*_parts(found)][:MOST_PARTS])
    if held < len(found):
        horizon = found[held].start
    return Notes(at, horizon, {one.booking_id: one for one in found if one.start < horizon})


def read_notes(at: datetime, horizon: datetime, texts: Iterable[str]) -> Notes:
    rows = (row for text in texts for row in json.loads(text))
    found = [Noted(n, tenant, moment(start), moment(end)) for n, tenant, start, end in rows]
    return Notes(at, horizon, {one.booking_id: one for one in found})


def _parts(bookings: Iterable[Noted]) -> Iterator[list[Any]]:
    part: list[Any] = []
    size = 0
    for one in bookings:
        row = [one.booking_id, one.tenant, seconds(one.start), seconds(one.end)]
        length = len(json.dumps(row, ensure_ascii=False)) + 2
        if part and size + length > PART:
            yield part
            part, size = [], 0
        part.append(row)
        size += length
    if part:
        yield part


@dataclass(frozen=True, slots=True)
class Changes:
    """By their starts. `gone` are no more among those that begin before the horizon."""

    since: datetime
    added: Sequence[Noted]
    moved: Sequence[tuple[Noted, Noted]]
    gone: Sequence[Noted]


def changes(before: Notes, after: Notes, until: datetime) -> Changes:
    """Of the bookings that begin in [after.at, until), as far as both know of them."""
    until = min(until, before.horizon, after.horizon)

    def within(one: Noted) -> bool:
        return after.at <= one.start < until

    was, now = before.bookings, after.bookings
    both = [(was[n], now[n]) for n in was.keys() & now.keys()]
    return Changes(
        before.at,
        added=_sorted(one for n, one in now.items() if n not in was and within(one)),
        moved=sorted(
            ((a, b) for a, b in both if a != b and (within(a) or within(b))),
            key=lambda pair: (pair[1].start, pair[1].booking_id),
        ),
        gone=_sorted(one for n, one in was.items() if n not in now and within(one)),
    )


def _sorted(found: Iterable[Noted]) -> list[Noted]:
    return sorted(found, key=lambda one: (one.start, one.booking_id))


def told(one: Noted, previous: Noted | None = None) -> dict[str, Any]:
    shown: dict[str, Any] = {"booking_id": one.booking_id, "tenant": one.tenant}
    shown |= {"start": iso(one.start), "end": iso(one.end)}
    if previous:
        shown |= {"previous_start": iso(previous.start), "previous_end": iso(previous.end)}
    return shown


def parsed(row: Mapping[str, Any]) -> tuple[datetime, datetime]:
    return parse(row["at"]), parse(row["horizon"])
