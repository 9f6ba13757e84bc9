"""The drawn plan: whole for an XML parser, true to the times, safe whatever names say."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from shared.fleet.gantt import LEFT, draw
from shared.fleet.gantt_axis import Axis, width
from shared.fleet.gantt_text import STYLE, STYLE_SOURCE
from shared.fleet.plan_view import Carried, MachineRow, Mark, On, PlanView, Stage
from shared.platform.i18n import Language
from tests.plan_story import DAY, NOW, story

SVG = "{http://www.w3.org/2000/svg}"
HOUR = timedelta(hours=1)
NASTY = "</title><script>alert('1')</script>&\"'<\x00\x1b\ud800\uffff\U0001f4a9"


def parsed(view: PlanView, zone: str = "UTC", language: Language = "en") -> ET.Element:
    root = ET.fromstring(draw(view, zone, language))
    assert root.tag == f"{SVG}svg"
    return root


def texts(root: ET.Element) -> list[str]:
    return [str(each.text) for each in root.iter(f"{SVG}text")]


def boxes(root: ET.Element, style: str) -> list[tuple[float, float, str]]:
    """(x, width, tooltip) of those with this class that are about something."""
    found = []
    for box in root.iter(f"{SVG}rect"):
        tip = box.find(f"{SVG}title")
        if tip is not None and style in str(box.get("class")).split():
            found.append((float(box.attrib["x"]), float(box.attrib["width"]), str(tip.text)))
    return found


def booking(start: float, end: float, number: int = 1, vm: str = "janus-0") -> Carried:
    """In hours of the day."""
    return Carried(number, "acme", vm, DAY + start * HOUR, DAY + end * HOUR, Stage.PLANNED)


def view(*bookings: Carried, capacity: int = 4, hours: float = 10) -> PlanView:
    machine = MachineRow("janus-0", "westeurope", False, capacity)
    return PlanView(DAY, DAY + hours * HOUR, DAY, [machine], bookings)


# -- what it shows ---------------------------------------------------------------------------------


def test_bars_are_where_the_times_are() -> None:
    on = On(DAY + HOUR, DAY + 6 * HOUR)
    shown = view(booking(2, 4), booking(3, 5, 2))
    machine = replace(shown.machines[0], on=[on])
    root = parsed(replace(shown, machines=[machine]))
    assert [(x, w) for x, w, _ in boxes(root, "planned")] == [
        (LEFT + 200, 200),
        (LEFT + 300, 200),
    ]
    assert [(x, w) for x, w, _ in boxes(root, "will")] == [(LEFT + 100, 500)]


def test_it_tells_past_from_future_and_marks_now() -> None:
    root = parsed(story(), "Europe/Lisbon")
    assert len(boxes(root, "was")) == 4
    assert len(boxes(root, "will")) == 5
    stages = {stage: len(boxes(root, stage)) for stage in ("over", "running", "planned")}
    assert sum(stages.values()) == len(story().bookings)
    assert all(stages.values())
    (line,) = [each for each in root.iter(f"{SVG}line") if each.get("class") == "now"]
    axis = Axis(story().since, story().until, ZoneInfo("UTC"), LEFT, 1000)
    assert float(line.attrib["x1"]) == pytest.approx(axis.x(NOW), abs=0.1)
    assert "now 12:20" in texts(root)


@pytest.mark.parametrize("now", [DAY - HOUR, DAY + 10 * HOUR, DAY + 40 * HOUR])
def test_now_is_marked_only_where_it_is(now: datetime) -> None:
    root = parsed(replace(view(booking(1, 2)), now=now))
    assert not [each for each in root.iter(f"{SVG}line") if each.get("class") == "now"]


def test_tooltips_say_what_a_bar_is() -> None:
    root = parsed(story(), "Europe/Lisbon")
    tips = [
        tip
        for style in ("running", "will", "hold", "out", "none")
        for *_, tip in boxes(root, style)
    ]
    joined = "\n--\n".join(tips)
    assert re.search(
        r"Booking, running 20260610001\d+\nacme · janus-we-1\nWed 10 Jun 12:00 – 13:00", joined
    )
    assert "janus-we-1 · On, planned\nWed 10 Jun 12:20 – 19:15\nbookings, short gap" in joined
    assert "janus-ne-1 · Held on by hand\nWed 10 Jun 11:40 – 20:00\nThe client may stay" in joined
    assert "janus-ne-2 · Excluded by hand" in joined
    assert "No machine" in joined


def test_what_has_no_machine_stands_first_and_in_red() -> None:
    root = parsed(story())
    assert len(boxes(root, "none")) == 2
    names = [text for text in texts(root) if text in ("No machine", "janus-we-1")]
    # Also in the legend, which is drawn last.
    assert names == ["No machine", "janus-we-1", "No machine"]
    assert "2 bookings without a machine" in texts(root)
    assert "1 booking without a machine" in texts(
        parsed(replace(story(), unplaced=story().unplaced[:1]))
    )


def test_bookings_at_the_same_time_are_in_lanes_of_their_own() -> None:
    several = [booking(1, 3, 1), booking(1, 2, 2), booking(2, 4, 3), booking(2.5, 3, 4)]
    root = parsed(view(*several))
    lanes: dict[str, list[tuple[float, float]]] = {}
    for box in root.iter(f"{SVG}rect"):
        if "planned" in str(box.get("class")) and box.find(f"{SVG}title") is not None:
            x, wide = float(box.attrib["x"]), float(box.attrib["width"])
            lanes.setdefault(box.attrib["y"], []).append((x, x + wide))
    assert len(lanes) == 3, "no more than there are at one moment"
    for taken in lanes.values():
        ordered = sorted(taken)
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(ordered))


def test_a_large_machine_takes_no_more_height_than_it_needs() -> None:
    heights = [float(parsed(view(capacity=n)).attrib["height"]) for n in (1, 2, 4, 1000)]
    assert heights == sorted(heights)
    assert heights[0] < heights[1] < heights[2] == heights[3]
    many = view(*(booking(1, 2, n) for n in range(9)), capacity=1000)
    assert float(parsed(many).attrib["height"]) > heights[3]


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("pt", "Nada reservado e nenhuma máquina ligada."),
        ("en", "Nothing is booked and no machine is on."),
    ],
)
def test_an_empty_plan_says_so(language: Language, said: str) -> None:
    assert said in texts(parsed(view(), language=language))
    assert said not in texts(parsed(view(booking(1, 2)), language=language))
    nothing = parsed(PlanView(DAY, DAY + HOUR, DAY), language=language)
    assert ("Não há máquinas." if language == "pt" else "There are no machines.") in texts(nothing)


def test_both_languages() -> None:
    portuguese, english = (texts(parsed(story(), language=each)) for each in ("pt", "en"))
    assert len(portuguese) == len(english)
    for one, other in (
        ("Plano das máquinas", "Plan of the machines"),
        ("qua 10 jun", "Wed 10 Jun"),
    ):
        assert one in portuguese
        assert other in english
    assert any("31,5 horas de máquina" in text for text in portuguese)
    assert (
        parsed(story(), language="pt").attrib["{http://www.w3.org/XML/1998/namespace}lang"] == "pt"
    )


def test_it_says_when_machines_may_be_missing() -> None:
    said = "The machines' host did not answer: some may be missing"
    assert said in texts(parsed(replace(story(), complete=False)))
    assert said not in texts(parsed(story()))


# -- for those who do not see it -------------------------------------------------------------------


def test_it_has_a_role_a_title_and_a_description() -> None:
    root = parsed(story())
    assert root.attrib["role"] == "img"
    named = {each.attrib["id"]: each.text for each in root if "id" in each.attrib}
    assert root.attrib["aria-labelledby"].split() == ["t", "d"]
    assert named["t"] == "Plan of the machines"
    assert "4 machines, 35 bookings, 31.5 machine hours" in str(named["d"])
    assert "No machine: 2" in str(named["d"])


# -- safety ----------------------------------------------------------------------------------------


def test_whatever_names_and_reasons_hold_stays_text() -> None:
    marks = [Mark(DAY, DAY + 9 * HOUR, NASTY)]
    row = MachineRow(NASTY, NASTY, True, 4, [On(DAY, DAY + HOUR)], marks, marks)
    one = Carried(1, NASTY, NASTY, DAY, DAY + 9 * HOUR, Stage.RUNNING)
    root = parsed(PlanView(DAY, DAY + 10 * HOUR, DAY, [row], [one], [replace(one, vm="")]))
    tags = {each.tag.removeprefix(SVG) for each in root.iter()}
    assert tags == {
        "svg", "title", "desc", "style", "defs", "pattern", "line", "rect", "text",
    }  # fmt: skip
    readable = re.sub(r"[\x00\x1b\ud800\uffff]", "�", NASTY)
    assert any(readable in str(each.text) for each in root.iter(f"{SVG}title"))


def test_it_holds_no_script_and_nothing_from_elsewhere() -> None:
    text = draw(story(), "UTC", "en").decode()
    assert not re.search(r"<script|<image|<use|<foreignObject|@import|\son\w+=|href", text)
    assert set(re.findall(r"url\(([^)]*)\)", text)) == {"#hatch"}
    assert re.findall(r"https?://[^\"]*", text) == ["http://www.w3.org/2000/svg"]
    assert "style=" not in text, "which the policy would not allow"


def test_the_policy_names_its_style() -> None:
    root = parsed(story())
    (style,) = list(root.iter(f"{SVG}style"))
    assert style.text == STYLE
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    assert f"'sha256-{digest}'" == STYLE_SOURCE
    assert "prefers-color-scheme:dark" in STYLE


# -- the axis --------------------------------------------------------------------------------------


@pytest.mark.parametrize("hours", [1 / 60, 1, 3, 24, 24 * 7, 24 * 31])
def test_any_length_has_a_sane_width_and_readable_labels(hours: float) -> None:
    root = parsed(replace(story(), since=DAY, until=DAY + hours * HOUR))
    assert 1000 < float(root.attrib["width"]) < 4000
    labels = [
        float(each.attrib["x"])
        for each in root.iter(f"{SVG}text")
        if re.fullmatch(r"\d\d:\d\d", str(each.text))
    ]
    assert len(labels) <= 80
    assert all(b - a >= 36 for a, b in itertools.pairwise(labels))


def axis(since: datetime, hours: float, zone: str) -> Axis:
    until = since + hours * HOUR
    return Axis(since, until, ZoneInfo(zone), 0, width(until - since))


def test_hours_are_those_of_the_zone() -> None:
    kathmandu = axis(DAY, 6, "Asia/Kathmandu")  # 5:45 ahead
    said = [f"{kathmandu.local(tick):%H:%M}" for tick in kathmandu.ticks()]
    assert said[:3] == ["06:00", "06:30", "07:00"]


@pytest.mark.parametrize(
    ("day", "hours"), [((2026, 3, 29), 23), ((2026, 10, 25), 25), ((2026, 6, 10), 24)]
)
def test_days_are_as_long_as_the_zone_has_them(day: tuple[int, int, int], hours: int) -> None:
    zone = ZoneInfo("Europe/Lisbon")
    start = datetime(*day, tzinfo=zone).astimezone(UTC)
    three = list(axis(start - 24 * HOUR, 72, "Europe/Lisbon").days())
    assert [end - begin for begin, end in three][1] == hours * HOUR
    assert three[1][0] == start
    ticks = list(axis(start, hours, "Europe/Lisbon").ticks())
    assert ticks == sorted(set(ticks))


def test_a_zone_whose_midnight_is_skipped_has_that_day_too() -> None:
    """Cairo's clocks go from 00:00 to 01:00."""
    since = datetime(2026, 4, 22, 12, tzinfo=UTC)
    days = list(axis(since, 96, "Africa/Cairo").days())
    assert len(days) == 5
    assert all(a[1] == b[0] for a, b in itertools.pairwise(days))
