"""API keys at the door: made once, shown once, and never above their scopes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.door import OPERATIONS, Operation
from shared.tenants.models import SCOPES
from tests.unit.functions.asking import Answer, Door

KEYED = {"Idempotency-Key": "k-1"}


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Door:
    return Door(monkeypatch)


async def create(door: Door, headers: dict[str, str] | None = None, **changes: Any) -> Answer:
    body = {"name": "Billing", "scopes": ["rooms:read"], **changes}
    admin = door.token("root", "acme", "admin")
    return await door.ask("api_keys_create", body, token=admin, headers=headers)


async def test_the_life_of_a_key(door: Door) -> None:
    made = await create(door, expires_at="2026-06-11T00:00:00+02:00")
    assert made.status == 201
    token, key_id = made.body["token"], made.body["key_id"]
    assert token.startswith("suroga.YWNtZQ.")
    assert made.headers["Location"] == f"/api/v1/api-keys/{key_id}"
    assert made.headers["Cache-Control"] == "no-store"
    assert {k: made.body[k] for k in ("name", "scopes", "roles", "created_by")} == {
        "name": "Billing",
        "scopes": ["rooms:read"],
        "roles": ["user"],
        "created_by": "root",
    }
    assert made.body["expires_at"] == "2026-06-10T22:00:00Z"
    assert (await door.ask("rooms_list", token=token)).status == 200
    admin = door.token("root", "acme", "admin")
    listed = await door.ask("api_keys_list", token=admin)
    assert listed.body == [{k: v for k, v in made.body.items() if k != "token"}]
    assert token.split(".")[-1] not in json.dumps(listed.body)
    for _ in range(2):
        assert (await door.ask("api_keys_revoke", token=admin, key_id=key_id)).status == 204
    assert (await door.ask("rooms_list", token=token)).status == 401
    listed = await door.ask("api_keys_list", token=admin)
    assert listed.body[0]["revoked_at"] == "2026-06-10T09:00:00Z"
    unknown = await door.ask("api_keys_revoke", token=admin, key_id="0" * 24)
    assert (unknown.status, unknown.code) == (404, "api_key_not_found")


async def test_pages_of_keys(door: Door) -> None:
    for _ in range(3):
        await create(door)
        door.world.clock.advance(seconds=1)
    admin = door.token("root", "acme", "admin")
    first = await door.ask("api_keys_list", token=admin, params={"limit": "2"})
    after = first.headers["Link"].split("after=")[1].split(">")[0]
    rest = await door.ask("api_keys_list", token=admin, params={"limit": "2", "after": after})
    assert "Link" not in rest.headers
    assert len({key["key_id"] for key in first.body + rest.body}) == 3
    wrong = await door.ask("api_keys_list", token=admin, params={"after": "x"})
    assert (wrong.status, wrong.body["errors"][0]["field"]) == (400, "after")


async def test_the_same_request_again_shows_the_same_token(door: Door) -> None:
    first, again = await create(door, KEYED), await create(door, KEYED)
    assert (again.status, again.body) == (201, first.body)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Location"] == first.headers["Location"]
    other = await create(door, KEYED, name="Other")
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    admin = door.token("root", "acme", "admin")
    assert len((await door.ask("api_keys_list", token=admin)).body) == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        *(({"name": ""}, "name"), ({"name": "  "}, "name"), ({"name": "a\nb"}, "name")),
        *(({"name": "x" * 101}, "name"), ({"scopes": []}, "scopes"), ({"roles": []}, "roles")),
        *(({"scopes": ["rooms:paint"]}, "scopes.0"), ({"roles": ["operator"]}, "roles.0")),
        *(({"expires_at": "2026-06-10T08:59:59Z"}, "expires_at"), ({"digest": "x"}, "digest")),
        ({"expires_at": "2026-06-10T12:00:00"}, "expires_at"),
    ],
    ids=str,
)
async def test_bad_keys_are_named(door: Door, changes: dict[str, Any], field: str) -> None:
    answer = await create(door, **changes)
    assert (answer.status, answer.body["errors"][0]["field"]) == (400, field)


async def test_only_admins_of_the_tenant(door: Door) -> None:
    body = {"name": "x", "scopes": ["rooms:read"]}
    assert (await door.ask("api_keys_create", body)).code == "admin_only"
    assert (await door.ask("api_keys_list")).code == "admin_only"
    key_id = (await create(door)).body["key_id"]
    assert (await door.ask("api_keys_revoke", key_id=key_id)).code == "admin_only"


SCOPED = [op for op in OPERATIONS if op.scope]
UNSCOPED = [op for op in OPERATIONS if op.signed_in and not op.scope]


def _route(op: Operation) -> dict[str, str]:
    names = [part[1:].split(":")[0].rstrip("}") for part in op.route.split("/") if part[:1] == "{"]
    return dict.fromkeys(names, "7")


def test_every_scope_is_known_and_used() -> None:
    assert {op.scope for op in SCOPED} == SCOPES


@pytest.mark.parametrize("op", SCOPED, ids=lambda op: op.name)
async def test_a_key_may_do_what_its_scopes_allow(door: Door, op: Operation) -> None:
    scopes = sorted(SCOPES - {op.scope})
    lacking = (await create(door, scopes=scopes, roles=["user", "admin"])).body["token"]
    english = {"accept-language": "en"}
    answer = await door.ask(op.name, token=lacking, headers=english, **_route(op))
    assert (answer.status, answer.code) == (403, "insufficient_scope")
    assert op.scope in answer.body["detail"]
    having = (await create(door, scopes=[op.scope], roles=["user", "admin"])).body["token"]
    answer = await door.ask(op.name, token=having, **_route(op))
    assert answer.status not in (401, 403)


@pytest.mark.parametrize("op", UNSCOPED, ids=lambda op: op.name)
async def test_what_no_scope_allows_is_for_people(door: Door, op: Operation) -> None:
    token = (await create(door, scopes=sorted(SCOPES), roles=["admin"])).body["token"]
    answer = await door.ask(op.name, token=token, **_route(op))
    assert (answer.status, answer.code) == (403, "person_only")


async def test_roles_hold_for_keys_too(door: Door) -> None:
    user = (await create(door, scopes=["audit:read"])).body["token"]
    admin = (await create(door, scopes=["audit:read"], roles=["admin"])).body["token"]
    assert (await door.ask("audit_list", token=user)).code == "admin_only"
    assert (await door.ask("audit_list", token=admin)).status == 200


async def test_a_key_books_as_itself(door: Door) -> None:
    scopes = ["bookings:read", "bookings:write"]
    token = (await create(door, scopes=scopes)).body["token"]
    other = (await create(door, scopes=scopes)).body["token"]
    times = {"start_time": "2026-06-10T10:00:00Z", "end_time": "2026-06-10T11:00:00Z"}
    booked = await door.ask("bookings_create", times, token=token)
    assert booked.status == 201
    number = str(booked.body["booking_id"])
    assert (await door.ask("bookings_get", token=token, booking_id=number)).status == 200
    assert (await door.ask("bookings_get", token=other, booking_id=number)).status == 404
    assert len((await door.ask("bookings_list", token=token)).body) == 1
    admin = door.token("root", "acme", "admin")
    assert (await door.ask("bookings_delete", token=admin, booking_id=number)).status == 204


async def test_a_key_has_a_rate_limit_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    door = Door(monkeypatch, rate_caller="2/day")
    token = (await create(door)).body["token"]
    other = (await create(door)).body["token"]
    statuses = [(await door.ask("rooms_list", token=token)).status for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert (await door.ask("rooms_list", token=other)).status == 200


async def test_tidying_is_a_nightly_function(door: Door) -> None:
    from functions.api_keys import api_keys_tidy

    await create(door, KEYED)
    door.world.clock.advance(hours=24)
    handler: Any = api_keys_tidy
    await handler._function.get_user_function()(None)
    assert all("answer" not in row for row in door.world.rows("ApiKeys", "acme"))
