"""How much the system was used, by week or month and by region. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from shared.platform.ids import PLATFORM_TENANT
from shared.reports.calls import Session
from shared.reports.models import Figures, PeriodFigures, RegionFigures, Summary, hours
from shared.reports.money import amount, apportion, exact_coins, rounded
from shared.reports.periods import Period, moment, seconds
from shared.reports.reader import Reading
from shared.reports.runs import NOBODY

UNKNOWN = "unknown"


@dataclass(slots=True)
class _Part:
    """What belongs to one region in one period; `at` is machines' time by price an hour."""

    sessions: list[Session] = field(default_factory=list)
    bookings: int = 0
    at: Counter[str] = field(default_factory=Counter)


class Summariser:
    """Knows where each booking was carried. `tenant` None: of all, with the platform's share."""

    def __init__(self, reading: Reading, tenant: str | None, currency: str) -> None:
        self._reading = reading
        self._tenant = tenant
        self._currency = currency
        self._tenants = reading.tenants()
        stays: dict[int, list[tuple[int, str]]] = defaultdict(list)
        for one in reading.carriages:
            if one.start < one.end:
                region = reading.regions.get(one.vm, "") or UNKNOWN
                stays[one.booking_id].append((seconds(one.start), region))
        self._stays = {booking_id: sorted(mine) for booking_id, mine in stays.items()}

    def period(self, period: Period) -> PeriodFigures:
        since, until = seconds(period.start), seconds(period.end)
        regions = self._sessions(since, until)
        for booking_id, stays in self._stays.items():
            if self._mine(self._tenants[booking_id]) and since <= stays[0][0] < until:
                regions[stays[0][1]].bookings += 1
        total = self._machines(regions, since, until)
        exact = {name: exact_coins(part.at, self._currency) for name, part in regions.items()}
        coins = apportion(total, exact)
        every = _Part(
            [s for part in regions.values() for s in part.sessions],
            sum(part.bookings for part in regions.values()),
            sum((part.at for part in regions.values()), Counter()),
        )
        return PeriodFigures(
            **self._figures(every, since, until, total),
            name=period.name,
            since=period.start,
            until=period.end,
            regions=tuple(
                RegionFigures(**self._figures(part, since, until, coins[name]), region=name)
                for name, part in sorted(regions.items())
            ),
        )

    def _mine(self, tenant: str) -> bool:
        return self._tenant in (None, tenant)

    def _sessions(self, since: int, until: int) -> dict[str, _Part]:
        regions: dict[str, _Part] = defaultdict(_Part)
        for session in self._reading.sessions:
            if self._mine(session.tenant) and session.within(since, until):
                regions[self._region(session)].sessions.append(session)
        return regions

    def _region(self, session: Session) -> str:
        """Where the booking was when the call began; people come in before its start."""
        stays = self._stays.get(session.booking_id)
        if not stays:
            return UNKNOWN
        last = bisect_right(stays, session.start, key=lambda stay: stay[0]) - 1
        return stays[max(0, last)][1]

    def _machines(self, regions: dict[str, _Part], since: int, until: int) -> int:
        """Adds time and cost; returns what it costs, in coins, the same as in the bill."""
        at: dict[str, Counter[str]] = defaultdict(Counter)
        for share in self._reading.book.shares(since, until):
            nobody = share.booking_id == NOBODY
            tenant = PLATFORM_TENANT if nobody else self._tenants[share.booking_id]
            at[tenant][share.price] += share.seconds
            if self._mine(tenant):
                regions[share.region or UNKNOWN].at[share.price] += share.seconds
        exact = {name: exact_coins(each, self._currency) for name, each in at.items()}
        total = rounded(sum(exact.values(), Fraction(0)))
        return total if self._tenant is None else apportion(total, exact).get(self._tenant, 0)

    def _figures(self, part: _Part, since: int, until: int, coins: int) -> dict[str, object]:
        begun = [s for s in part.sessions if since <= s.start < until]
        length = sum(s.end - s.start for s in begun)
        peak, at = busiest(part.sessions, since, until)
        return {
            "sessions": len(begun),
            "mean_seconds": round(length / len(begun)) if begun else 0,
            "bookings": part.bookings,
            "peak": peak,
            "peak_at": moment(at) if peak else None,
            "vm_seconds": part.at.total(),
            "vm_hours": hours(part.at.total()),
            "cost": amount(coins, self._currency),
        }


def busiest(sessions: Iterable[Session], since: int, until: int) -> tuple[int, int]:
    """The most sessions at one moment of [since, until), and the first such moment."""
    changes: dict[int, int] = defaultdict(int)
    for session in sessions:
        changes[max(since, session.start)] += 1
        changes[min(until, session.end)] -= 1
    going, best, at = 0, 0, since
    for when in sorted(changes):
        going += changes[when]
        if going > best:
            best, at = going, when
    return best, at


def summary(
    reading: Reading,
    wanted: Sequence[Period],
    tenant: str | None,
    currency: str,
    time_zone: str,
) -> Summary:
    summariser = Summariser(reading, tenant, currency)
    return Summary(
        time_zone=time_zone,
        as_of=reading.at,
        currency=currency,
        tenant=tenant,
        periods=tuple(summariser.period(period) for period in wanted),
    )


def overall(figures: Figures) -> Mapping[str, object]:
    """The figures that two periods are compared by."""
    return figures.model_dump(mode="json", include=set(Figures.model_fields), exclude_none=True)
