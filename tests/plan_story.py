"""A day that a plan can show: calls all day, a machine that is lost under two of them, one held on,
one excluded, two calls left over.

`python -m tests.plan_story` draws docs/images/plan.png of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from shared.fleet.gantt import draw
from shared.fleet.plan_view import Carried, MachineRow, Mark, On, PlanView, Stage
from shared.fleet.policy import Cause
from shared.fleet.stays import left, linked, lost

DAY = datetime(2026, 6, 10, tzinfo=UTC)
NOW = DAY + timedelta(hours=11, minutes=20)
PICTURE = Path(__file__).parents[1] / "docs" / "images" / "plan.png"

CALLS = {
    "janus-we-1": [
        *("08:00 09:00", "08:15 09:00", "08:30 10:00", "09:00 10:30", "09:30 10:15", "10:00 11:30"),
        *("10:30 12:00", "11:15 12:15", "12:00 13:00", "13:30 14:30", "14:00 16:00"),
        *("14:00 14:45", "15:00 16:00", "15:00 16:30", "15:00 16:15", "16:00 17:00", "16:30 18:00"),
    ],
    "janus-we-2": [
        *("09:00 10:00", "09:15 10:15", "11:15 12:30", "11:30 12:30", "14:30 16:30"),
        *("14:45 16:15", "15:00 16:00", "15:00 16:30", "16:30 17:30", "20:00 21:30"),
    ],
    "janus-ne-1": ["10:30 12:30", "14:30 16:00", "15:00 16:30"],
    "janus-ne-2": ["07:30 08:15"],
}
MOVED = ["10:00 10:35 11:15", "09:40 10:35 11:45"]
"""From janus-we-2, which is lost at 10:35, to janus-we-1."""

UNPLACED = ["15:15 16:15", "15:30 16:15"]
ON = {
    "janus-we-1": [("07:30", "18:15", (Cause.BOOKINGS, Cause.BRIDGE))],
    "janus-we-2": [
        ("08:30", "10:35", (Cause.BOOKINGS,)),
        ("10:50", "12:45", (Cause.BOOKINGS,)),
        ("14:00", "17:45", (Cause.BOOKINGS,)),
        ("19:30", "21:45", (Cause.BOOKINGS,)),
    ],
    "janus-ne-1": [("10:00", "19:00", (Cause.BOOKINGS, Cause.HOLD))],
    "janus-ne-2": [("07:00", "08:30", (Cause.BOOKINGS,))],
}
TENANTS = ("acme", "clinica-lisboa", "greenways", "tribunal")


def at(clock: str) -> datetime:
    return datetime.combine(DAY, time.fromisoformat(clock), UTC)


def story() -> PlanView:
    bookings, number = [], 0
    for vm, calls in CALLS.items():
        for call in calls:
            number += 1
            bookings.append(_booking(vm, call, number))
    for call in MOVED:
        number += 1
        start, moment, end = call.split()
        bookings.append(_booking("janus-we-2", f"{start} {moment}", number))
        bookings.append(_booking("janus-we-1", f"{moment} {end}", number))
    bookings = linked(bookings)
    unplaced = [_booking("", call, 90 + n) for n, call in enumerate(UNPLACED)]
    return PlanView(
        at("07:00"),
        at("07:00") + timedelta(hours=15),
        NOW,
        machines=[
            MachineRow(
                name,
                "westeurope" if "-we-" in name else "northeurope",
                name == "janus-ne-1",
                4 if "-we-" in name else 2,
                _on(ON[name], left(bookings).get(name, [])),
                holds=[Mark(at("10:40"), at("19:00"), "The client may stay longer")]
                if name == "janus-ne-1"
                else [],
                exclusions=[Mark(at("11:05"), at("22:00"), "New image, not tried yet")]
                if name == "janus-ne-2"
                else [],
            )
            for name in CALLS
        ],
        bookings=sorted(bookings, key=lambda b: (b.start, b.booking_id)),
        unplaced=unplaced,
    )


def _booking(vm: str, call: str, number: int) -> Carried:
    start, end = map(at, call.split())
    running = Stage.RUNNING if start <= NOW else Stage.PLANNED
    stage = Stage.OVER if end <= NOW else running
    booking_id = 2026061000100000 + number * 7919
    return Carried(booking_id, TENANTS[number * 7 % len(TENANTS)], vm, start, end, stage)


def _on(
    spans: Sequence[tuple[str, str, tuple[Cause, ...]]], calls_left: Sequence[datetime]
) -> list[On]:
    found = []
    for first, last, causes in spans:
        start, end = at(first), at(last)
        if start < NOW:
            gone = lost(end, calls_left)
            found.append(On(start, min(end, NOW), actual=True, lost=gone))
        if end > NOW:
            found.append(On(max(start, NOW), end, frozenset(causes)))
    return found


async def picture(svg: bytes, file: Path, *, dark: bool = False) -> None:
    from tests.e2e.browser import chromium

    async with chromium() as browser:
        page = await browser.new_page(
            color_scheme="dark" if dark else "light", device_scale_factor=1.5
        )
        await page.set_content(f"<style>body{{margin:0}}svg{{display:block}}</style>{svg.decode()}")
        await page.locator("svg").screenshot(path=file)


if __name__ == "__main__":
    asyncio.run(picture(draw(story(), "Europe/Lisbon", "en"), PICTURE))
