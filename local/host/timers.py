"""Runs one timer function as Azure does.

https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer: one run at a time, the
next one counted from when a run began, and after a pause of the host one run for all that it missed
(`IsPastDue`). Times are UTC.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from local.host.cron import Schedule
from local.host.status import NEVER, Status, StatusFile
from shared.platform import logs
from shared.platform.clock import Clock, SystemClock

SLICE_SECONDS = 1.0
"""The longest sleep: a laptop that slept, or a clock that was set, is noticed this soon."""

BACKWARDS = timedelta(seconds=2)
"""A clock set back by more than this starts the wait anew. Less is the usual slewing."""

PATIENCE_SECONDS = 5.0
CANCEL_SECONDS = 2.0


class TimerListener:
    """`run` gets what the function's `TimerRequest` is made of, as JSON text. When it raises, that
    is one line `timer.failed` and the schedule goes on."""

    def __init__(
        self,
        name: str,
        schedule: str,
        run: Callable[[str], Awaitable[None]],
        status_file: Path,
        *,
        run_on_startup: bool = False,
        use_monitor: bool = True,
        clock: Clock = SystemClock(),  # noqa: B008 - it has no state
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = name
        self._schedule = Schedule.parse(schedule)
        self._schedule.next(clock.now())  # one that never comes is refused now, not at night
        self._run = run
        self._file = StatusFile(status_file, name, schedule) if use_monitor else None
        self._run_on_startup = run_on_startup
        self._clock = clock
        self._sleep = sleep
        self._lock = asyncio.Lock()
        self._status: Status | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        if self._task is None:
            if "WEBSITE_TIME_ZONE" in os.environ:
                _warn_of_time_zone()
            self._status, past_due = self._stored(self._clock.now())
            self._task = asyncio.create_task(self._loop(past_due), name=f"timer {self.name}")

    async def stop(self, patience: float = PATIENCE_SECONDS) -> None:
        """Lets a run end for `patience` seconds, then cancels it. What was cancelled is not noted
        as done, so the next start catches up."""
        task, self._task = self._task, None
        if task is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._lock.acquire()
                self._lock.release()
        task.cancel()
        # A function may swallow its cancelling: the loop looks at `_task`, and we wait no longer.
        await asyncio.wait({task}, timeout=CANCEL_SECONDS)

    async def fire(self) -> None:
        """One run now, after the one that goes on, if any. The schedule does not count it: as in
        Azure, where such a call goes past the listener."""
        async with self._lock:
            await self._invoke(past_due=False)

    def _stored(self, now: datetime) -> tuple[Status, bool]:
        """The status to start with, and whether a run was missed."""
        fresh = Status(NEVER, self._schedule.next(now), now)
        stored = self._file.read() if self._file else None
        if stored is None:
            if self._file:
                self._file.write(fresh)
            return fresh, False
        if stored.next <= now:
            return stored, True
        # The clock may have been wrong when it was written: never wait beyond the schedule.
        return Status(stored.last, min(stored.next, fresh.next), stored.updated), False

    async def _loop(self, past_due: bool) -> None:
        if past_due or self._run_on_startup:
            await self._occurrence(past_due)
        while self._task is asyncio.current_task():
            await self._wait()
            await self._occurrence(past_due=False)

    async def _wait(self) -> None:
        """Until the next occurrence, by the wall clock, which may jump either way."""
        seen = self._clock.now()
        while (left := (self._due() - seen).total_seconds()) > 0:
            await self._sleep(min(left, SLICE_SECONDS))
            now = self._clock.now()
            if now < seen - BACKWARDS:
                self._note(self._current().last, now)
            seen = now

    async def _occurrence(self, past_due: bool) -> None:
        """The next one counts from the beginning of this: the ones missed meanwhile are one."""
        async with self._lock:
            began = self._clock.now()
            await self._invoke(past_due)
            self._note(began, began)

    async def _invoke(self, past_due: bool) -> None:
        monitored = self._current().as_json() if self._file else None
        datum = {
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": monitored,
            "IsPastDue": past_due,
        }
        try:
            await self._run(json.dumps(datum))
        except Exception as error:
            logs.exception("timer.failed", error, function=self.name)

    def _note(self, last: datetime, now: datetime) -> None:
        self._status = Status(last, self._schedule.next(now), self._clock.now())
        if self._file:
            self._file.write(self._status)

    def _due(self) -> datetime:
        return self._current().next

    def _current(self) -> Status:
        """`fire` may come before `start`."""
        if self._status is None:
            self._status, _ = self._stored(self._clock.now())
        return self._status


@cache
def _warn_of_time_zone() -> None:
    """Once for all timers. The setting does nothing on Linux Consumption either."""
    logs.event(
        "timer.time_zone_ignored",
        level=logging.WARNING,
        message="WEBSITE_TIME_ZONE is ignored: schedules are in UTC here.",
    )
