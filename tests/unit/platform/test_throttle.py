"""Rate limits in memory, and what happens to them when Redis is refused, hangs or lies."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from shared.platform.auth import Caller
from shared.platform.problems import Problem
from shared.platform.throttle import DENIED, Counters, Throttle, Visit, bucket
from tests.fakes.clock import ManualClock
from tests.world import ALICE, BOB, make_settings

HERE = "10.0.0.1:5000"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    """The one clock of a test: `limits` reads the system's time."""
    clock = ManualClock()
    monkeypatch.setattr(time, "time", lambda: clock.now().timestamp())
    return clock


Make = Callable[..., Throttle]


@pytest.fixture
async def throttle(clock: ManualClock) -> AsyncIterator[Make]:
    made: list[Throttle] = []

    def make(**settings: Any) -> Throttle:
        made.append(Throttle(make_settings(**settings), clock))
        return made[-1]

    yield make
    for each in made:
        await each.close()


async def come(throttle: Throttle, caller: Caller = ALICE, address: str = HERE) -> Visit:
    visit = throttle.visit(address)
    await visit.arrive()
    await visit.meet(caller)
    return visit


async def refused(throttle: Throttle, caller: Caller = ALICE, address: str = HERE) -> Problem:
    with pytest.raises(Problem) as caught:
        await come(throttle, caller, address)
    assert (caught.value.status, caught.value.code) == (429, "rate_limited")
    return caught.value


async def test_a_caller_over_the_limit_is_told_when_to_come_back(
    throttle: Make, clock: ManualClock
) -> None:
    limits = throttle(rate_caller="3/minute")
    for _ in range(3):
        await come(limits)
    problem = await refused(limits)
    seconds = problem.headers["Retry-After"]
    assert problem.params == {"seconds": seconds}
    clock.advance(seconds=int(seconds) - 1)
    await refused(limits)
    clock.advance(seconds=1)
    await come(limits)


async def test_no_double_burst_where_two_windows_meet(throttle: Make, clock: ManualClock) -> None:
    limits = throttle(rate_caller="10/minute")
    clock.advance(seconds=59)
    for _ in range(10):
        await come(limits)
    clock.advance(seconds=2)
    came = 0
    while True:
        try:
            await come(limits)
        except Problem:
            break
        came += 1
    assert came == 1
    clock.advance(minutes=2)
    for _ in range(10):
        await come(limits)


async def test_who_is_over_what_two_windows_count_comes_back_when_told(
    throttle: Make, clock: ManualClock
) -> None:
    limits = throttle(rate_caller="10/minute")
    clock.advance(seconds=59)
    for _ in range(10):
        await come(limits)
    clock.advance(seconds=2)
    await come(limits)
    seconds = int((await refused(limits)).headers["Retry-After"])
    assert seconds < 10, "long before the window ends"
    clock.advance(seconds=seconds - 2)
    await refused(limits)
    clock.advance(seconds=2)
    await come(limits)


async def test_each_caller_and_each_tenant_has_a_limit_of_its_own(throttle: Make) -> None:
    limits = throttle(rate_caller="1/minute")
    namesake = Caller(ALICE.sub, "evil", ALICE.roles)
    for caller in (ALICE, BOB, namesake):
        await come(limits, caller)
    for caller in (ALICE, BOB, namesake):
        await refused(limits, caller)


async def test_an_address_has_a_limit_whoever_comes_from_it(throttle: Make) -> None:
    limits = throttle(rate_address="2/hour")
    await come(limits, ALICE, "10.0.0.1:1")
    await come(limits, BOB, "10.0.0.1:2")
    await refused(limits, Caller("carol", "other", frozenset()), "10.0.0.1:3")
    await come(limits, ALICE, "10.0.0.2:1")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        *(("10.1.2.3", "10.1.2.3"), ("10.1.2.3:5555", "10.1.2.3")),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::9]:443", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::9]", "2001:db8:1:2::/64"),
        *(("[::ffff:10.1.2.3]:80", "10.1.2.3"), ("fe80::1%eth0", "fe80::/64")),
        *(("", "unknown"), ("unknown", "unknown"), ("300.1.2.3:4", "unknown"), ("[", "unknown")),
    ],
)  # fmt: skip
def test_who_counts_as_one_address(address: str, expected: str) -> None:
    assert bucket(address) == expected


async def test_headers_are_of_the_limit_that_is_nearest(throttle: Make) -> None:
    limits = throttle(rate_caller="5/minute", rate_address="6/minute")
    visit = limits.visit(HERE)
    assert visit.headers == {}
    await visit.arrive()
    assert (visit.headers["RateLimit-Limit"], visit.headers["RateLimit-Remaining"]) == ("6", "5")
    await visit.meet(ALICE)
    assert (visit.headers["RateLimit-Limit"], visit.headers["RateLimit-Remaining"]) == ("5", "4")
    assert visit.headers["RateLimit-Reset"] == "61"  # the window begins now, and must be over
    for _ in range(3):
        visit = await come(limits, BOB)
    assert (visit.headers["RateLimit-Limit"], visit.headers["RateLimit-Remaining"]) == ("6", "2")


async def test_a_limit_can_be_off(throttle: Make) -> None:
    limits = throttle(rate_caller="off", rate_address="1/day")
    visit = await come(limits)
    assert visit.headers["RateLimit-Limit"] == "1"
    await refused(limits)
    free = throttle(rate_caller="off", rate_address="off")
    for _ in range(50):
        visit = await come(free)
        await visit.deny()
        assert visit.headers == {}


async def test_an_answer_401_counts_more(throttle: Make) -> None:
    limits = throttle(rate_address="30/hour")
    for left in (20, 10, 0):
        visit = limits.visit(HERE)
        await visit.arrive()
        await visit.deny()
        assert visit.headers["RateLimit-Remaining"] == str(left)
    await refused(limits)
    assert (DENIED, Counters.PATIENCE) == (10, 0.3)


async def test_a_request_looks_through_few_of_many_keys_and_those_expire(
    throttle: Make, clock: ManualClock
) -> None:
    limits = throttle(rate_address="off")

    def kept() -> list[int]:
        return [len(storage.storage) for storage in limits._counters._own]

    for n in range(2560):
        await come(limits, Caller(f"user-{n}", "acme", frozenset()))
    assert sum(kept()) == 2560
    assert max(kept()) < 10 * 4
    clock.advance(minutes=3)
    for n in range(1000):
        await come(limits, Caller(f"other-{n}", "acme", frozenset()))
        await asyncio.sleep(0)
    assert sum(kept()) < 2560


# Redis.


class Silent:
    """Accepts connections and answers nothing, or nonsense; counts them."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.connections = 0
        self.port = 0
        self._open: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.append(writer)
        while await reader.read(1000):
            if self.answer:
                writer.write(self.answer)

    def close(self) -> None:
        for writer in self._open:
            writer.close()


@pytest.fixture(params=[b"", b"-LOADING the dataset\r\n", b"HTTP/1.1 400\r\n\r\n"])
async def silent(request: pytest.FixtureRequest) -> AsyncIterator[Silent]:
    silent = Silent(request.param)
    server = await asyncio.start_server(silent.serve, "127.0.0.1", 0)
    silent.port = server.sockets[0].getsockname()[1]
    yield silent
    silent.close()
    server.close()
    await server.wait_closed()


async def test_a_redis_that_is_out_takes_nothing_down(
    throttle: Make, clock: ManualClock, silent: Silent, caplog: pytest.LogCaptureFixture
) -> None:
    limits = throttle(rate_caller="4/day", rate_store=f"redis://:hunter2@127.0.0.1:{silent.port}")
    with caplog.at_level(logging.WARNING):
        for _ in range(4):
            await come(limits)
        await refused(limits)
        assert silent.connections == 1
        clock.advance(seconds=10)
        await refused(limits)
        await refused(limits)
    assert silent.connections == 2
    lines = [r.getMessage() for r in caplog.records if "throttle.store_down" in r.getMessage()]
    assert len(lines) == 1
    assert "hunter2" not in lines[0]


async def test_while_one_request_tries_redis_again_the_others_dont_wait(
    throttle: Make, clock: ManualClock, silent: Silent
) -> None:
    limits = throttle(rate_store=f"redis://127.0.0.1:{silent.port}")
    await come(limits)
    clock.advance(seconds=10)
    await asyncio.gather(*(come(limits) for _ in range(20)))
    assert silent.connections == 2


async def test_an_outage_is_told_again_after_a_minute(
    throttle: Make, clock: ManualClock, unused_tcp_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    limits = throttle(rate_store=f"redis://127.0.0.1:{unused_tcp_port}")
    with caplog.at_level(logging.WARNING):
        for _ in range(13):
            await come(limits)
            clock.advance(seconds=10)
    told = [r for r in caplog.records if "throttle.store_down" in r.getMessage()]
    assert len(told) == 3


def test_importing_it_is_cheap() -> None:
    code = (
        "import sys, shared.platform.throttle;"
        "print([m for m in ('limits', 'redis') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
