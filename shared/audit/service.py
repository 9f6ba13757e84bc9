"""The audit trail: written from the domain events, read by admins, forgotten after a time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.audit.models import AuditEntry, Wanted, plain_address
from shared.audit.store import AuditStore, entry_of
from shared.events.catalogue import Audit, DomainEvent
from shared.platform import logs
from shared.platform.auth import Caller
from shared.platform.clock import Clock
from shared.platform.i18n import Message
from shared.platform.ids import PLATFORM_TENANT
from shared.platform.problems import FieldError, invalid
from shared.platform.tables import Conflict

if TYPE_CHECKING:
    from shared.platform.settings import Settings

USUAL = timedelta(hours=24)
"""What a list shows when nothing says since when."""

LONGEST = timedelta(days=90)
"""The longest interval of one list: a day is a partition to read."""

INTERVAL = Message(
    f"deve ser anterior a until, no máximo {LONGEST.days} dias",
    f"should be before until, at most {LONGEST.days} days",
)

CLOCKS = timedelta(minutes=5)
"""What the interval may be longer: the caller's clock says «90 days ago», ours says until when."""

MOST_READ = 5000
"""Rows that one page looks at when it has to search. What it has found by then is a short page."""

SEARCH_CHUNK = 500
PURGE_CHUNK = 1000


class AuditTrail:
    def __init__(self, store: AuditStore, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock

    # -- writing -----------------------------------------------------------------------------------

    async def on_event(self, event: DomainEvent) -> None:
        """Subscriber: one entry for each event, however often the relay brings it."""
        audit = event.audit or _of_the_platform(event)
        if audit is None:
            return
        entry = AuditEntry(
            id=event.id,
            at=event.time,
            actor=audit.actor,
            action=audit.action,
            subject=event.subject,
            address=plain_address(audit.address),
            operation_id=str(event.context.get("operation_id", "")),
            details=_public(event.data),
        )
        await self._store.put(event.tenant, entry)

    async def record(self, tenant: str, entry: AuditEntry, since: datetime) -> None:
        """Writes what is no change of ours and has no event: whoever notices it may say so, again
        and each with another time. One entry comes of it, with the time that was said first.

        `since` is a moment before it, the same for all who notice.
        """
        at = await self._store.first_report(tenant, entry.id, since.date(), entry.at)
        await self._store.put(tenant, entry.model_copy(update={"at": at}))

    # -- reading -----------------------------------------------------------------------------------

    def wanted(
        self, since: datetime | None, until: datetime | None, equal: Mapping[str, str | None]
    ) -> Wanted:
        """The interval is by default the 24 hours until `until`, which is now by default.

        Raises Problem 400 for one that is empty or longer than 90 days.
        """
        now = self._clock.now()
        since = since or (until or now) - USUAL
        until = until or now + timedelta(microseconds=1)
        if not since < until <= since + LONGEST + CLOCKS:
            raise invalid([FieldError("since", INTERVAL)])
        return Wanted(since, until, {k: v for k, v in equal.items() if v is not None})

    async def page(
        self, caller: Caller, wanted: Wanted, after: str, limit: int, *, platform: bool
    ) -> tuple[list[AuditEntry], str]:
        """Entries of the caller's tenant, the newest first, and the cursor of the next page, empty
        on the last one. A page may be short, even empty, and not the last one.

        `platform`: those of the platform instead. Problems: 403 for who is no admin, or then no
        operator.
        """
        if platform:
            caller.require_operator()
        else:
            caller.require_admin()
        tenant = PLATFORM_TENANT if platform else caller.tenant
        chunk = SEARCH_CHUNK if wanted.equal else limit + 1
        rows = self._store.newest(tenant, wanted.since, wanted.until, after, chunk)
        found: list[AuditEntry] = []
        last, read = "", 0
        async for row in rows:
            if all(row.data[name] == value for name, value in wanted.equal.items()):
                if len(found) == limit:
                    return found, last
                found.append(entry_of(row))
            last, read = row.rk, read + 1
            if read == MOST_READ:
                return found, last
        return found, ""

    # -- forgetting --------------------------------------------------------------------------------

    async def purge(self) -> int:
        """Removes the days that are older than the setting says; returns how many rows. After a
        crash the next run goes on."""
        oldest = (self._clock.now() - timedelta(days=self._settings.audit_days)).date()
        gone = 0
        while rows := await self._store.before(oldest, PURGE_CHUNK):
            try:
                await self._store.remove(rows)
            except Conflict:
                continue  # another run is at it
            gone += len(rows)
        logs.event("audit.purged", rows=gone)
        return gone


def _of_the_platform(event: DomainEvent) -> Audit | None:
    """What the reconciler does, it does by itself. Other events without a doer are no changes."""
    if event.tenant == PLATFORM_TENANT:
        return Audit("timer:fleet_tick", event.type.value)
    return None


def _public(data: Mapping[str, Any]) -> dict[str, Any]:
    """Events hold no secrets. Should one ever, it must not be kept for months."""
    return {
        name: logs.REDACTED if _is_secret(name) else _inner(value) for name, value in data.items()
    }


def _is_secret(name: str) -> bool:
    return logs.is_secret(name) and not name.endswith("_id")  # that only names one


def _inner(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _public(value)
    return [_inner(item) for item in value] if isinstance(value, list | tuple) else value
