"""API keys on real tables: tenants of every script, pages among events, a revocation at once."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from shared.platform.auth import Caller
from shared.platform.once import Once
from shared.platform.problems import Problem
from shared.platform.tables_azure import AzureTables
from shared.tenants.api_keys import Issued
from shared.tenants.models import ApiKeyCreate
from tests.azurite import Azurite
from tests.world import World

REQUEST = ApiKeyCreate(name="Faturação", scopes=("bookings:read",))
TENANTS = ("keys-acme", "keys Ünited & Söhne's", "keys-中", "\U0001f600 keys", "\ufb01 keys")


@pytest.fixture
async def tables(azurite: Azurite) -> AsyncIterator[AzureTables]:
    tables = AzureTables(azurite.connection)
    yield tables
    await tables.close()


async def test_the_life_of_a_key(tables: AzureTables) -> None:
    world = World(tables=tables)
    keys = world.services.api_keys
    for tenant in TENANTS:
        admin = Caller("root", tenant, frozenset({"admin"}))
        once: Once[Issued] = world.services.keys.once(admin, "k", "r", lambda issued: issued.token)
        issued = await keys.create(admin, REQUEST, "", once)
        world.clock.advance(seconds=1)
        later = await keys.create(admin, REQUEST, "", None)
        caller = await world.services.verifier.verify(f"Bearer {issued.token}")
        assert (caller.tenant, caller.name) == (tenant, "Faturação")
        page = await keys.list(admin, "", 1)
        assert [key.key_id for key in page.items] == [page.next] == [issued.key.key_id]
        rest = await keys.list(admin, page.next, 1)
        assert ([key.key_id for key in rest.items], rest.next) == ([later.key.key_id], "")
        await keys.revoke(admin, issued.key.key_id, "")
        with pytest.raises(Problem, match="401"):
            await world.services.verifier.verify(f"Bearer {issued.token}")
    world.clock.advance(hours=24)
    assert await keys.tidy() == len(TENANTS)
    assert await keys.tidy() == 0
