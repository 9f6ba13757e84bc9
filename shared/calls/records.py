"""From visits to calls. Pure, and blind to the order and the number of the events behind them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from shared.calls.models import Call, Visit


def joined(visit: Visit, at: datetime) -> Visit:
    """The earliest report counts."""
    return replace(visit, joined_at=min(visit.joined_at or at, at))


def left(visit: Visit, at: datetime) -> Visit:
    """The earliest report counts: a later one is a tick that only noticed."""
    return replace(visit, left_at=min(visit.left_at or at, at))


def calls(visits: Iterable[Visit], now: datetime, gap: timedelta) -> list[Call]:
    """The stretches of one booking in which somebody was there.

    Breaks shorter than `gap` belong to the call: both pages come back after a Janus restart. A
    call has ended when nobody was there for `gap`.
    """
    seen = sorted((v for v in visits if v.joined_at), key=lambda v: (v.joined_at, v.participant_id))
    stretches: list[list[Visit]] = []
    until: datetime | None = None
    for visit in seen:
        start, end = _interval(visit, now)
        if until is None or start - until >= gap:
            stretches.append([])
            until = end
        stretches[-1].append(visit)
        until = max(until, end)
    return [_call(number, stretch, now, gap) for number, stretch in enumerate(stretches)]


def _interval(visit: Visit, now: datetime) -> tuple[datetime, datetime]:
    start = visit.joined_at or now
    return start, max(start, visit.left_at or now)


def _call(number: int, visits: Sequence[Visit], now: datetime, gap: timedelta) -> Call:
    first = visits[0]
    last = max(_interval(visit, now)[1] for visit in visits)
    over = not any(visit.present for visit in visits) and now - last >= gap
    return Call(
        booking_id=first.booking_id,
        number=number,
        tenant=first.tenant,
        started_at=first.joined_at or last,
        ended_at=last if over else None,
        visits=tuple(visits),
    )
