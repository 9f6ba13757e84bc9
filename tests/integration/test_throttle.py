"""Rate limits that Redis counts for several processes, and its faults."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from shared.platform.auth import Caller
from shared.platform.problems import Problem
from shared.platform.throttle import Counters, Throttle
from tests.fakes.clock import ManualClock
from tests.redis_server import RedisServer
from tests.world import make_settings

USER = frozenset({"user"})


@pytest.fixture
def redis(monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisServer]:
    """With patience: a busy machine is no outage."""
    monkeypatch.setattr(Counters, "PATIENCE", 20)
    server = RedisServer()
    yield server
    server.stop()


@pytest.fixture
def clock() -> ManualClock:
    """Of the outages alone: Redis counts by the time of its own."""
    return ManualClock()


Make = Callable[..., Throttle]


@pytest.fixture
async def throttle(clock: ManualClock) -> AsyncIterator[Make]:
    made: list[Throttle] = []

    def make(url: str, rate: str = "5/day") -> Throttle:
        settings = make_settings(rate_caller=rate, rate_address="off", rate_store=url or None)
        made.append(Throttle(settings, clock))
        return made[-1]

    yield make
    for each in made:
        await each.close()


async def admitted(throttle: Throttle, who: str = "alice", times: int = 10) -> list[int]:
    """What was left after each request that was admitted."""
    left = []
    for _ in range(times):
        visit = throttle.visit("")
        with contextlib.suppress(Problem):
            await visit.meet(Caller(who, "acme", USER))
            left.append(int(visit.headers["RateLimit-Remaining"]))
    return left


@pytest.mark.parametrize("shared", [True, False], ids=["redis", "memory"])
async def test_both_stores_count_the_same(redis: RedisServer, throttle: Make, shared: bool) -> None:
    limits = throttle(redis.url if shared else "")
    assert await admitted(limits) == [4, 3, 2, 1, 0]
    assert await admitted(limits, "bob", 2) == [4, 3]
    visit = limits.visit("")
    await visit.meet(Caller("carol", "acme", USER))
    assert 0 < int(visit.headers["RateLimit-Reset"]) <= 24 * 3600 + 1


async def test_processes_share_what_redis_counts(redis: RedisServer, throttle: Make) -> None:
    one, other = throttle(redis.url), throttle(redis.url)
    assert await admitted(one, times=3) == [4, 3, 2]
    assert await admitted(other) == [1, 0]
    assert await admitted(one, times=1) == []
    visit = one.visit("")
    with pytest.raises(Problem) as caught:
        await visit.meet(Caller("alice", "acme", USER))
    assert caught.value.code == "rate_limited"
    assert int(caught.value.headers["Retry-After"]) > 0
    assert visit.headers["RateLimit-Remaining"] == "0"


async def test_many_at_once_never_get_more(redis: RedisServer, throttle: Make) -> None:
    several = [throttle(redis.url) for _ in range(4)]
    got = await asyncio.gather(*(admitted(each, times=5) for each in several for _ in range(3)))
    assert sum(map(len, got)) == 5


async def test_what_redis_counted_it_forgets(redis: RedisServer, throttle: Make) -> None:
    limits = throttle(redis.url, "2/second")
    assert len(await admitted(limits)) < 10
    deadline = asyncio.get_running_loop().time() + 20
    while not await admitted(limits, times=1):
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.05)


async def test_redis_may_end_and_come_back(
    redis: RedisServer, throttle: Make, clock: ManualClock
) -> None:
    limits, other = throttle(redis.url), throttle(redis.url)
    assert await admitted(limits, times=2) == [4, 3]
    redis.stop()
    assert await admitted(limits) == [4, 3, 2, 1, 0], "this process counts for itself"
    redis.start()
    assert await admitted(limits, times=1) == [], "it is left alone for a while"
    clock.advance(seconds=10)
    assert await admitted(limits, times=2) == [4, 3]
    assert await admitted(other, times=1) == [2], "and counts for all again"


async def test_a_redis_that_hangs_is_waited_for_once(
    redis: RedisServer, throttle: Make, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = throttle(redis.url)
    assert await admitted(limits, times=1) == [4]
    redis.pause()
    monkeypatch.setattr(Counters, "PATIENCE", 0.3)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    assert await admitted(limits) == [4, 3, 2, 1, 0]
    waited = loop.time() - begun
    assert 0.29 < waited < 5
    redis.resume()
    monkeypatch.setattr(Counters, "PATIENCE", 20)
    clock.advance(seconds=10)
    # What was under way when the wait ended may have been counted; no answer of then is read now.
    assert await admitted(limits, "bob") == [4, 3, 2, 1, 0]


async def test_a_password_that_is_wrong_takes_nothing_down(
    redis: RedisServer, throttle: Make
) -> None:
    limits = throttle(redis.url.replace("//", "//:wrong@"))
    assert await admitted(limits) == [4, 3, 2, 1, 0]


def test_each_process_of_the_app_asks_the_same_redis(redis: RedisServer) -> None:
    code = f"""
import asyncio
from tests.integration.test_throttle import admitted
from tests.fakes.clock import ManualClock
from tests.world import make_settings
from shared.platform.throttle import Counters, Throttle

Counters.PATIENCE = 20

async def main():
    settings = make_settings(rate_caller="5/day", rate_address="off", rate_store={redis.url!r})
    throttle = Throttle(settings, ManualClock())
    print(len(await admitted(throttle)))
    await throttle.close()

asyncio.run(main())
"""
    begun = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(3)
    ]
    got = [json.loads(process.communicate(timeout=60)[0]) for process in begun]
    assert sum(got) == 5
