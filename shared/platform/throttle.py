"""Rate limits: how much one caller, and one address, may ask of us in a time.

The `limits` package counts, with its sliding window counter: two numbers a key whatever the limit,
where its moving window keeps a time for each request, and sweeps them with a thread for each key;
and no double burst where two windows meet, as a fixed window allows.

`limits` and `redis` are imported when the first request is counted: importing this is cheap.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from shared.platform import logs
from shared.platform.clock import Clock
from shared.platform.problems import Problem
from shared.platform.setting_types import OFF
from shared.platform.settings import Settings

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.aio.storage import MemoryStorage, RedisStorage

    from shared.platform.auth import Caller

    Store = MemoryStorage | RedisStorage

DENIED = 10
"""What an answer 401 counts against the address, all in all: who guesses tokens is out soon, a
page whose token has expired is not."""


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of one limit; `reset` is the seconds until its window ends or, when nothing is
    left, until one more request is allowed."""

    limit: int
    remaining: int
    reset: int

    @property
    def headers(self) -> dict[str, str]:
        """https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-06"""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset),
        }


@dataclass(frozen=True, slots=True)
class Window:
    """What a storage counted, in this window and the one before, and in how many seconds it will
    have forgotten either; `length` in seconds.

    Not the package's own `get_window_stats`: just when a window begins, that says it ends.
    """

    previous: int
    previous_ttl: float
    current: int
    current_ttl: float
    length: int

    def quota(self, limit: int) -> Quota:
        # The window before counts for the part of it that the last `length` seconds still hold.
        counted = self.previous * self.previous_ttl / self.length + self.current
        remaining = max(0, limit - math.floor(counted))
        ends = self.current_ttl - self.length
        if not remaining and self.current < limit:
            ends = self.previous_ttl - (limit - self.current) * self.length / self.previous
        return Quota(limit, remaining, math.floor(max(0, ends)) + 1)  # not at, but just after it


class Throttle:
    """The limits of the settings, counted in this process, or in Redis while it answers."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        url = settings.rate_store.get_secret_value() if settings.rate_store else ""
        self._counters = Counters(url, clock)

    def visit(self, address: str) -> Visit:
        return Visit(self._counters, self._of_address, self._of_caller, address)

    @cached_property
    def _of_address(self) -> RateLimitItem | None:
        return _item(self._settings.rate_address)

    @cached_property
    def _of_caller(self) -> RateLimitItem | None:
        return _item(self._settings.rate_caller)

    async def close(self) -> None:
        await self._counters.close()


def _item(rate: str) -> RateLimitItem | None:
    import limits

    return None if rate == OFF else limits.parse(rate)


class Visit:
    """One request on its way past the limits."""

    def __init__(
        self,
        counters: Counters,
        of_address: RateLimitItem | None,
        of_caller: RateLimitItem | None,
        address: str,
    ) -> None:
        self._counters = counters
        self._of_address = of_address
        self._of_caller = of_caller
        self._address = bucket(address)
        self._quotas: dict[str, Quota] = {}

    async def arrive(self) -> None:
        """Counts the address, before anything is known of the caller. Raises Problem 429."""
        await self._count("address", self._of_address, self._address)

    async def meet(self, caller: Caller) -> None:
        """Counts the caller. Raises Problem 429."""
        await self._count("caller", self._of_caller, caller.tenant, caller.sub)

    async def deny(self) -> None:
        """Counts an answer 401, beyond what `arrive` has counted of it."""
        if self._of_address:
            key = ("address", self._address)
            _, quota = await self._counters.take(self._of_address, *key, cost=DENIED - 1)
            self._quotas["address"] = quota

    @property
    def headers(self) -> Mapping[str, str]:
        """Of the limit that is nearest to being hit."""
        nearest = min(self._quotas.values(), key=lambda quota: quota.remaining, default=None)
        return nearest.headers if nearest else {}

    async def _count(self, kind: str, item: RateLimitItem | None, *key: str) -> None:
        if item is None:
            return
        taken, quota = await self._counters.take(item, kind, *key)
        self._quotas[kind] = quota
        if not taken:
            seconds = str(quota.reset)
            raise Problem(429, "rate_limited", {"seconds": seconds}, {"Retry-After": seconds})


def bucket(address: str) -> str:
    """Who counts as one address, given `address:port`: the port is another one with each
    connection, and a host of IPv6 has a whole /64 to choose from."""
    host = address.rpartition(":")[0] if address.count(":") == 1 else address
    try:
        ip = ipaddress.ip_address(host.removeprefix("[").partition("]")[0])
    except ValueError:
        return "unknown"
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    return str(ip.ipv4_mapped or ipaddress.IPv6Network((int(ip), 64), strict=False))


class Counters:
    """With a `url` in Redis, shared by all processes. When that does not answer each process
    counts for itself: a limit that is off by some is better than an API that is down."""

    PATIENCE = 0.3
    """Seconds that a request waits for Redis."""
    REST = timedelta(seconds=10)
    """How long Redis is left alone once it has failed; then one request tries it."""
    QUIET = timedelta(minutes=1)
    """Between two lines in the log about it."""
    SHARDS = 256
    """Of the memory: with each request the package looks through all keys of a storage for those
    that have expired."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._down = False
        self._rest_until = self._quiet_until = clock.now()

    async def take(self, item: RateLimitItem, *key: str, cost: int = 1) -> tuple[bool, Quota]:
        """Whether there was as much left, and what is left now."""
        name, seconds = item.key_for(*key), item.get_expiry()

        async def work(storage: Store) -> tuple[bool, Quota]:
            args = (name, item.amount, seconds)
            taken = await storage.acquire_sliding_window_entry(*args, amount=cost)
            window = Window(*await storage.get_sliding_window(name, seconds), seconds)
            return taken, window.quota(item.amount)

        return await self._use(name, work)

    async def _use(
        self, name: str, work: Callable[[Store], Awaitable[tuple[bool, Quota]]]
    ) -> tuple[bool, Quota]:
        from limits.errors import StorageError

        if self._url and self._may_ask():
            shared = self._shared  # the first time an import, which nobody should take for Redis
            try:
                async with asyncio.timeout(self.PATIENCE):
                    answer = await work(shared)
                self._down = False
                return answer
            except (StorageError, OSError, TimeoutError) as error:
                self._leave_alone(error)
        return await work(self._own[hash(name) % self.SHARDS])

    def _may_ask(self) -> bool:
        now = self._clock.now()
        if self._down:
            if now < self._rest_until:
                return False
            self._rest_until = now + self.REST  # the others don't wait for this trial
        return True

    def _leave_alone(self, error: Exception) -> None:
        now = self._clock.now()
        self._down, self._rest_until = True, now + self.REST
        if now >= self._quiet_until:
            self._quiet_until = now + self.QUIET
            logs.event("throttle.store_down", level=logging.WARNING, reason=repr(error))

    @cached_property
    def _own(self) -> Sequence[Store]:
        from limits.aio.storage import MemoryStorage

        return [MemoryStorage() for _ in range(self.SHARDS)]

    @cached_property
    def _shared(self) -> Store:
        from limits.aio.storage import RedisStorage

        return RedisStorage(
            f"async+{self._url}",
            wrap_exceptions=True,
            implementation="redispy",
            key_prefix="suroga",
            connection_pool=self._pool,
        )

    @cached_property
    def _pool(self) -> Any:
        from redis.asyncio import ConnectionPool
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        return ConnectionPool.from_url(self._url, retry=Retry(NoBackoff(), 0))

    async def close(self) -> None:
        if "_pool" in self.__dict__:
            await self._pool.aclose()
