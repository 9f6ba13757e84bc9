"""A plan's bookings: a bar each, with marks where a call came from another machine or went on."""

from __future__ import annotations

from shared.fleet.gantt_canvas import Drawing
from shared.fleet.gantt_text import STAGES
from shared.fleet.plan_view import Carried
from shared.fleet.stays import follows

LANE = 17

CHARACTER = 6.1
"""About the width of one in a bar."""

EDGE = 4
"""Pixels of the mark at the edge of a call that moved."""

ARROW = 14
"""Pixels that it takes in a bar that has room for it."""


def booking_bar(drawing: Drawing, booking: Carried, y: float) -> None:
    style = booking.stage.value if booking.vm else "none"
    tip = _tip(drawing, booking)
    wide = drawing.span(booking.start, booking.end, y, LANE, f"bar {style}", tip, 3)
    inside = _edges(drawing, booking, y, wide) if booking.came_from or booking.went_to else (6, 0)
    x = drawing.axis.x(booking.start)
    for label in (f"{booking.tenant} · {booking.booking_id}", booking.tenant):
        if len(label) * CHARACTER + sum(inside) + 4 <= wide:
            drawing.text(x + inside[0], y + 12.5, label, "in")
            return


def _tip(drawing: Drawing, booking: Carried) -> str:
    said = STAGES[booking.stage].text(drawing.language, {})
    where = booking.vm or drawing.word("unplaced")
    when = drawing.time(booking.start, booking.end)
    lines = [f"{said} {booking.booking_id}", f"{booking.tenant} · {where}", when]
    if booking.came_from:
        lines.append(f"{drawing.word('moved_from')} {booking.came_from}")
    if booking.went_to:
        lines.append(f"{drawing.word('moved_to')} {booking.went_to}")
    return "\n".join(lines)


def _edges(drawing: Drawing, booking: Carried, y: float, wide: float) -> tuple[float, float]:
    """Marks the edges at which it came and went, if they are seen; returns what a label leaves
    free on the left and on the right. Half of a narrow bar is a mark."""
    drawing.bars.append((booking, y))
    view, axis, tip = drawing.view, drawing.axis, _tip(drawing, booking)
    edge, start = min(EDGE, wide / 2), axis.x(booking.start)
    left, right = 6.0, 0.0
    roomy = wide >= 2 * ARROW + EDGE
    if booking.came_from and view.since <= booking.start:
        drawing.box(start, y, edge, LANE, "moved", tip)
        if roomy:
            drawing.text(start + EDGE + 2, y + 12.5, "→", "in")
            left = EDGE + ARROW
    if booking.went_to and booking.end <= view.until:
        drawing.box(start + wide - edge, y, edge, LANE, "moved", tip)
        if roomy:
            drawing.text(start + wide - EDGE - 2, y + 12.5, "→", "in", "end")
            right = EDGE + ARROW
    return left, right


def moves(drawing: Drawing) -> None:
    """A line from where a call left to where it went on."""
    came: dict[int, list[tuple[Carried, float]]] = {}
    for bar in drawing.bars:
        if bar[0].came_from and drawing.view.since <= bar[0].start < drawing.view.until:
            came.setdefault(bar[0].booking_id, []).append(bar)
    for before, y in drawing.bars:
        for after, below in came.get(before.booking_id, ()):
            if follows(before, after):
                x = drawing.axis.x(after.start)
                ends = (y + LANE, below) if y < below else (y, below + LANE)
                drawing.line(x, ends[0], x, ends[1], "move")
