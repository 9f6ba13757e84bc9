"""API keys as bearers: what they are made of, and every kind that is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.platform.api_keys import (
    ROW_PREFIX,
    TABLE,
    ApiKey,
    KeyReader,
    digest,
    read_token,
    token_of,
)
from shared.platform.auth import Caller, LocalTokens, TokenVerifier
from shared.platform.ids import Ids
from shared.platform.problems import Problem
from shared.platform.tables import StorageUnavailable, Upsert
from tests.fakes.clock import ManualClock
from tests.fakes.tables import FakeTables
from tests.unit.platform.conftest import SettingsOf
from tests.unit.platform.test_auth import no_session, unauthorized

KEY_ID = "0" * 23 + "1"
SECRET = "s" * 42 + "A"
HOUR = timedelta(hours=1)


class Keys:
    """A verifier, and the rows that it reads."""

    def __init__(self, settings_of: SettingsOf) -> None:
        self.clock = ManualClock()
        self.tables = FakeTables()
        reader = KeyReader(self.tables)
        self.verifier = TokenVerifier(settings_of(), self.clock, no_session, reader)

    async def put(self, **changes: object) -> ApiKey:
        values: dict[str, object] = {
            "key_id": KEY_ID,
            "tenant": "acme",
            "name": "Billing",
            "scopes": ("bookings:read",),
            "roles": ("user",),
            "created_by": "root",
            "created_at": self.clock.now(),
            "digest": digest(SECRET),
        }
        key = ApiKey(**{**values, **changes})  # type: ignore[arg-type]
        ops = [Upsert(ROW_PREFIX + key.key_id, key.to_row())]
        await self.tables.commit(TABLE, key.tenant, ops)
        return key

    async def refused(self, token: str) -> None:
        await unauthorized(self.verifier, token)


@pytest.fixture
def keys(settings_of: SettingsOf) -> Keys:
    return Keys(settings_of)


TOKEN = token_of("acme", KEY_ID, SECRET)


async def test_a_key_is_a_caller_of_its_tenant(keys: Keys) -> None:
    await keys.put(roles=("admin",), scopes=("rooms:read", "bookings:read"))
    caller = await keys.verifier.verify(f"Bearer {TOKEN}")
    assert caller == Caller(
        f"key:{KEY_ID}",
        "acme",
        frozenset({"admin"}),
        name="Billing",
        scopes=frozenset({"rooms:read", "bookings:read"}),
    )
    assert caller.display == "Billing"


async def test_a_request_reads_one_row_and_keeps_nothing(keys: Keys) -> None:
    await keys.put()
    keys.tables.requests.clear()
    assert await keys.verifier.verify(f"Bearer {TOKEN}")
    assert keys.tables.requests == [("get", TABLE, "acme")]
    await keys.put(revoked_at=keys.clock.now())
    await keys.refused(TOKEN)


async def test_a_key_ends_when_it_expires(keys: Keys) -> None:
    await keys.put(expires_at=keys.clock.now() + HOUR)
    keys.clock.advance(minutes=59, seconds=59)
    assert await keys.verifier.verify(f"Bearer {TOKEN}")
    keys.clock.advance(seconds=1)
    await keys.refused(TOKEN)


@pytest.mark.parametrize(
    "token",
    [
        *(TOKEN[:-1], TOKEN[:-1] + "B", TOKEN + "A", TOKEN + ".", TOKEN[:-44], "suroga.", "suroga"),
        token_of("acme", KEY_ID, "t" * 43),
        token_of("acme", KEY_ID, digest(SECRET)[:43]),
        token_of("acme", "0" * 23 + "2", SECRET),
        token_of("acme", "../secret", SECRET),
        *(token_of("acme", f"{KEY_ID[:-1]}{bad}", SECRET) for bad in ("/", "'", "\x00", "A", "é")),
        *(token_of(tenant, KEY_ID, SECRET) for tenant in ("evil", "", "a/b", "a|b", "x" * 201)),
        token_of("acme", KEY_ID, SECRET).replace("YWNtZQ", "YWNtZR"),
        token_of("acme", KEY_ID, SECRET).replace("YWNtZQ", "YWNtZQ=="),
        token_of("acme", KEY_ID, SECRET).replace("YWNtZQ", "_w"),
        token_of("acme", KEY_ID, SECRET).replace("YWNtZQ", "é"),
        *("suroga.a.b.c", "suroga...", "suroga." + "x" * 20_000),
        *(TOKEN.upper(), "Suroga" + TOKEN[6:]),
    ],
)  # fmt: skip
async def test_what_is_no_key_is_refused(keys: Keys, token: str) -> None:
    await keys.put()
    await keys.refused(token)


@pytest.mark.parametrize("tenant", ["", "a/b", "a\\b", "a#b", "a|b", "a\x00", "x" * 201])
async def test_what_no_row_can_be_called_is_not_asked_for(keys: Keys, tenant: str) -> None:
    """The tables would answer with an error of their own."""
    await keys.refused(token_of(tenant, KEY_ID, SECRET))
    assert keys.tables.requests == []


@given(st.text(alphabet="ab._-=A0é", max_size=40) | st.text(max_size=40), st.integers(0, 200))
def test_no_other_text_reads_as_the_same_key(text: str, place: int) -> None:
    other = TOKEN[:place] + text + TOKEN[place:]
    found = read_token(other) if other.startswith("suroga.") else None
    assert found != ("acme", KEY_ID, SECRET) or other == TOKEN


async def test_no_key_is_an_operator(keys: Keys) -> None:
    await keys.put(roles=("operator", "chef", "user"))
    caller = await keys.verifier.verify(f"Bearer {TOKEN}")
    assert caller.roles == {"user"}


async def test_storage_that_is_down_is_no_401(keys: Keys) -> None:
    def fail(verb: str, table: str, pk: str) -> None:
        raise StorageUnavailable("down")

    await keys.put()
    keys.tables.fail = fail
    with pytest.raises(StorageUnavailable):
        await keys.verifier.verify(f"Bearer {TOKEN}")


async def test_no_person_is_called_like_a_key(keys: Keys, settings_of: SettingsOf) -> None:
    token = LocalTokens(settings_of(), keys.clock).issue(f"key:{KEY_ID}", "acme", ["admin"])
    await keys.refused(token)


async def test_without_keys_no_key_is_accepted(settings_of: SettingsOf) -> None:
    verifier = TokenVerifier(settings_of(), ManualClock(), no_session)
    with pytest.raises(Problem, match="401"):
        await verifier.verify(f"Bearer {TOKEN}")


def test_ids_sort_by_time_and_secrets_are_256_bits() -> None:
    import random

    clock = ManualClock()
    ids = Ids(clock, random.Random(1))
    first = ids.key_id()
    clock.advance(seconds=1)
    assert first < ids.key_id()
    secrets = {ids.secret() for _ in range(50)}
    assert {len(secret) for secret in secrets} == {43}
    assert len(secrets) == 50
    assert read_token(token_of("tenant é", first, secrets.pop()))
