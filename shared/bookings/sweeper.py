"""The sweeper: claims that a writer left behind when it died, brought to what was decided.

Nobody waits for it: whoever meets such a claim settles it. It finds those that nobody meets.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from shared.bookings.calendar import Calendar
from shared.bookings.claims import Claim
from shared.platform import logs
from shared.platform.clock import Clock
from shared.platform.waiting import spread

if TYPE_CHECKING:
    from shared.platform.settings import Settings


class Sweeper:
    def __init__(self, calendar: Calendar, settings: Settings, clock: Clock) -> None:
        self._calendar = calendar
        self._settings = settings
        self._clock = clock

    async def run(self) -> int:
        """Settles every loose claim of the days that still matter; returns how many were gone."""
        now, settings = self._clock.now(), self._settings
        since = now - settings.max_booking - timedelta(days=1)
        until = now + settings.horizon + settings.max_booking + timedelta(days=1)
        loose = await self._calendar.loose(settings.pool, since, until)
        return sum(await spread(self._sweep, loose))

    async def _sweep(self, claim: Claim) -> bool:
        gone = await self._calendar.fences.truth(claim) is None
        if gone:
            logs.event("calendar.swept", booking_id=claim.booking_id, day=claim.pk)
        return gone
