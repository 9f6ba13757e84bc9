"""Idempotency keys: done once, answered the same, and never lost between two crashes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from shared.platform.auth import Caller
from shared.platform.once import IN_FLIGHT, LIFE, Once, Replay
from shared.platform.problems import Problem
from tests.world import ALICE, BOB, World


def once(world: World, key: str = "key-1", request: str = "a", who: Caller = ALICE) -> Once[str]:
    return world.services.keys.once(who, key, request, lambda thing: f"made {thing}")


class Things:
    """What requests make: rows by their id."""

    def __init__(self) -> None:
        self.rows: dict[str, Mapping[str, Any]] = {}

    async def find(self, thing: str) -> Mapping[str, Any] | None:
        return self.rows.get(thing)

    async def make(self, keyed: Once[str], reserve: str) -> str:
        chosen = await keyed.begin(reserve, self.find)
        assert chosen not in self.rows
        self.rows[chosen] = keyed.sealed(chosen)
        return chosen


async def code(keyed: Once[str], things: Things, reserve: str = "9") -> str:
    with pytest.raises(Problem) as problem:
        await keyed.begin(reserve, things.find)
    return f"{problem.value.status} {problem.value.code}"


async def test_the_second_time_it_is_replayed() -> None:
    world, things = World(), Things()
    assert await things.make(once(world), "1") == "1"
    with pytest.raises(Replay) as replay:
        await things.make(once(world), "2")
    assert replay.value.answer == "made 1"
    assert list(things.rows) == ["1"]


async def test_another_body_is_a_422() -> None:
    world, things = World(), Things()
    await things.make(once(world), "1")
    assert await code(once(world, request="b"), things) == "422 idempotency_key_reused"


async def test_in_flight_is_a_409_and_says_when_to_come_back() -> None:
    world, things = World(), Things()
    await once(world).begin("1", things.find)
    assert await code(once(world), things) == "409 idempotency_in_flight"


async def test_a_dead_request_is_tried_again_with_the_id_that_it_reserved() -> None:
    """So the dead one, should it come back, collides with the second and makes no other thing."""
    world, things = World(), Things()
    await once(world).begin("1", things.find)
    world.clock.advance(seconds=IN_FLIGHT.total_seconds())
    assert await things.make(once(world), "2") == "1"


async def test_an_id_that_somebody_else_has_got_is_not_used() -> None:
    world, things = World(), Things()
    await once(world).begin("1", things.find)
    things.rows["1"] = {"of": "a stranger"}
    world.clock.advance(seconds=IN_FLIGHT.total_seconds())
    assert await things.make(once(world), "2") == "2"
    with pytest.raises(Replay):
        await things.make(once(world), "3")


async def test_of_two_that_take_over_at_once_one_does() -> None:
    world, things = World(), Things()
    await once(world).begin("1", things.find)
    world.clock.advance(seconds=IN_FLIGHT.total_seconds())
    outcomes = await asyncio.gather(*(_begin(once(world), things) for _ in range(3)))
    assert sorted(outcomes) == ["1", "idempotency_in_flight", "idempotency_in_flight"]


async def _begin(keyed: Once[str], things: Things) -> str:
    try:
        return await keyed.begin("5", things.find)
    except Problem as problem:
        return problem.code


async def test_keys_are_the_callers_own() -> None:
    world, things = World(), Things()
    await things.make(once(world), "1")
    assert await things.make(once(world, who=BOB), "2") == "2"


async def test_a_key_lives_a_day() -> None:
    world, things = World(), Things()
    await things.make(once(world), "1")
    world.clock.advance(seconds=(LIFE - timedelta(seconds=1)).total_seconds())
    with pytest.raises(Replay):
        await things.make(once(world), "2")
    world.clock.advance(seconds=1)
    assert await things.make(once(world, request="other"), "2") == "2"


async def test_a_refused_request_gives_its_key_back() -> None:
    world, things = World(), Things()
    refused = once(world)
    await refused.begin("1", things.find)
    await refused.release()
    assert await things.make(once(world), "2") == "2"


async def test_but_not_when_another_one_may_have_it() -> None:
    world, things = World(), Things()
    slow = once(world)
    await slow.begin("1", things.find)
    world.clock.advance(seconds=IN_FLIGHT.total_seconds())
    await once(world).begin("2", things.find)
    await slow.release()
    assert await code(once(world), things) == "409 idempotency_in_flight"


@pytest.mark.parametrize(
    ("request_", "refusal"),
    [("a", "409 idempotency_in_flight"), ("b", "422 idempotency_key_reused")],
)
async def test_who_never_had_it_gives_nothing_back(request_: str, refusal: str) -> None:
    world, things = World(), Things()
    await once(world).begin("1", things.find)
    other = once(world, request=request_)
    assert await code(other, things) == refusal
    await other.release()
    assert await code(once(world), things) == "409 idempotency_in_flight"


async def test_nor_one_that_has_the_id_of_another() -> None:
    """The other may come back and make the thing: the key must still lead to it."""
    world, things = World(), Things()
    dead = once(world)
    await dead.begin("1", things.find)
    world.clock.advance(seconds=IN_FLIGHT.total_seconds())
    second = once(world)
    assert not second.shared
    assert await second.begin("2", things.find) == "1"
    assert second.shared
    await second.release()
    things.rows["1"] = dead.sealed("1")
    with pytest.raises(Replay):
        await once(world).begin("3", things.find)


async def test_a_request_that_did_not_get_the_key_gives_none_back() -> None:
    world, things = World(), Things()
    await once(world).begin("1", things.find)
    late = once(world)
    assert await code(late, things) == "409 idempotency_in_flight"
    await late.release()
    assert await code(once(world), things) == "409 idempotency_in_flight"


async def test_what_was_made_in_its_time_is_replayed_when_it_may_no_longer_be_made() -> None:
    world, things = World(), Things()
    await once(world).replayed(things.find)
    await things.make(once(world), "1")
    with pytest.raises(Replay):
        await once(world).replayed(things.find)
    await once(world, request="b").replayed(things.find)
    world.clock.advance(seconds=LIFE.total_seconds())
    await once(world).replayed(things.find)


async def test_old_keys_are_purged() -> None:
    world, things = World(), Things()
    await things.make(once(world, "old"), "1")
    world.clock.advance(seconds=LIFE.total_seconds() / 2)
    await things.make(once(world, "young"), "2")
    world.clock.advance(seconds=LIFE.total_seconds() / 2 + 1)
    assert await world.services.keys.purge() == 1
    assert await world.services.keys.purge() == 0


async def test_no_answer_and_no_key_stands_in_clear() -> None:
    world, things = World(), Things()
    keyed = once(world, key="my-key")
    await keyed.begin("1", things.find)
    stored = str(world.tables.rows) + str(keyed.sealed("a secret"))
    assert "my-key" not in stored
    assert "a secret" not in stored
