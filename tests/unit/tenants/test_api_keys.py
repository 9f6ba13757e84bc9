"""Making, listing and revoking keys, with storage that fails before and after each step."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from shared.platform.api_keys import ROW_PREFIX, TABLE, read_token
from shared.platform.auth import Caller
from shared.platform.once import Once, Replay
from shared.platform.problems import Problem
from shared.platform.tables import Conflict, StorageUnavailable
from shared.tenants.api_keys import Issued
from shared.tenants.models import ApiKeyCreate
from tests.world import ADMIN, ALICE, World

EVE = Caller("eve", "evil", frozenset({"admin"}))
REQUEST = ApiKeyCreate(name="Billing", scopes=("bookings:read", "rooms:read"))


@pytest.fixture
def world() -> World:
    return World()


async def make(
    world: World, request: ApiKeyCreate = REQUEST, once: Once[Issued] | None = None
) -> Issued:
    return await world.services.api_keys.create(ADMIN, request, "10.0.0.9:1", once)


def keyed(world: World, key: str = "k1", request: str = "r") -> Once[Issued]:
    return world.services.keys.once(ADMIN, key, request, lambda issued: issued.token)


async def bearer(world: World, issued: Issued) -> Caller:
    return await world.services.verifier.verify(f"Bearer {issued.token}")


async def problem_of(world: World, issued: Issued) -> str:
    with pytest.raises(Problem) as caught:
        await bearer(world, issued)
    return caught.value.code


async def test_a_new_key_works_and_its_secret_is_nowhere(world: World) -> None:
    issued = await make(world)
    caller = await bearer(world, issued)
    assert (caller.tenant, caller.scopes) == ("acme", {"bookings:read", "rooms:read"})
    named = read_token(issued.token)
    assert named
    stored = json.dumps(world.rows(TABLE, "acme"))
    assert named[2] not in stored
    assert issued.token not in stored
    await world.drain()
    assert [e.type.value for e in world.left] == ["api_key.created"]
    assert named[2] not in repr(world.left)


async def test_the_events_say_who_did_it(world: World) -> None:
    issued = await make(world)
    await world.services.api_keys.revoke(ADMIN, issued.key.key_id, "10.0.0.9:1")
    await world.drain()
    created, revoked = world.left
    assert (created.type, revoked.type) == ("api_key.created", "api_key.revoked")
    assert created.subject == revoked.subject == f"api_key/{issued.key.key_id}"
    assert created.data["scopes"] == ["bookings:read", "rooms:read"]
    assert created.audit
    assert (created.audit.actor, created.audit.action) == ("root", "api_key.create")
    assert revoked.audit
    assert (revoked.audit.action, revoked.audit.address) == ("api_key.revoke", "10.0.0.9:1")


async def test_only_admins(world: World) -> None:
    keys = world.services.api_keys
    issued = await make(world)
    for work in (
        keys.create(ALICE, REQUEST, "", None),
        keys.list(ALICE, "", 10),
        keys.revoke(ALICE, issued.key.key_id, ""),
    ):
        with pytest.raises(Problem) as caught:
            await work
        assert (caught.value.status, caught.value.code) == (403, "admin_only")
    assert await bearer(world, issued)


async def test_another_tenant_sees_and_revokes_nothing(world: World) -> None:
    issued = await make(world)
    assert (await world.services.api_keys.list(EVE, "", 10)).items == []
    with pytest.raises(Problem) as caught:
        await world.services.api_keys.revoke(EVE, issued.key.key_id, "")
    assert caught.value.status == 404
    assert await bearer(world, issued)


async def test_the_list_is_paged_oldest_first_among_events(world: World) -> None:
    made = []
    for _ in range(5):
        made.append((await make(world)).key.key_id)
        world.clock.advance(seconds=1)
    seen, after = [], ""
    while True:
        page = await world.services.api_keys.list(ADMIN, after, 2)
        assert len(page.items) <= 2
        seen += [key.key_id for key in page.items]
        after = page.next
        if not after:
            break
    assert seen == made
    with pytest.raises(Problem, match="400"):
        await world.services.api_keys.list(ADMIN, "p|x", 2)


async def test_revoking_holds_at_once_and_twice_is_once(world: World) -> None:
    issued = await make(world)
    for _ in range(2):
        await world.services.api_keys.revoke(ADMIN, issued.key.key_id, "")
    assert await problem_of(world, issued) == "unauthorized"
    assert len(world.events("api_key.revoked")) == 1
    (key,) = (await world.services.api_keys.list(ADMIN, "", 10)).items
    assert key.revoked_at == world.now


@pytest.mark.parametrize("key_id", ["0" * 24, "x", "", "a/b", "é", "k|" + "0" * 24])
async def test_an_unknown_key_is_a_404(world: World, key_id: str) -> None:
    with pytest.raises(Problem) as caught:
        await world.services.api_keys.revoke(ADMIN, key_id, "")
    assert (caught.value.status, caught.value.code) == (404, "api_key_not_found")


async def test_a_key_can_expire_but_not_in_the_past(world: World) -> None:
    until = world.now + timedelta(hours=1)
    request = REQUEST.model_copy(update={"expires_at": until})
    issued = await make(world, request)
    assert await bearer(world, issued)
    world.clock.advance(hours=1)
    assert await problem_of(world, issued) == "unauthorized"
    with pytest.raises(Problem) as caught:
        await make(world, request, keyed(world))
    assert [e.field for e in caught.value.errors] == ["expires_at"]
    world.clock.time = until - timedelta(minutes=1)
    assert await make(world, request, keyed(world)), "the refusal gave the key back"


# Idempotency.


async def test_the_same_request_again_gets_the_same_token(world: World) -> None:
    issued = await make(world, once=keyed(world))
    world.clock.advance(hours=23)
    with pytest.raises(Replay) as replay:
        await make(world, once=keyed(world))
    assert replay.value.answer == issued.token
    assert issued.token not in json.dumps(world.rows(TABLE, "acme"))
    assert len(world.rows(TABLE, "acme", ROW_PREFIX)) == 1


async def test_it_does_so_when_the_key_has_expired_or_is_revoked(world: World) -> None:
    request = REQUEST.model_copy(update={"expires_at": world.now + timedelta(minutes=5)})
    issued = await make(world, request, keyed(world))
    world.clock.advance(minutes=6)
    await world.services.api_keys.revoke(ADMIN, issued.key.key_id, "")
    with pytest.raises(Replay) as replay:
        await make(world, request, keyed(world))
    assert replay.value.answer == issued.token
    assert await problem_of(world, issued) == "unauthorized"


async def test_after_a_day_the_sealed_answer_is_gone(world: World) -> None:
    issued = await make(world, once=keyed(world))
    plain = await make(world)
    assert await world.services.api_keys.tidy() == 0
    world.clock.advance(hours=24)
    assert await world.services.api_keys.tidy() == 1
    assert await world.services.api_keys.tidy() == 0
    for row in world.rows(TABLE, "acme", ROW_PREFIX):
        assert row.keys().isdisjoint({"answer", "once"})
    assert await bearer(world, issued)
    assert await bearer(world, plain)
    again = await make(world, once=keyed(world))
    assert again.key.key_id != issued.key.key_id


async def test_tidying_reaches_every_tenant(world: World) -> None:
    for tenant in ("acme", "Ünited", "中"):
        admin = Caller("root", tenant, frozenset({"admin"}))
        once: Once[Issued] = world.services.keys.once(admin, "k", "r", lambda issued: "x")
        await world.services.api_keys.create(admin, REQUEST, "", once)
    world.clock.advance(hours=24)
    assert await world.services.api_keys.tidy() == 3


Fault = Callable[[World, int, str], None]


def _fail_at(world: World, number: int, error: Exception, mark: str) -> None:
    """Raises before (`mark` empty) or after (`!`) the commit of that number."""
    commits = 0

    def fail(verb: str, table: str, pk: str) -> None:
        nonlocal commits
        if verb == "commit" + mark:
            commits += 1
            if commits == number:
                raise error

    world.tables.fail = fail


@pytest.mark.parametrize(
    ("number", "mark", "error"),
    [
        (1, "", StorageUnavailable("cut")),
        (1, "!", StorageUnavailable("cut")),
        (2, "", StorageUnavailable("cut")),
        (2, "", OSError("died")),
        (2, "!", OSError("died")),
    ],
    ids=repr,
)
async def test_a_crash_anywhere_and_the_same_request_again_is_one_key(
    world: World, number: int, mark: str, error: Exception
) -> None:
    _fail_at(world, number, error, mark)
    with pytest.raises(type(error)):
        await make(world, once=keyed(world))
    world.tables.fail = lambda *_: None
    world.clock.advance(minutes=2)  # the one in flight is taken for dead
    try:
        token = (await make(world, once=keyed(world))).token
    except Replay as replay:
        token = replay.answer
    assert await world.services.verifier.verify(f"Bearer {token}")
    assert len(world.rows(TABLE, "acme", ROW_PREFIX)) == 1
    assert len(world.events("api_key.created")) == 1


async def test_an_answer_that_is_lost_and_sent_again_is_success(world: World) -> None:
    """The SDK resends, and meets the rows of its first try; or it gives up."""
    for error in (Conflict("exists"), StorageUnavailable("cut")):
        _fail_at(world, 1, error, "!")
        issued = await make(world)
        assert await bearer(world, issued)
    assert len(world.events("api_key.created")) == 2
    _fail_at(world, 1, Conflict("changed"), "!")
    await world.services.api_keys.revoke(ADMIN, issued.key.key_id, "")
    assert await problem_of(world, issued) == "unauthorized"
    assert len(world.events("api_key.revoked")) == 1


async def test_a_refusal_gives_the_idempotency_key_back(world: World) -> None:
    _fail_at(world, 2, Conflict("changed"), "")
    with pytest.raises(Problem) as problem:
        await make(world, once=keyed(world))
    assert (problem.value.status, problem.value.code) == (503, "calendar_busy")
    issued = await make(world, once=keyed(world))
    assert await bearer(world, issued)


async def test_a_key_that_changes_all_the_time_can_be_revoked_later(world: World) -> None:
    issued = await make(world)

    def fail(verb: str, table: str, pk: str) -> None:
        if verb == "commit":
            raise Conflict("changed")

    world.tables.fail = fail
    with pytest.raises(Problem) as problem:
        await world.services.api_keys.revoke(ADMIN, issued.key.key_id, "")
    assert (problem.value.status, problem.value.code) == (503, "calendar_busy")


async def test_revoking_a_key_that_changes_meanwhile(world: World) -> None:
    issued = await make(world, once=keyed(world))
    world.clock.advance(hours=24)
    commit = world.tables.commit
    tidied: list[int] = []

    async def meanwhile(table: str, pk: str, ops: object) -> None:
        if not tidied:
            tidied.append(0)
            tidied[0] = await world.services.api_keys.tidy()
        await commit(table, pk, ops)

    world.tables.commit = meanwhile
    await world.services.api_keys.revoke(ADMIN, issued.key.key_id, "")
    assert tidied == [1]
    assert await problem_of(world, issued) == "unauthorized"
    assert "answer" not in world.rows(TABLE, "acme", ROW_PREFIX)[0]


async def test_a_slow_request_that_comes_back_makes_no_second_key(world: World) -> None:
    """It reserved the id, was taken for dead, and commits after the one that took over."""
    slow, fast = keyed(world), keyed(world)
    commit = world.tables.commit
    answers: list[str] = []

    async def overtaken(table: str, pk: str, ops: object) -> None:
        if table == TABLE and not answers:
            world.clock.advance(minutes=2)
            answers.append("")
            answers[0] = (await make(world, once=fast)).token
        await commit(table, pk, ops)

    world.tables.commit = overtaken
    with pytest.raises(Replay) as replay:
        await make(world, once=slow)
    assert replay.value.answer == answers[0]
    assert len(world.rows(TABLE, "acme", ROW_PREFIX)) == 1
