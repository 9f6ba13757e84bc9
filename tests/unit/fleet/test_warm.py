"""Weekly windows, and the policy that they are part of."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from shared.fleet.compute import Power
from shared.fleet.policy import Policy, Warm
from shared.fleet.warm import policy_of, windows
from shared.platform.weekly import weekdays
from tests.world import World, make_settings

DAY = timedelta(days=1)


def utc(month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def expanded(
    days: str, since: str, until: str, begin: datetime, end: datetime, zone: str = "UTC"
) -> list[tuple[datetime, datetime]]:
    window = {"days": days, "from": since, "to": until, "machines": 1}
    settings = make_settings(warm=json.dumps([window]), time_zone=zone)
    return [(w.start, w.end) for w in windows(settings, begin, end)]


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("mon", {0}),
        ("mon-fri", {0, 1, 2, 3, 4}),
        ("sat,sun", {5, 6}),
        ("fri-mon", {4, 5, 6, 0}),
        ("Tue, thu-thu", {1, 3}),
        ("mon-sun", set(range(7))),
    ],
)
def test_days(text: str, days: set[int]) -> None:
    assert weekdays(text) == days


def test_a_week_of_office_hours() -> None:
    """8 June 2026 is a Monday; Lisbon is an hour ahead of UTC in summer."""
    found = expanded("mon-fri", "08:00", "18:00", utc(6, 8), utc(6, 15), "Europe/Lisbon")
    assert found == [(utc(6, d, 7), utc(6, d, 17)) for d in range(8, 13)]


def test_over_midnight_the_day_is_that_of_its_beginning() -> None:
    found = expanded("fri", "22:00", "02:00", utc(6, 8), utc(6, 15))
    assert found == [(utc(6, 12, 22), utc(6, 13, 2))]


def test_a_whole_day() -> None:
    found = expanded("sun", "00:00", "00:00", utc(6, 8), utc(6, 16))
    assert found == [(utc(6, 14), utc(6, 15))]


def test_windows_are_whole_and_share_a_moment_with_the_time_asked_for() -> None:
    """One that began yesterday still goes on; those that only touch do not count."""
    night = [(utc(6, 9, 22), utc(6, 10, 6))]
    assert expanded("tue", "22:00", "06:00", utc(6, 10, 5, 59), utc(6, 11)) == night
    assert expanded("tue", "22:00", "06:00", utc(6, 10, 6), utc(6, 11)) == []
    assert expanded("tue", "22:00", "06:00", utc(6, 9), utc(6, 9, 22)) == []
    assert expanded("tue", "22:00", "06:00", utc(6, 9), utc(6, 9, 22, 1)) == night


def test_local_hours_stay_when_the_clocks_change() -> None:
    """Lisbon: back on 25 October 2026 at 2:00, forward on 28 March 2027 at 1:00."""
    days = expanded("sat-mon", "08:00", "09:00", utc(10, 24), utc(10, 27), "Europe/Lisbon")
    assert [start.hour for start, _ in days] == [7, 8, 8]
    long = expanded("sun", "00:30", "03:00", utc(10, 24), utc(10, 27), "Europe/Lisbon")
    assert [end - start for start, end in long] == [timedelta(hours=3, minutes=30)]


def test_of_an_hour_that_comes_twice_both_are_in_the_window() -> None:
    found = expanded("sun", "01:15", "01:45", utc(10, 24), utc(10, 27), "Europe/Lisbon")
    assert found == [(utc(10, 25, 0, 15), utc(10, 25, 1, 45))]


def test_a_window_in_the_hour_that_is_skipped() -> None:
    begin = datetime(2027, 3, 27, tzinfo=UTC)
    end = begin + 3 * DAY
    found = expanded("sun", "01:30", "02:15", begin, end, "Europe/Lisbon")
    assert all(start < end for start, end in found)
    assert expanded("sun", "00:00", "03:00", begin, end, "Europe/Lisbon") == [
        (begin + DAY, begin + DAY + timedelta(hours=2))
    ]


def test_the_policy_of_the_settings() -> None:
    hours = {"days": "wed", "from": "08:00", "to": "18:00", "machines": 2}
    settings = make_settings(
        vm_lead="PT20M", vm_margin="PT5M", vm_bridge="PT7M", spot_bookings=True, warm=[hours]
    )
    assert policy_of(settings, utc(6, 8), utc(6, 15)) == Policy(
        timedelta(minutes=20),
        timedelta(minutes=5),
        timedelta(minutes=7),
        spot=True,
        warm=[Warm(utc(6, 10, 8), utc(6, 10, 18), 2)],
    )


def test_by_default_nothing_is_warm_and_no_booking_on_spot() -> None:
    policy = policy_of(make_settings(), utc(6, 8), utc(6, 15))
    assert (policy.spot, list(policy.warm)) == (False, [])


@pytest.mark.parametrize(
    "change",
    [
        {"days": "weekdays"},
        {"days": "mon-wed-fri"},
        {"days": ""},
        {"from": 8},
        {"from": "8:00"},
        {"to": "24:00"},
        {"to": "18:00+01:00"},
        {"machines": 0},
        {"zone": "UTC"},
    ],
)
def test_other_forms_are_refused(change: dict[str, Any]) -> None:
    good = {"days": "mon", "from": "08:00", "to": "18:00", "machines": 1}
    assert make_settings(warm=json.dumps([good])).warm[0].machines == 1
    with pytest.raises(ValidationError):
        make_settings(warm=json.dumps([good | change]))


async def test_a_machine_is_kept_warm_through_the_window() -> None:
    """The world begins on Wednesday, 10 June 2026, at nine."""
    warm = [{"days": "wed", "from": "10:00", "to": "11:00", "machines": 1}]
    world = World(warm=json.dumps(warm))
    on = []
    for n in range(16):
        await world.tick()
        on.append([world.compute.machine(f"janus-{k}").power for k in (0, 1)].count(Power.RUNNING))
        world.clock.advance(minutes=10)
        assert n or world.now.hour == 9
    assert on[6:12] == [1] * 6
    assert on[:3] == [0] * 3
    assert on[14:] == [0] * 2
