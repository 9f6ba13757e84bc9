"""The audit trail on real tables: they accept its keys and bounds, and sort as we count on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from shared.audit.models import AuditEntry
from shared.audit.service import AuditTrail
from shared.audit.store import AuditStore
from shared.platform.auth import Caller
from shared.platform.tables_azure import AzureTables
from tests.azurite import Azurite
from tests.fakes.clock import ManualClock
from tests.world import make_settings

DAY = timedelta(days=1)


@pytest.fixture
async def store(azurite: Azurite) -> AsyncIterator[AuditStore]:
    client = AzureTables(azurite.connection)
    yield AuditStore(client)
    await client.close()


def entry(n: int, at: datetime) -> AuditEntry:
    actor = "o'neill" if n % 2 else "Ação"
    return AuditEntry(
        id=f"evt_{n:032x}", at=at, actor=actor, action="x", subject="s", details={"n": n}
    )


async def test_pages_filters_and_purge(store: AuditStore) -> None:
    """Years ago: a purge must find nothing of the other tests."""
    clock = ManualClock(datetime(2020, 5, 10, tzinfo=UTC))
    trail = AuditTrail(store, make_settings(audit_days=1), clock)
    admin = Caller("root", f"t-{uuid4().hex}", frozenset({"admin"}))
    start = clock.now()
    for n in range(4):
        await store.put(admin.tenant, entry(n, start + n * DAY / 2))
        await trail.record(admin.tenant, entry(10 + n, start + n * DAY / 2), start)
    clock.advance(days=2)

    async def listed(limit: int, **equal: str) -> list[int]:
        wanted = trail.wanted(start, clock.now(), equal)
        found, after = await trail.page(admin, wanted, "", limit, platform=False)
        while after:
            page, after = await trail.page(admin, wanted, after, limit, platform=False)
            found += page
        return [e.details["n"] for e in found]

    assert await listed(200) == await listed(3) == [3, 13, 2, 12, 1, 11, 0, 10]
    assert await listed(2, actor="o'neill") == [3, 13, 1, 11]
    assert await listed(2, actor="Ação") == [2, 12, 0, 10]
    assert await trail.purge() == 4 + 4, "the first day's entries, and what remembers first reports"
    assert await listed(200) == [3, 13, 2, 12]
    clock.advance(days=1)
    assert await trail.purge() == 4
    assert not await listed(200)
