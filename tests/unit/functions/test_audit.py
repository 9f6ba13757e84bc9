"""`GET /api/v1/audit` and its nightly purge, as the platform calls them."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from shared.events.catalogue import Audit, EventType
from shared.platform import logs
from shared.platform.ids import PLATFORM_TENANT
from shared.platform.tables import Insert
from tests.unit.functions.asking import HANDLERS, Answer, Door


@pytest.fixture
async def door(monkeypatch: pytest.MonkeyPatch) -> Door:
    """With five entries of acme, told by alice and bob, and one of the platform."""
    door = Door(monkeypatch)
    world = door.world
    outbox = world.services.bookings._outbox
    for n in range(6):
        audit = Audit("bob" if n % 2 else "alice", "invite.create", f"10.0.0.{n}:99")
        tenant = "acme" if n < 5 else PLATFORM_TENANT
        event = outbox.event(EventType.INVITE_CREATED, tenant, f"booking/{n}", {}, audit=audit)
        await outbox.commit("T", "pk", [Insert(str(n), {})], [event])
        world.clock.advance(minutes=1)
    await world.drain()
    return door


async def ask(door: Door, *roles: str, **params: str) -> Answer:
    token = door.token("root", "acme", *roles)
    return await door.ask("audit_list", token=token, params=params)


def subjects(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["subject"] for entry in entries]


async def test_an_admin_reads_the_tenants_trail(door: Door) -> None:
    answer = await ask(door, "admin")
    assert answer.status == 200
    assert "Link" not in answer.headers
    assert subjects(answer.body) == [f"booking/{n}" for n in (4, 3, 2, 1, 0)]
    assert answer.body[1].keys() == {
        "id", "at", "actor", "action", "subject", "address", "operation_id", "details",
    }  # fmt: skip
    assert answer.body[1]["at"] == "2026-06-10T09:03:00Z"
    assert (answer.body[1]["actor"], answer.body[1]["address"]) == ("bob", "10.0.0.3:99")


async def test_pages_keep_their_filters_and_their_interval(door: Door) -> None:
    answer = await ask(door, "admin", limit="2", actor="alice")
    shown = subjects(answer.body)
    while link := answer.headers.get("Link"):
        query = dict(parse_qsl(urlsplit(link.split(">")[0].strip("<")).query))
        assert query["since"] == "2026-06-09T09:06:00Z"
        door.world.clock.advance(hours=23)
        answer = await ask(door, "admin", **query)
        shown += subjects(answer.body)
    assert shown == ["booking/4", "booking/2", "booking/0"]


async def test_filters_go_together(door: Door) -> None:
    times = {"since": "2026-06-10T11:01:00+02:00", "until": "2026-06-10T09:04:00Z"}
    assert subjects((await ask(door, "admin", **times)).body) == [f"booking/{n}" for n in (3, 2, 1)]
    assert subjects((await ask(door, "admin", **times, actor="alice")).body) == ["booking/2"]
    assert subjects((await ask(door, "admin", subject="booking/1")).body) == ["booking/1"]
    assert not (await ask(door, "admin", action="booking.cancel")).body


async def test_operators_read_what_the_platform_did(door: Door) -> None:
    answer = await ask(door, "operator", scope="platform")
    assert subjects(answer.body) == ["booking/5"]


@pytest.mark.parametrize(
    ("role", "params", "code"),
    [
        *(("user", {}, "admin_only"), ("operator", {}, "admin_only")),
        ("admin", {"scope": "platform"}, "operator_only"),
    ],
)
async def test_others_are_refused(door: Door, role: str, params: dict[str, str], code: str) -> None:
    answer = await ask(door, role, **params)
    assert (answer.status, answer.code) == (403, code)


@pytest.mark.parametrize(("language", "said"), [("pt", "no máximo 90 dias"), ("en", "at most 90")])
async def test_a_bad_interval_is_told_in_the_readers_language(
    door: Door, language: str, said: str
) -> None:
    answer = await door.ask(
        "audit_list",
        token=door.token("root", "acme", "admin"),
        params={"since": "2026-01-01T00:00:00Z"},
        headers={"Accept-Language": language},
    )
    assert said in answer.body["errors"][0]["message"]


@pytest.mark.parametrize(
    ("field", "params"),
    [
        ("since", {"since": "yesterday"}),
        ("since", {"since": "2026-06-10T09:00:00"}),
        ("since", {"since": "2026-01-01T00:00:00Z"}),
        ("since", {"since": "2026-06-10T09:00:00Z", "until": "2026-06-10T09:00:00Z"}),
        ("after", {"after": "10"}),
        ("after", {"after": "9" * 18 + "|" + "x" * 151}),
        ("scope", {"scope": "evil"}),
        ("actor", {"actor": ""}),
        ("tenant", {"tenant": "evil"}),
        ("limit", {"limit": "201"}),
    ],
)
async def test_a_bad_query_names_its_field(door: Door, field: str, params: dict[str, str]) -> None:
    answer = await ask(door, "admin", **params)
    assert answer.status == 400
    assert [e["field"] for e in answer.body["errors"]] == [field]


@pytest.mark.parametrize("number", ["0" * 18, "9" * 18])
async def test_a_cursor_of_ones_own_making_shows_nothing_of_others(door: Door, number: str) -> None:
    answer = await ask(door, "admin", after=f"{number}|x")
    assert answer.status == 200
    assert set(subjects(answer.body)) <= {f"booking/{n}" for n in range(5)}


async def test_every_night_what_is_too_old_goes(door: Door) -> None:
    door.world.clock.advance(days=92)
    await HANDLERS["audit_purge"](None)
    assert not any(rows for (table, _), rows in door.world.tables.rows.items() if table == "Audit")


SECRETS = ("password", "token", "invite_url", "pin", "session_token", "room_token", "janus_url")


def secrets_in(body: Any) -> set[str]:
    """Whatever an answer holds that nobody but its receiver may have."""
    if isinstance(body, list):
        return set().union(*map(secrets_in, body))
    if not isinstance(body, dict):
        return set()
    found = {str(body[name]).split("#invite=")[-1] for name in SECRETS if name in body}
    return found.union(*map(secrets_in, body.values()))


async def test_no_secret_of_any_operation_gets_into_the_trail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    door, told = Door(monkeypatch), set[str]()
    admin = door.token("root", "acme", "user", "admin")

    async def done(name: str, body: Any = None, **route: str) -> Any:
        answer = await door.ask(name, body, token=admin, **route)
        assert answer.status in (200, 201, 204), answer.body
        told.update(secrets_in(answer.body))
        return answer.body

    await done("rooms_create", {"optional_name": "Sala X"})
    key = await done("api_keys_create", {"name": "k", "scopes": ["rooms:read"]})
    times = {"start_time": "2026-06-10T09:00:00Z", "end_time": "2026-06-10T10:00:00Z"}
    booked = await done("bookings_create", {**times, "guests": [{"name": "Maria"}]})
    number = str(booked["booking_id"])
    invite = await done("invites_create", {"email": "nuno@example.pt"}, booking_id=number)
    for _ in range(2):
        await door.world.tick()
    ticket = await done("bookings_join", {"nonce": "nonce-123"}, booking_id=number)
    await door.world.tell(
        {
            "vm": "janus-0",
            "type": "joined",
            "room": ticket["room_id"],
            "participant": ticket["participant_id"],
            "at": "2026-06-10T09:00:00Z",
        }
    )
    await done("invites_revoke", booking_id=number, invite_id=invite["invite_id"])
    await done("bookings_end", booking_id=number)
    await done("api_keys_revoke", key_id=key["key_id"])
    await door.world.drain()
    kept = [
        dict(row.data)
        for (table, _), rows in door.world.tables.rows.items()
        if table == "Audit"
        for row in rows.values()
    ]
    actions = {row["action"] for row in kept if "action" in row}
    assert actions >= {"booking.create", "booking.end", "invite.create", "invite.revoke"}
    assert actions >= {"api_key.create", "api_key.revoke", "call.join", "vm.started"}
    assert len(told) >= 8
    assert not [secret for secret in told if secret in str(kept)]
    assert logs.REDACTED not in str(kept), "an event names a secret"
