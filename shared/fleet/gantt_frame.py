"""What is around the rows of a drawn plan: title, legend, the axis, and the moment that is now."""

from __future__ import annotations

from shared.fleet.gantt_canvas import HEAD, MARGIN, Drawing
from shared.fleet.gantt_text import STAGES, day, number
from shared.fleet.plan_view import Stage


def head(drawing: Drawing, zone: str) -> None:
    view = drawing.view
    drawing.text(MARGIN, 30, drawing.word("title"), "h1")
    when = f"{drawing.time(view.since, view.until)} ({zone})"
    drawing.text(MARGIN, 50, f"{when}  ·  {_sums(drawing)}", "mute")
    x: float = MARGIN + len(drawing.word("title")) * 11 + 24
    for warning in _warnings(drawing):
        drawing.text(x, 30, warning, "bad big")
        x += len(warning) * 8.5 + 24


def _warnings(drawing: Drawing) -> list[str]:
    view, unplaced = drawing.view, len(drawing.view.unplaced)
    many = "unplaced_one" if unplaced == 1 else "unplaced_many"
    found = [f"{unplaced} {drawing.word(many)}"] if unplaced else []
    return found if view.complete else [*found, drawing.word("incomplete")]


def _sums(drawing: Drawing) -> str:
    view, language = drawing.view, drawing.language
    booked = len({b.booking_id for b in (*view.bookings, *view.unplaced)})
    said = [
        _count(drawing, len(view.machines), "machine"),
        _count(drawing, booked, "booking"),
        f"{number(view.machine_hours, language)} {drawing.word('hours')}",
        f"{_percent(view.ratio)} % {drawing.word('of_always')}",
    ]
    return "  ·  ".join(said)


def _percent(ratio: float) -> str:
    """A system that idles is not told to cost nothing."""
    return "<1" if 0 < ratio < 0.005 else str(round(ratio * 100))


def _count(drawing: Drawing, count: int, name: str) -> str:
    return f"{count} {drawing.word(name if count == 1 else name + 's')}"


def about(drawing: Drawing) -> str:
    view = drawing.view
    said = f"{drawing.time(view.since, view.until)}: {_sums(drawing)}".replace("  ·  ", ", ")
    unplaced = f", {drawing.word('unplaced')}: {len(view.unplaced)}" if view.unplaced else ""
    return f"{said}{unplaced}."


def legend(drawing: Drawing) -> None:
    x: float = MARGIN
    shown = [("was", drawing.word("actual")), ("will", drawing.word("planned"))]
    shown += [(stage.value, STAGES[stage].text(drawing.language, {})) for stage in Stage]
    shown += [("hold", drawing.word("hold")), ("out", drawing.word("exclusion"))]
    shown += [("none", drawing.word("unplaced"))]
    shown += [("moved", drawing.word("moved")), ("lost", drawing.word("lost"))]
    for style, said in shown:
        # As it is drawn: the end of a machine's bar, a little higher than it.
        mark = (x + 6, 61, 5, 15) if style == "lost" else (x, 63, 16, 11)
        drawing.box(*mark, style, r=2)
        drawing.text(x + 21, 73, said, "small mute")
        x += 21 + len(said) * 6.2 + 13


def axis_and_grid(drawing: Drawing, bottom: float) -> None:
    """Days above, hours below."""
    axis = drawing.axis
    drawing.line(0, HEAD, axis.right, HEAD, "rule")
    days = list(axis.days())
    for start, end in days:
        if axis.local(start).weekday() > 4:
            drawing.box(axis.x(start), HEAD, axis.x(end) - axis.x(start), bottom - HEAD, "weekend")
    _hours(drawing, bottom)
    for start, end in days:
        x, wide = axis.x(start), axis.x(end) - axis.x(start)
        drawing.line(x, HEAD - 38, x, bottom, "day")
        said = day(axis.local(start), drawing.language)
        for label in (said, said.partition(" ")[2], said.split(" ")[1]):
            if len(label) * 6.6 + 8 <= wide:
                drawing.text(x + 5, HEAD - 26, label, "small b")
                break


def _hours(drawing: Drawing, bottom: float) -> None:
    """Labels give way to the pill of now, and at the right edge, where they would stick out."""
    axis, (pill, wide) = drawing.axis, _pill(drawing)
    for tick in axis.ticks():
        x = axis.x(tick)
        drawing.line(x, HEAD - 5, x, bottom, "grid")
        if x <= axis.right - 12 and not pill - 18 < x < pill + wide + 18:
            drawing.text(x, HEAD - 9, f"{axis.local(tick):%H:%M}", "mute small", "middle")


def _pill(drawing: Drawing) -> tuple[float, float]:
    """Where the word for now begins, and its width: none when that is outside."""
    view, axis = drawing.view, drawing.axis
    if not view.since <= view.now < view.until:
        return -1000, 0
    wide = len(_now_said(drawing)) * 6.6 + 12
    return min(max(axis.x(view.now) - wide / 2, axis.left), axis.right - wide), wide


def _now_said(drawing: Drawing) -> str:
    return f"{drawing.word('now')} {drawing.axis.local(drawing.view.now):%H:%M}"


def now(drawing: Drawing, bottom: float) -> None:
    view, axis = drawing.view, drawing.axis
    past = axis.x(view.now)
    if view.now > view.since:
        drawing.box(axis.left, HEAD, past - axis.left, bottom - HEAD, "past")
    at, wide = _pill(drawing)
    if not wide:
        return
    drawing.line(past, HEAD - 22, past, bottom, "now")
    drawing.box(at, HEAD - 22, wide, 17, "pill", r=8)
    drawing.text(at + wide / 2, HEAD - 9.5, _now_said(drawing), "small on-pill", "middle")


def empty(drawing: Drawing, rows: int, bottom: float) -> None:
    view = drawing.view
    if view.bookings or view.unplaced or any(machine.on for machine in view.machines):
        return
    said = drawing.word("nothing" if rows else "no_machines")
    drawing.text(
        drawing.axis.left + drawing.axis.width / 2,
        (HEAD + bottom) / 2 + 5,
        said,
        "mute big",
        "middle",
    )
