"""A booking on one machine after the other: where it came from, where it went on. Pure.

The ledger has a row for each stay. That a machine was lost it does not say: it shows in on-time
that ended when a call went on elsewhere, for a call leaves no machine that works.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

from shared.fleet.plan_view import Carried

SAME = timedelta(minutes=1)
"""Between two stays of a call that moved; what is farther apart was booked anew."""

SOON = timedelta(minutes=3)
"""Between a machine's end and its calls' going on: a pass of the reconciler or two."""


def linked(carried: Iterable[Carried]) -> list[Carried]:
    """The same, each with the machine before and the one after it; those that never began on their
    machine are left out."""
    by_booking: dict[int, list[Carried]] = {}
    for one in carried:
        if one.start < one.end:
            by_booking.setdefault(one.booking_id, []).append(one)
    return [one for stays in by_booking.values() for one in _linked(stays)]


def _linked(stays: list[Carried]) -> list[Carried]:
    found = sorted(stays, key=lambda each: (each.start, each.end))
    for n, (before, after) in enumerate(pairwise(found)):
        if follows(before, after):
            found[n] = replace(found[n], went_to=after.vm)
            found[n + 1] = replace(found[n + 1], came_from=before.vm)
    return found


def follows(before: Carried, after: Carried) -> bool:
    """Whether a call went on there, of two stays of one booking."""
    both = before.vm and after.vm and before.vm != after.vm
    return bool(both) and abs(after.start - before.end) <= SAME


def left(stays: Iterable[Carried]) -> dict[str, list[datetime]]:
    """By machine, when calls went on elsewhere."""
    found: dict[str, list[datetime]] = {}
    for one in stays:
        if one.went_to:
            found.setdefault(one.vm, []).append(one.end)
    return found


def lost(end: datetime, calls_left: Iterable[datetime]) -> bool:
    """Whether a machine that went off then was lost, or failed."""
    return any(abs(moment - end) <= SOON for moment in calls_left)
