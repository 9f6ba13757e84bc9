from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from random import Random, SystemRandom

import pytest

from shared.bookings.claims import home_of
from shared.platform.ids import NONCE, Ids
from tests.fakes.clock import ManualClock

SAFE = 2**53


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def ids(clock: ManualClock) -> Ids:
    return Ids(clock, Random(1))


@pytest.mark.parametrize("pool", [0, 1, 42, 99])
def test_a_booking_id_names_its_partition(ids: Ids, pool: int) -> None:
    start = datetime(2026, 6, 20, 10, tzinfo=UTC)
    for _ in range(200):
        booking_id = ids.booking_id(pool, start)
        assert re.fullmatch(rf"20260620{pool:02}\d{{6}}", str(booking_id))
        assert booking_id < SAFE
        assert home_of(booking_id) == f"{pool:02d}|20260620"


def test_the_day_is_that_of_utc(ids: Ids) -> None:
    start = datetime(2026, 6, 20, 23, 30, tzinfo=timezone(timedelta(hours=-3)))
    assert home_of(ids.booking_id(0, start)) == "00|20260621"


@pytest.mark.parametrize("number", [0, 7, 10**20])
def test_a_number_that_is_no_booking_id_is_no_error(ids: Ids, number: int) -> None:
    assert home_of(number) == ""


@pytest.mark.parametrize("pool", [0, 99])
def test_a_room_belongs_to_a_pool(ids: Ids, pool: int) -> None:
    for _ in range(200):
        room_id = ids.room_id(pool)
        assert 0 < room_id < SAFE
        assert ids.room_pool(room_id) == pool


def test_participants_sort_by_time(ids: Ids, clock: ManualClock) -> None:
    made = []
    for _ in range(50):
        made.append(ids.participant_id())
        clock.advance(milliseconds=1)
    assert made == sorted(made)
    assert len(set(made)) == 50
    clock.time = datetime(2200, 1, 1, tzinfo=UTC)
    assert made[-1] < ids.participant_id() < SAFE


def test_pins(ids: Ids) -> None:
    pins = {ids.pin() for _ in range(500)}
    assert len(pins) == 500
    assert all(re.fullmatch(r"[A-HJ-NP-Za-kmnp-z2-9]{12}", pin) for pin in pins)


def test_tokens(ids: Ids) -> None:
    tokens = {ids.token() for _ in range(500)}
    assert len(tokens) == 500
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{22}", token) for token in tokens)
    assert all(re.fullmatch(NONCE, token) for token in tokens)


def test_events_sort_by_time(ids: Ids, clock: ManualClock) -> None:
    made = []
    for _ in range(50):
        made.append(ids.event_id())
        clock.advance(minutes=700)
    assert made == sorted(made)
    assert all(re.fullmatch(r"evt_[0-9a-f]{32}", event) for event in made)


def test_the_systems_randomness_will_do(clock: ManualClock) -> None:
    first, second = (Ids(clock, SystemRandom()) for _ in range(2))
    assert first.token() != second.token()


@pytest.mark.parametrize(
    ("nonce", "good"),
    [
        *(("a" * 8, True), ("a" * 64, True), ("aB0_-" * 3, True)),
        *(("a" * 7, False), ("a" * 65, False), ("with space", False), ("olá-olá-olá", False)),
    ],
)
def test_nonces(nonce: str, good: bool) -> None:
    assert bool(re.search(NONCE, nonce)) is good


def test_the_room_of_a_drill_is_nobodys() -> None:
    for pool in (0, 99):
        room_id = Ids.drill_room(pool)
        assert Ids.is_drill_room(room_id)
        assert 0 < room_id < 2**53
        assert not Ids.is_drill_room((pool + 1) * 10**13 - 1), "the pool's last room"
