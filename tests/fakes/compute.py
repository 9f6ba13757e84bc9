"""The compute port in memory, with a `FakeJanus` in each machine."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import replace

from shared.fleet.compute import ComputeError, Machine, Power, Progress
from shared.janus.port import Endpoint
from tests.fakes.janus import FakeJanus


class FakeCompute:
    """How a test misbehaves:

    `refuse[name] = ComputeError(...)`: start, deallocate and restart raise it;
    `break_start[name] = "reason"`: the start is accepted, then the machine is FAILED;
    `slow = {name}`: it stays STARTING or DEALLOCATING until `finish(name)`;
    `fail_later[name] = ComputeError(...)`: what was asked is accepted, and `follow` raises it;
    `ignores = {name}`: a start is accepted, and nothing comes of it;
    `still_busy = {name}`: what was asked is under way, whatever the power looks like;
    `crash(name)`: it stops by itself; `unavailable`: `machines` raises it;
    `blind`: it tells of no machine;
    `hidden[name] = "reason"`: it can't be looked at.

    `janus[name]` is its Janus: down while it is off, and wiped when it starts. `calls` records
    (verb, name), `looks` the names that were looked at, `followed` what was followed.
    """

    def __init__(self, machines: int = 2, pool: int = 0, capacity: int = 4) -> None:
        self.refuse: dict[str, ComputeError] = {}
        self.break_start: dict[str, str] = {}
        self.slow: set[str] = set()
        self.fail_later: dict[str, ComputeError] = {}
        self.blind = False
        self.ignores: set[str] = set()
        self.still_busy: set[str] = set()
        self.hidden: dict[str, str] = {}
        self.looks: list[list[str]] = []
        self.followed: list[str] = []
        self.unavailable: ComputeError | None = None
        self.calls: list[tuple[str, str]] = []
        self.janus: dict[str, FakeJanus] = {}
        self._machines: dict[str, Machine] = {}
        for n in range(machines):
            self.add(f"janus-{n}", pool, capacity)

    def add(self, name: str, pool: int = 0, capacity: int = 4) -> None:
        self.janus[name] = FakeJanus()
        self.janus[name].down = True
        self._machines[name] = Machine(
            name,
            pool,
            capacity,
            Power.DEALLOCATED,
            (f"ws://{name}:8188", f"http://{name}:8190/janus"),
            f"http://{name}:7088/admin",
        )

    def remove(self, name: str) -> None:
        """Somebody deletes it by hand."""
        del self._machines[name]
        self.janus[name].down = True

    def janus_of(self, machine: Endpoint) -> FakeJanus:
        """The `JanusFactory`."""
        return self.janus[machine.name]

    def machine(self, name: str) -> Machine:
        if name not in self._machines:
            raise ComputeError("not_found", f"There is no machine {name}")
        return self._machines[name]

    def set_power(self, name: str, power: Power, reason: str = "") -> None:
        self._machines[name] = replace(self.machine(name), power=power, reason=reason)
        janus = self.janus[name]
        if power is Power.RUNNING:
            janus.wipe()
        janus.down = power is not Power.RUNNING

    def finish(self, name: str) -> None:
        """A slow start or deallocation comes to its end."""
        match self.machine(name).power:
            case Power.STARTING if name in self.break_start:
                self.set_power(name, Power.FAILED, self.break_start[name])
            case Power.STARTING:
                self.set_power(name, Power.RUNNING)
            case Power.DEALLOCATING:
                self.set_power(name, Power.DEALLOCATED)

    def crash(self, name: str) -> None:
        self.set_power(name, Power.FAILED, "Janus ended by itself")

    async def machines(self, look: Collection[str] | None = None) -> list[Machine]:
        await asyncio.sleep(0)
        if self.unavailable:
            raise self.unavailable
        if self.blind:
            return []
        names = self._machines.keys() if look is None else self._machines.keys() & set(look)
        self.looks.append(sorted(names))
        return [self._seen(m, asked=m.name in names) for m in self._machines.values()]

    def _seen(self, machine: Machine, *, asked: bool) -> Machine:
        if asked and machine.name in self.hidden:
            return replace(machine, power=Power.UNKNOWN, reason=self.hidden[machine.name])
        return machine if asked else replace(machine, power=Power.UNKNOWN)

    async def start(self, name: str) -> str:
        await self._request("start", name)
        on = self.machine(name).power in (Power.STARTING, Power.RUNNING)
        if not on and name not in self.ignores:
            self._begin(name, Power.STARTING)
        return self._operation("start", name)

    async def deallocate(self, name: str) -> str:
        await self._request("deallocate", name)
        if self.machine(name).power not in (Power.DEALLOCATING, Power.DEALLOCATED):
            self._begin(name, Power.DEALLOCATING)
        return self._operation("deallocate", name)

    async def restart(self, name: str) -> str:
        await self._request("restart", name)
        self._begin(name, Power.STARTING)
        return self._operation("start", name)

    async def follow(self, operation: str) -> Progress:
        await asyncio.sleep(0)
        self.followed.append(operation)
        verb, _, name = operation.partition(" ")
        if name in self.fail_later:
            raise self.fail_later.pop(name)
        if name not in self._machines:
            return "done"
        if name in self.still_busy:
            return "running"
        busy = {"start": Power.STARTING, "deallocate": Power.DEALLOCATING}.get(verb)
        return "running" if self._machines[name].power is busy else "done"

    def _operation(self, verb: str, name: str) -> str:
        """Like a host that is done at once, unless the machine is slow."""
        return f"{verb} {name}" if name in self.slow or name in self.fail_later else ""

    def _begin(self, name: str, power: Power) -> None:
        self.set_power(name, power)
        if name not in self.slow:
            self.finish(name)

    async def _request(self, verb: str, name: str) -> None:
        self.calls.append((verb, name))
        await asyncio.sleep(0)
        self.machine(name)
        if name in self.refuse:
            raise self.refuse[name]
