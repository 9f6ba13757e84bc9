"""Whether the machines have nothing to do for a while."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from shared.bookings.claims import Claim
from shared.bookings.service import Bookings
from shared.fleet.models import Fleet
from shared.fleet.warm import windows
from shared.platform.clock import Clock
from shared.platform.i18n import Message

if TYPE_CHECKING:
    from shared.platform.settings import Settings

BOOKED = Message(
    "uma reserva precisa de uma máquina, ou vai precisar em breve",
    "a booking needs a machine, or will need one soon",
)
WARM = Message(
    "há máquinas que estão ligadas a esta hora, ou em breve, para quem reservar",
    "machines are kept on at this hour, or soon, for whoever books",
)


class Idle:
    def __init__(self, bookings: Bookings, settings: Settings, clock: Clock) -> None:
        self._bookings = bookings
        self._settings = settings
        self._clock = clock

    async def needed(self, fleet: Fleet, until: datetime) -> Message | None:
        """Why a machine is needed now or will be before `until`; None when nothing asks for one.

        Raises `StorageUnavailable`.
        """
        if fleet.placements:
            return BOOKED
        settings, now = self._settings, self._clock.now()
        last = until + settings.vm_lead
        first = now - settings.max_booking - settings.join_grace
        claims = await self._bookings.claims(settings.pool, first, last)
        if any(self._counts(claim, now, last) for claim in claims):
            return BOOKED
        return WARM if windows(settings, now, last) else None

    def _counts(self, claim: Claim, now: datetime, last: datetime) -> bool:
        over = claim.end if claim.ended else claim.end + self._settings.join_grace
        return claim.start < last and now < over
