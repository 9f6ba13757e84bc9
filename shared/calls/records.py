"""From visits to calls. Pure, and blind to the order and the number of the events behind them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from shared.calls.models import Call, Visit


def joined(visit: Visit, at: datetime) -> Visit:
    """The earliest report counts."""
    return replace(visit, joined_at=min(visit.joined_at or at, at))


def connected(visit: Visit, at: datetime) -> Visit:
    """Media flows: whoever sends has joined, should that report be lost."""
    return replace(joined(visit, at), media_at=min(visit.media_at or at, at))


def disconnected(visit: Visit, at: datetime) -> Visit:
    """Media stopped; the person may still be in the room. The latest report counts."""
    return replace(visit, media_lost_at=max(visit.media_lost_at or at, at))


def left(visit: Visit, at: datetime) -> Visit:
    """The earliest report counts: a later one is a tick that only noticed."""
    return replace(visit, left_at=min(visit.left_at or at, at))


CHANGES = {"joined": joined, "webrtc_up": connected, "hangup": disconnected, "left": left}
"""What each of Janus' events says of a visit (`shared/janus/events.py`)."""


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
    return [_call(stretch, now, gap) for stretch in stretches]


def recognise(found: Sequence[Call], known: Iterable[int]) -> list[Call]:
    """Gives each stretch the key under which it is recorded already, or that of its first visit.

    What arrives late may show that a stretch began earlier, or that two were one: the call keeps
    the smallest key that it had.
    """
    keys = sorted(known)
    return [replace(call, key=_key(call, keys)) for call in found]


def _key(call: Call, known: Sequence[int]) -> int:
    inside = {visit.participant_id for visit in call.visits}
    return next((key for key in known if key in inside), call.visits[0].participant_id)


def _interval(visit: Visit, now: datetime) -> tuple[datetime, datetime]:
    start = visit.joined_at or now
    return start, max(start, visit.left_at or now)


def _call(visits: Sequence[Visit], now: datetime, gap: timedelta) -> Call:
    first = visits[0]
    last = max(_interval(visit, now)[1] for visit in visits)
    over = not any(visit.present for visit in visits) and now - last >= gap
    return Call(
        booking_id=first.booking_id,
        key=0,
        tenant=first.tenant,
        started_at=first.joined_at or last,
        ended_at=last if over else None,
        visits=tuple(visits),
    )
