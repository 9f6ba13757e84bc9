"""A clock whose sleepers wake when the test moves it, and a function that is recorded."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.host.timers import TimerListener
from tests.fakes.clock import ManualClock

START = datetime(2026, 6, 10, 9, 0, 2, tzinfo=UTC)
EVERY_TEN = "*/10 * * * * *"


class World:
    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock(START)
        self.file = folder / "status" / "timer.json"
        self.runs: list[dict[str, Any]] = []
        self.times: list[int] = []
        self.running = 0
        self.slept = 0.0
        self.hold = asyncio.Event()
        self.hold.set()
        self.error: Exception | None = None
        self.listeners: list[TimerListener] = []
        self._moved = asyncio.Event()

    def listener(self, schedule: str = EVERY_TEN, **options: Any) -> TimerListener:
        options = {"clock": self.clock, "sleep": self.sleep, **options}
        listener = TimerListener("tick", schedule, self.run, self.file, **options)
        self.listeners.append(listener)
        return listener

    async def run(self, datum: str) -> None:
        self.running += 1
        assert self.running == 1, "two runs at once"
        self.runs.append(json.loads(datum))
        self.times.append(int((self.clock.now() - START).total_seconds()) + START.second)
        try:
            await self.hold.wait()
        finally:
            self.running -= 1
        if self.error:
            raise self.error

    async def sleep(self, seconds: float) -> None:
        self.slept = max(self.slept, seconds)
        until = self.clock.now() + timedelta(seconds=seconds)
        before = self.clock.now()
        while before <= self.clock.now() < until:
            self._moved.clear()
            await self._moved.wait()

    async def jump(self, seconds: float) -> None:
        self.clock.advance(seconds=seconds)
        self._moved.set()
        await settle()

    async def pass_time(self, seconds: int) -> None:
        await settle()
        for _ in range(seconds):
            await self.jump(1)

    async def close(self) -> None:
        self.hold.set()
        for listener in self.listeners:
            await listener.stop(patience=0.5)

    def stored(self) -> dict[str, str]:
        content: dict[str, str] = json.loads(self.file.read_text())
        return content


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def at(second: int) -> datetime:
    return START.replace(second=0) + timedelta(seconds=second)


def events(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [json.loads(record.getMessage()) for record in caplog.records]
