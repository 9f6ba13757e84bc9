"""Reports: what callers may ask of the ledger (webrtc-streaming.md 1.3 and 7.5)."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from shared.platform.auth import Caller
from shared.platform.clock import Clock
from shared.platform.i18n import Message
from shared.platform.payload import in_range
from shared.platform.problems import FieldError, Problem, invalid
from shared.reports.models import By, Summary, Usage
from shared.reports.periods import Period, month, period_of, periods
from shared.reports.reader import LedgerReader
from shared.reports.readings import Readings
from shared.reports.summary import summary
from shared.reports.usage import usage

if TYPE_CHECKING:
    from shared.platform.settings import Settings

LONGEST = timedelta(days=400)
"""Of a summary: a year, with what its first and last period lack."""

USUAL = {"week": timedelta(weeks=12), "month": timedelta(days=365)}

INTERVAL = Message(
    f"deve ser anterior a to, no máximo {LONGEST.days} dias",
    f"should be before to, at most {LONGEST.days} days",
)


class Reports:
    def __init__(self, reader: LedgerReader, settings: Settings, clock: Clock) -> None:
        self._readings = Readings(reader, clock)
        self._settings = settings
        self._clock = clock

    async def usage(self, caller: Caller, name: str | None, tenant: str | None) -> Usage:
        """The month `name` (`2026-10`; by default this one) of the caller's tenant, or for an
        operator of all, or of the one asked for.

        Problems: 403 for who is neither admin nor operator, 404 for another one's tenant, 429 while
        too many others wait for theirs.
        """
        whose, zone = _scope(caller, tenant), self._settings.time_zone
        period = month(name, zone) if name else period_of(self._clock.now(), "month", zone)
        return await self._bill(period, whose, patient=False)

    async def bill(self, period: Period) -> Usage:
        """Of all, however long others have to be waited for. Raises `StorageUnavailable`."""
        return await self._bill(period, None, patient=True)

    async def _bill(self, period: Period, tenant: str | None, *, patient: bool) -> Usage:
        currency, zone = self._settings.currency, self._settings.time_zone
        work = partial(usage, period=period, tenant=tenant, currency=currency, time_zone=zone)
        return await self._readings.make(period.start, period.end, work, patient=patient)

    async def summary(
        self,
        caller: Caller,
        since: datetime | None,
        until: datetime | None,
        by: By,
        tenant: str | None,
    ) -> Summary:
        """As `usage`, of [since, until): by default the last 12 weeks or months, until now.

        Problems: also 400 for an interval that is empty or longer than 400 days.
        """
        whose, zone = _scope(caller, tenant), self._settings.time_zone
        until = until or self._clock.now()
        since = since or period_of(until - USUAL[by], by, zone).end
        if not in_range(since) or not timedelta(0) < until - since <= LONGEST:
            raise invalid([FieldError("from", INTERVAL)])
        wanted = [*periods(since, until, by, zone)]
        return await self._figures(wanted, whose, patient=False)

    async def figures(self, wanted: list[Period]) -> Summary:
        """Of all, in these periods, which follow each other; as `bill`."""
        return await self._figures(wanted, None, patient=True)

    async def _figures(self, wanted: list[Period], tenant: str | None, *, patient: bool) -> Summary:
        currency, zone = self._settings.currency, self._settings.time_zone
        work = partial(summary, wanted=wanted, tenant=tenant, currency=currency, time_zone=zone)
        since, until = wanted[0].start, wanted[-1].end
        return await self._readings.make(since, until, work, patient=patient)


def _scope(caller: Caller, tenant: str | None) -> str | None:
    """The tenant to tell of; None for all, and the platform itself."""
    if caller.is_operator:
        return tenant
    caller.require_admin()
    if tenant not in (None, caller.tenant):
        raise Problem(404, "not_found")
    return caller.tenant
