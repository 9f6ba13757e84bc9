"""Storage, queues, machines and Janus that fail at the call a test names: before or after it.

A process that dies (`Killed`) does nothing more: its other calls that are under way may still take
effect, as requests do that have left the machine; every later one fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from shared.platform.tables import Conflict, StorageUnavailable, Upsert

When = Literal["before", "after"]

VERBS = frozenset(
    {"get", "query", "scan", "commit", "put"}
    | {"ready", "create_room", "edit_room", "rooms", "destroy_room"}
    | {"participants", "kick", "rehearse", "accept_sessions"}
    | {"machines", "start", "deallocate", "restart", "follow"}
)
"""What is asked of the Tables, Queues, Janus and Compute ports."""


class Killed(BaseException):
    """The process dies here: no `except Exception` sees it."""


@dataclass(frozen=True, slots=True)
class Call:
    """`nth` counts from 1, over all ports."""

    nth: int
    verb: str
    args: tuple[Any, ...]

    @property
    def guarded(self) -> bool:
        """Whether the store may refuse it: sent twice, it is refused the second time."""
        return self.verb == "commit" and not all(isinstance(op, Upsert) for op in self.args[2])


Rule = Callable[[Call, When], None]


def none(call: Call, when: When) -> None:
    """Nothing fails."""


@dataclass
class Faults:
    """`over(port)` is the port with faults. `calls` are those of the present `rule`, in order."""

    calls: list[Call] = field(default_factory=list)
    rule: Rule = none
    fired: bool = False

    def over(self, port: Any) -> Any:
        return _Port(port, self)

    def set(self, rule: Rule) -> None:
        """Counts from anew."""
        self.calls, self.rule, self.fired = [], rule, False

    def kill(self, nth: int, when: When) -> None:
        """The process dies before or after its nth call."""

        def rule(call: Call, at: When) -> None:
            self.fired = self.fired or (call.nth, at) == (nth, when)
            if self.fired:
                raise Killed

        self.set(rule)

    def lose(self, nth: int, when: When, *, resent: bool) -> None:
        """The nth call has no answer; `resent`: a guarded one was sent twice, or met a rival."""

        def rule(call: Call, at: When) -> None:
            if (call.nth, at) == (nth, when):
                self.fired = True
                raise Conflict("resent") if resent and call.guarded else StorageUnavailable("cut")

        self.set(rule)

    async def until_death(self, work: Awaitable[Any]) -> None:
        """Runs the work of a process that is to die, and what it has left running; nobody learns
        what came of it."""
        with suppress(Killed):
            await work
        for _ in range(30):
            await asyncio.sleep(0)
        self.set(none)

    async def call(self, verb: str, method: Callable[..., Awaitable[Any]], args: Any) -> Any:
        call = Call(len(self.calls) + 1, verb, args)
        self.calls.append(call)
        rule = self.rule
        rule(call, "before")
        answer = await method(*args)
        rule(call, "after")
        return answer


class _Port:
    """The port and, for tests, whatever else the fake behind it has."""

    def __init__(self, port: Any, faults: Faults) -> None:
        object.__setattr__(self, "_port", port)
        object.__setattr__(self, "_faults", faults)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if name not in VERBS:
            return found

        async def call(*args: Any, **named: Any) -> Any:
            return await self._faults.call(name, lambda *given: found(*given, **named), args)

        return call

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._port, name, value)
