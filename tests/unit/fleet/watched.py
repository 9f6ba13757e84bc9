"""Machines and storage that remember what really happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from shared.fleet.compute import ComputeError, Power, Progress
from shared.platform.clock import Clock
from shared.platform.tables import Op
from tests.fakes.compute import FakeCompute
from tests.fakes.tables import FakeTables

OFF = (Power.DEALLOCATED, Power.FAILED)
Times = tuple[datetime, datetime]


class WatchedCompute(FakeCompute):
    """`truth[name]` is when it was on; a start that fails later is none. A start or stop that is to
    fail later (`fail_later`) fails when it is followed, however often; then the machine is off, or
    what `after` says."""

    def __init__(self, machines: int, capacity: int, clock: Clock) -> None:
        self.clock = clock
        self.after: dict[str, Power] = {}
        self.truth: dict[str, list[Times]] = {}
        self._since: dict[str, datetime] = {}
        super().__init__(machines, capacity=capacity)

    def set_power(self, name: str, power: Power, reason: str = "") -> None:
        super().set_power(name, power, reason)
        refused = power is Power.STARTING and name in self.fail_later
        self._note(name, on=power not in OFF and not refused)

    def remove(self, name: str) -> None:
        super().remove(name)
        self._note(name, on=False)

    def _note(self, name: str, *, on: bool) -> None:
        if on:
            self._since.setdefault(name, self.clock.now())
        elif name in self._since:
            self.truth.setdefault(name, []).append((self._since.pop(name), self.clock.now()))

    async def follow(self, operation: str) -> Progress:
        name = operation.partition(" ")[2]
        error = self.fail_later.get(name)
        try:
            return await super().follow(operation)
        except ComputeError:
            assert error
            self.fail_later[name] = error
            self.set_power(name, self.after.get(name, Power.DEALLOCATED))
            raise

    @property
    def on(self) -> list[str]:
        return [m.name for m in self._machines.values() if m.power not in OFF]


class WatchedTables(FakeTables):
    """`stays` are the ends of placements: (booking, machine), one for each that left."""

    def __init__(self) -> None:
        super().__init__()
        self.stays: Counter[tuple[Any, Any]] = Counter()
        self._seen: dict[str, tuple[Any, Any]] = {}

    async def commit(self, table: str, pk: str, ops: Sequence[Op]) -> Mapping[str, str]:
        etags = await super().commit(table, pk, ops)
        if table == "Fleet":
            before, self._seen = self._seen, self._placed(pk)
            self.stays.update(s for key, s in before.items() if self._seen.get(key) != s)
        return etags

    def _placed(self, pk: str) -> dict[str, tuple[Any, Any]]:
        return {
            rk: (row.data["booking_id"], row.data["vm"])
            for rk, row in self.rows["Fleet", pk].items()
            if rk.startswith("p|")
        }
