"""The split of a machine's time: whole seconds, nobody's twice, none lost, and fair."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.reports.split import Carried, Piece, split

LEAD = 30


def took(pieces: list[Piece], since: int = -(10**9), until: int = 10**9) -> Counter[int]:
    found: Counter[int] = Counter()
    for piece in pieces:
        if piece.start < until and since < piece.end:
            found.update(dict(piece.shares(since, until)))
            if not piece.takers:
                found[0] += min(until, piece.end) - max(since, piece.start)
    return found


def shares(end: int, *carried: tuple[int, int, int], lead: int = LEAD) -> dict[int, int]:
    """Of a machine that is on from 0 to `end`; 0 is nobody."""
    return dict(took(split(0, end, [Carried(*one) for one in carried], lead)))


@pytest.mark.parametrize(
    ("end", "carried", "expected"),
    [
        (100, [], {0: 100}),
        (100, [(1, 30, 60)], {1: 100}),
        # Two at the same time: equally, the odd second to the first.
        (120, [(1, 30, 90), (2, 30, 90)], {1: 60, 2: 60}),
        (121, [(1, 30, 90), (2, 30, 91)], {1: 45, 2: 76}),
        # Before the first: to that, to both when they begin together.
        (100, [(1, 40, 100), (2, 40, 100)], {1: 50, 2: 50}),
        (100, [(1, 40, 100), (2, 60, 100)], {1: 80, 2: 20}),
        # After the last: to that.
        (100, [(1, 0, 80), (2, 0, 60)], {1: 30 + 20 + 20, 2: 30}),
        # In between: the lead to the next one, the rest to the one before.
        (100, [(1, 0, 20), (2, 70, 100)], {1: 40, 2: 60}),
        (100, [(1, 0, 20), (2, 40, 100)], {1: 20, 2: 80}),
        # One that was cancelled: idle time only.
        (40, [(1, 30, 30)], {1: 40}),
        (10, [(1, 30, 30)], {1: 10}),
        (100, [(1, 20, 20), (2, 50, 100)], {1: 20, 2: 80}),
        (100, [(1, 20, 20), (2, 10, 100)], {2: 100}),
        (100, [(1, 20, 20), (2, 20, 100)], {1: 10, 2: 90}),
        (100, [(1, 80, 80), (2, 10, 40)], {1: 50, 2: 50}),
        # The machine had failed and came back in the middle of a booking.
        (100, [(1, -50, 40)], {1: 100}),
        (100, [(1, 40, 150)], {1: 100}),
        # Moved away and back.
        (100, [(1, 0, 20), (2, 0, 100), (1, 40, 60)], {1: 20, 2: 80}),
        (0, [], {}),
    ],
)
def test_who_pays(end: int, carried: list[tuple[int, int, int]], expected: dict[int, int]) -> None:
    assert shares(end, *carried) == expected


@st.composite
def machines(draw: st.DrawFn) -> tuple[int, list[Carried], int]:
    end = draw(st.integers(1, 300))
    carried = []
    for booking_id in draw(st.lists(st.integers(1, 6), max_size=9)):
        start = draw(st.integers(0, end + 20))
        length = draw(st.integers(0, 90))
        start = min(start, end - 1) if length else start
        carried.append(
            Carried(booking_id, start - draw(st.sampled_from([0, 0, 25])), start + length)
        )
    return end, carried, draw(st.integers(0, 60))


@given(machines())
def test_the_shares_are_the_on_time_to_the_second(machine: tuple[int, list[Carried], int]) -> None:
    end, carried, lead = machine
    pieces = split(0, end, carried, lead)
    assert (pieces[0].start, pieces[-1].end) == (0, end)
    assert all(one.end == after.start for one, after in pairwise(pieces))
    found = took(pieces)
    assert sum(found.values()) == end
    assert all(each > 0 for each in found.values())
    assert bool(carried) == (0 not in found)


@given(machines(), st.integers(0, 300), st.integers(0, 300))
def test_parts_make_the_whole_for_every_booking(
    machine: tuple[int, list[Carried], int], one: int, other: int
) -> None:
    end, carried, lead = machine
    pieces = split(0, end, carried, lead)
    first, last = sorted((min(one, end), min(other, end)))
    parts = [took(pieces, *cut) for cut in ((0, first), (first, last), (last, end))]
    assert parts[0] + parts[1] + parts[2] == took(pieces)
    assert [sum(part.values()) for part in parts] == [first, last - first, end - last]
    assert all(each >= 0 for part in parts for each in part.values())


@given(machines(), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(
    machine: tuple[int, list[Carried], int], random: object
) -> None:
    end, carried, lead = machine
    again = [*carried]
    random.shuffle(again)  # type: ignore[attr-defined]
    assert split(0, end, again, lead) == split(0, end, carried, lead)


@given(machines())
def test_nobody_is_far_from_the_fair_share(machine: tuple[int, list[Carried], int]) -> None:
    end, carried, lead = machine
    pieces = split(0, end, carried, lead)
    fair: Counter[int] = Counter()
    for piece in pieces:
        for booking_id in piece.takers:
            fair[booking_id] += Fraction(piece.end - piece.start, len(piece.takers))
    found = took(pieces)
    assert all(abs(fair[n] - found[n]) < 2 for n in fair)


def test_odd_seconds_go_round() -> None:
    """A hundred times a second for two: fifty each, not a hundred for the first."""
    carried = [Carried(1, 0, 300), *(Carried(2, n * 3, n * 3 + 1) for n in range(100))]
    found = took(split(0, 300, carried, 0))
    assert found == {1: 250, 2: 50}


def test_the_example_of_the_page_on_costs() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "costs.md").read_text()
    example = page.partition("## An example")[2]
    times = [
        tuple(int(h) * 60 + int(m) for h, m in re.findall(r"(\d\d):(\d\d)", line))
        for line in example.splitlines()
        if re.match(r"\| (machine|A|B) \|", line)
    ]
    a, b, (start, end) = times
    minute = 60
    found = took(
        split(
            start * minute,
            end * minute,
            [Carried(1, a[0] * minute, a[1] * minute), Carried(2, b[0] * minute, b[1] * minute)],
            timedelta(minutes=30).seconds,
        )
    )
    price = float(re.search(r"EUR ([\d.]+) an hour", example)[1])  # type: ignore[index]
    for name, seconds in (("machine", sum(found.values())), ("A", found[1]), ("B", found[2])):
        (line,) = re.findall(rf"^\| {name} \|.*", example, re.M)
        cost = f"{seconds / 3600 * price:.2f}"
        assert line.endswith(f"| {seconds // 60} min | EUR {cost} |"), line
