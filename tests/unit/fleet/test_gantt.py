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
    assert len(boxes(root, "was")) == 5
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
        r"Booking, running 20260610001\d+\nclinica-lisboa · janus-we-1\nWed 10 Jun 11:30 – 13:00",
        joined,
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
    assert any("31,2 horas de máquina" in text for text in portuguese)
    assert (
        parsed(story(), language="pt").attrib["{http://www.w3.org/XML/1998/namespace}lang"] == "pt"
    )


def test_it_says_when_machines_may_be_missing() -> None:
    said = "The machines' host did not answer: some may be missing"
    assert said in texts(parsed(replace(story(), complete=False)))
    assert said not in texts(parsed(story()))


# -- what moved ------------------------------------------------------------------------------------


def moved(until: float = 10, since: float = 0) -> PlanView:
    """A call of 1:00 to 5:00 that janus-0 was lost under at 3:00; between them is another."""
    there = replace(booking(3, 5, vm="janus-2"), came_from="janus-0")
    here = replace(booking(1, 3), went_to="janus-2")
    on = [
        On(DAY, DAY + 3 * HOUR, actual=True, lost=True),
        On(DAY + 7 * HOUR, DAY + 8 * HOUR, actual=True),
    ]
    machines = [
        MachineRow(
            "janus-0", "west", False, 4, [cut for cut in on if cut.end > DAY + since * HOUR]
        ),
        *(MachineRow(f"janus-{n}", "west", False, 4) for n in (1, 2)),
    ]
    start, end = DAY + since * HOUR, DAY + until * HOUR
    seen = [each for each in (here, there) if each.start < end and start < each.end]
    return PlanView(start, end, DAY + 9 * HOUR, machines, seen)


def lines(root: ET.Element, style: str) -> list[dict[str, float]]:
    found = [each for each in root.iter(f"{SVG}line") if each.get("class") == style]
    return [{name: float(each.attrib[name]) for name in ("x1", "x2", "y1", "y2")} for each in found]


def test_a_call_that_moved_says_from_where_and_to_where() -> None:
    root = parsed(moved())
    tips = [tip for *_, tip in boxes(root, "planned")]
    assert tips[0].endswith("01:00 – 03:00\nwent on at janus-2")
    assert tips[1].endswith("03:00 – 05:00\nmoved from janus-0")
    marks = boxes(root, "moved")
    assert [(x + w, tip) for x, w, tip in marks[:1]] == [(LEFT + 300, tips[0])]
    assert [(x, tip) for x, _, tip in marks[1:]] == [(LEFT + 300, tips[1])]
    assert texts(root).count("→") == 2
    said = [tip for *_, tip in boxes(parsed(moved(), language="pt"), "moved")]
    assert [tip.splitlines()[-1] for tip in said] == ["continuou em janus-2", "veio de janus-0"]
    plain = parsed(view(booking(1, 2)))
    assert (boxes(plain, "moved"), "→" in texts(plain)) == ([], False)


@pytest.mark.parametrize("upwards", [False, True])
def test_a_line_leads_from_where_it_left_to_where_it_went_on(*, upwards: bool) -> None:
    shown = moved()
    if upwards:
        shown = replace(shown, machines=shown.machines[::-1])
    root = parsed(shown)
    (line,) = lines(root, "move")
    assert line["x1"] == line["x2"] == LEFT + 300
    bars = sorted(
        float(each.attrib["y"])
        for each in root.iter(f"{SVG}rect")
        if "planned" in str(each.get("class")) and each.find(f"{SVG}title") is not None
    )
    top, bottom = sorted((line["y1"], line["y2"]))
    assert bars[0] < top < bottom == bars[1]


def test_an_edge_that_is_not_seen_has_no_mark() -> None:
    assert boxes(parsed(moved(until=2)), "moved") == []
    assert lines(parsed(moved(until=2)), "move") == []
    assert boxes(parsed(moved(since=4)), "moved") == []
    assert lines(parsed(moved(since=4)), "move") == []


def test_in_a_month_a_move_is_seen_too() -> None:
    shown = moved(until=24 * 31)
    brief = [
        replace(shown.bookings[0], start=DAY + 2.8 * HOUR),
        replace(shown.bookings[1], end=DAY + 3.2 * HOUR),
    ]
    root = parsed(replace(shown, bookings=brief))
    assert [wide for _, wide, _ in boxes(root, "moved")] == [1, 1], "half of the bar"
    assert "→" not in texts(root), "there is no room"


def test_the_end_of_what_was_lost_is_marked() -> None:
    (mark,) = boxes(parsed(moved()), "lost")
    assert mark[0] == LEFT + 300
    assert mark[2].splitlines()[:2] == ["janus-0 · Lost", "Wed 10 Jun 03:00"]
    assert boxes(parsed(view(booking(1, 2))), "lost") == []


def test_the_story_has_a_machine_lost_under_its_calls() -> None:
    root = parsed(story(), "Europe/Lisbon")
    assert len(boxes(root, "lost")) == 1
    assert len(boxes(root, "moved")) == 4
    assert len(lines(root, "move")) == 2


# -- what the pointer finds ------------------------------------------------------------------------


def test_every_mark_has_its_title_however_short() -> None:
    short = DAY + timedelta(minutes=1)
    marks = [Mark(DAY, short, "a reason that has no room")]
    row = MachineRow("janus-0", "west", False, 4, [On(DAY, short, lost=True)], marks, marks)
    root = parsed(PlanView(DAY, DAY + 48 * HOUR, DAY + 24 * HOUR, [row], [booking(0, 1 / 60)]))
    for style, words in (
        ("hold", "a reason"), ("out", "a reason"), ("lost", "Lost"), ("planned", "acme"),
    ):  # fmt: skip
        found = boxes(root, style)
        assert found, style
        assert all(words in tip and wide >= 2 for _, wide, tip in found)
    assert not [text for text in texts(root) if "a reason" in text]


def test_a_hold_is_above_an_exclusion() -> None:
    marks = [Mark(DAY, DAY + HOUR, "why")]
    row = MachineRow("janus-0", "west", False, 4, [], marks, marks)
    root = parsed(PlanView(DAY, DAY + 9 * HOUR, DAY, [row]))
    styles = [str(box.get("class")) for box in root.iter(f"{SVG}rect")]
    assert styles.index("out") < styles.index("hold")


def test_nothing_lies_over_what_has_a_title() -> None:
    """What is drawn later gets the pointer, also where it is hardly seen; and so do words."""
    root = parsed(story(), "Europe/Lisbon")
    (rule,) = re.findall(r"\}([^{}]*)\{pointer-events:none\}", STYLE)
    ignored = {name.removeprefix(".") for name in rule.split(",")} | {"in"}
    drawn = list(root)
    first = next(n for n, each in enumerate(drawn) if each.find(f"{SVG}title") is not None)
    legend = drawn.index(
        next(e for e in drawn if e.text == "Plan of the machines" and e.get("class"))
    )
    for each in drawn[first:legend]:
        styles = set(str(each.get("class")).split())
        over = (
            each.find(f"{SVG}title") is None and float(each.get("x", each.get("x1", "0"))) >= LEFT
        )
        harmless = styles & {"lane", "rule", "badrow", "b", "mute"}
        assert not over or styles & ignored or (harmless and "tag" not in styles), each.attrib


# -- for those who do not see it -------------------------------------------------------------------


def test_it_has_a_role_a_title_and_a_description() -> None:
    root = parsed(story())
    assert root.attrib["role"] == "img"
    named = {each.attrib["id"]: each.text for each in root if "id" in each.attrib}
    assert root.attrib["aria-labelledby"].split() == ["t", "d"]
    assert named["t"] == "Plan of the machines"
    assert "4 machines, 35 bookings, 31.2 machine hours" in str(named["d"])
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
