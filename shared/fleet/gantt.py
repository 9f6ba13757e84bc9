"""Draws a plan: machines as rows, when they are on, and what they carry (SVG). Pure.

Without scripts and without anything from elsewhere; its looks follow the reader's colour scheme.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from shared.fleet import gantt_frame as frame
from shared.fleet.gantt_axis import Axis, width
from shared.fleet.gantt_bars import CHARACTER, LANE, booking_bar, moves
from shared.fleet.gantt_canvas import HEAD, MARGIN, Drawing, pixels
from shared.fleet.gantt_text import CAUSES, STYLE, plain, word
from shared.fleet.plan_view import Carried, MachineRow, Mark, On, PlanView
from shared.platform.i18n import Language

LEFT = 204
GAP, PAD = 3, 9
LOST = 4
"""Pixels of the mark at the end of what was lost."""
FEW_LANES = 4
"""A machine with more places shows as many as it uses."""


@dataclass(frozen=True, slots=True)
class _Row:
    """A stripe of the picture: `lanes` of bookings, one below the other."""

    name: str
    about: str
    lanes: Sequence[Sequence[Carried]]
    machine: MachineRow | None = None

    @property
    def height(self) -> int:
        return 2 * PAD + len(self.lanes) * (LANE + GAP) - GAP


def draw(view: PlanView, zone: str, language: Language) -> bytes:
    """An SVG document; its times are those of the IANA zone."""
    wide = width(view.until - view.since)
    axis = Axis(view.since, view.until, ZoneInfo(zone), LEFT, wide)
    drawing = Drawing(view, axis, language)
    rows = _rows(view, language)
    bottom = HEAD + sum(row.height for row in rows) + (0 if rows else 90)
    frame.axis_and_grid(drawing, bottom)
    y = HEAD
    for row in rows:
        _row(drawing, row, y)
        y += row.height
    moves(drawing)
    frame.empty(drawing, len(rows), bottom)
    frame.now(drawing, bottom)
    frame.head(drawing, zone)
    frame.legend(drawing)
    return _document(drawing, LEFT + wide + MARGIN, bottom + MARGIN).encode()


def _document(drawing: Drawing, wide: float, high: float) -> str:
    title, about = drawing.word("title"), frame.about(drawing)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{pixels(wide)}" height="{pixels(high)}" '
        f'viewBox="0 0 {pixels(wide)} {pixels(high)}" role="img" aria-labelledby="t d" '
        f'xml:lang="{drawing.language}"><title id="t">{plain(title)}</title>'
        f'<desc id="d">{plain(about)}</desc><style>{STYLE}</style>'
        '<defs><pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><line y2="7" class="hatch" stroke-width="4"/></pattern>'
        f'</defs><rect width="100%" height="100%" class="bg"/>{"".join(drawing.parts)}</svg>\n'
    )


# -- rows ------------------------------------------------------------------------------------------


def _rows(view: PlanView, language: Language) -> list[_Row]:
    """What no machine carries comes first: it is what somebody has to see to."""
    carried: dict[str, list[Carried]] = {}
    for booking in view.bookings:
        carried.setdefault(booking.vm, []).append(booking)
    rows = []
    if view.unplaced:
        rows.append(_Row(word("unplaced", language), "", _lanes(view.unplaced)))
    for machine in view.machines:
        lanes = _lanes(carried.get(machine.name, ()))
        fewest = max(1, min(machine.capacity, FEW_LANES))
        lanes += [[] for _ in range(fewest - len(lanes))]
        rows.append(_Row(machine.name, _facts(machine, language), lanes, machine))
    return rows


def _facts(machine: MachineRow, language: Language) -> str:
    places = word("place" if machine.capacity == 1 else "capacity", language)
    facts = [machine.region, "Spot" if machine.spot else "", f"{machine.capacity} {places}"]
    return " · ".join(fact for fact in facts if fact)


def _lanes(bookings: Iterable[Carried]) -> list[list[Carried]]:
    """Each in the first lane that is free: no more of them than bookings at one moment."""
    lanes: list[list[Carried]] = []
    for booking in sorted(bookings, key=lambda b: (b.start, b.booking_id)):
        free = next((lane for lane in lanes if lane[-1].end <= booking.start), None)
        if free is None:
            lanes.append([booking])
        else:
            free.append(booking)
    return lanes


def _row(drawing: Drawing, row: _Row, y: float) -> None:
    axis, machine = drawing.axis, row.machine
    bottom = y + row.height
    if machine is None:
        drawing.box(0, y, axis.right, row.height, "badrow")
    drawing.text(MARGIN, y + PAD + 13, _short(row.name, 24), "b" if machine else "b bad")
    drawing.text(MARGIN, y + PAD + 30, _short(row.about, 30), "mute small")
    for index in range(1, len(row.lanes)):
        at = y + PAD + index * (LANE + GAP) - GAP / 2
        drawing.line(axis.left, at, axis.right, at, "lane")
    if machine:
        _background(drawing, machine, y + 3, row.height - 6)
        _said(drawing, row, machine, y)
    for index, lane in enumerate(row.lanes):
        for booking in lane:
            booking_bar(drawing, booking, y + PAD + index * (LANE + GAP))
    drawing.line(0, bottom, axis.right, bottom, "rule")


def _background(drawing: Drawing, machine: MachineRow, y: float, high: float) -> None:
    for on in machine.on:
        style = "was" if on.actual else "will"
        drawing.span(on.start, on.end, y, high, style, _on_tip(drawing, machine, on), 4)
    for style, marks in (("out", machine.exclusions), ("hold", machine.holds)):
        for mark in marks:
            if mark.start < drawing.view.until and drawing.view.since < mark.end:
                _mark(drawing, mark, style, machine, y, high)
    for on in machine.on:
        if on.lost:
            tip = _lost_tip(drawing, machine, on)
            drawing.box(drawing.axis.x(on.end), y - 2, LOST, high + 4, "lost", tip, 1)


def _mark(
    drawing: Drawing, mark: Mark, style: str, machine: MachineRow, y: float, high: float
) -> None:
    """A hold is a hatched band along the top and the bottom, so that bookings stay readable."""
    said = drawing.word("hold" if style == "hold" else "exclusion")
    tip = f"{machine.name} · {said}\n{drawing.time(mark.start, mark.end)}\n{mark.reason}"
    if style == "out":
        drawing.span(mark.start, mark.end, y, high, style, tip, 4)
        return
    for at in (y, y + high - 6):
        drawing.span(mark.start, mark.end, at, 6, style, tip, 0)


def _said(drawing: Drawing, row: _Row, machine: MachineRow, y: float) -> None:
    """What a person has decided, and why, in words where the lowest lane is free."""
    axis = drawing.axis
    for name, marks in (("hold", machine.holds), ("exclusion", machine.exclusions)):
        for mark in marks:
            said = f"{drawing.word(name)}: {mark.reason}"
            x, wide = axis.x(mark.start) + 8, len(said) * CHARACTER + 8
            under = [b for b in row.lanes[-1] if axis.x(b.end) > x and axis.x(b.start) < x + wide]
            if x + wide <= axis.x(mark.end) and not under:
                drawing.text(x, y + row.height - PAD - 4, said, "mute small tag")


def _on_tip(drawing: Drawing, machine: MachineRow, on: On) -> str:
    said = drawing.word("actual" if on.actual else "planned")
    causes = sorted(CAUSES[cause].text(drawing.language, {}) for cause in on.causes)
    because = f"\n{', '.join(causes)}" if causes else ""
    return f"{machine.name} · {said}\n{drawing.time(on.start, on.end)}{because}"


def _lost_tip(drawing: Drawing, machine: MachineRow, on: On) -> str:
    said, when = drawing.word("lost"), drawing.moment(drawing.axis.local(on.end))
    return f"{machine.name} · {said}\n{when}\n{drawing.word('went_on')}"


def _short(text: str, longest: int) -> str:
    """What the left column has room for."""
    return text if len(text) <= longest else text[: longest - 1] + "…"
