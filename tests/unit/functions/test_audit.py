"""`GET /api/v1/audit` and its nightly purge, as the platform calls them."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import azure.functions as func
import pytest

import shared.bootstrap
from shared.events.catalogue import PLATFORM_TENANT, Audit, EventType
from shared.platform.auth import LocalTokens
from shared.platform.tables import Insert
from tests.unit.functions.test_app import FUNCTIONS
from tests.world import World

HANDLERS = {f.get_function_name(): f.get_user_function() for f in FUNCTIONS}


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """With five entries of acme, told by alice and bob, and one of the platform."""
    world = World()
    monkeypatch.setattr(shared.bootstrap, "services", lambda: world.services)
    outbox = world.services.bookings._outbox
    for n in range(6):
        audit = Audit("bob" if n % 2 else "alice", "invite.create", f"10.0.0.{n}:99")
        tenant = "acme" if n < 5 else PLATFORM_TENANT
        event = outbox.event(EventType.INVITE_CREATED, tenant, f"booking/{n}", {}, audit=audit)
        await outbox.commit("T", "pk", [Insert(str(n), {})], [event])
        world.clock.advance(minutes=1)
    await world.drain()
    return world


async def ask(world: World, *roles: str, **params: str) -> tuple[func.HttpResponse, Any]:
    token = LocalTokens(world.settings, world.clock).issue("root", "acme", roles)
    url = "http://localhost:7071/api/v1/audit"
    headers = {"authorization": f"Bearer {token}", "accept-language": "en"}
    request = func.HttpRequest("GET", url, headers=headers, params=params, body=b"")
    response = await HANDLERS["audit_list"](request)
    return response, json.loads(response.get_body())


def subjects(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["subject"] for entry in entries]


async def test_an_admin_reads_the_tenants_trail(world: World) -> None:
    response, entries = await ask(world, "admin")
    assert response.status_code == 200
    assert "Link" not in response.headers
    assert subjects(entries) == [f"booking/{n}" for n in (4, 3, 2, 1, 0)]
    assert entries[1].keys() == {
        "id", "at", "actor", "action", "subject", "address", "operation_id", "details",
    }  # fmt: skip
    assert entries[1]["at"] == "2026-06-10T09:03:00Z"
    assert (entries[1]["actor"], entries[1]["address"]) == ("bob", "10.0.0.3:99")


async def test_pages_keep_their_filters_and_their_interval(world: World) -> None:
    response, entries = await ask(world, "admin", limit="2", actor="alice")
    shown = subjects(entries)
    while link := response.headers.get("Link"):
        query = dict(parse_qsl(urlsplit(link.split(">")[0].strip("<")).query))
        assert query["since"] == "2026-06-09T09:06:00Z"
        world.clock.advance(hours=23)
        response, entries = await ask(world, "admin", **query)
        shown += subjects(entries)
    assert shown == ["booking/4", "booking/2", "booking/0"]


async def test_filters_go_together(world: World) -> None:
    times = {"since": "2026-06-10T11:01:00+02:00", "until": "2026-06-10T09:04:00Z"}
    assert subjects((await ask(world, "admin", **times))[1]) == [f"booking/{n}" for n in (3, 2, 1)]
    assert subjects((await ask(world, "admin", **times, actor="alice"))[1]) == ["booking/2"]
    assert subjects((await ask(world, "admin", subject="booking/1"))[1]) == ["booking/1"]
    assert not (await ask(world, "admin", action="booking.cancel"))[1]


async def test_operators_read_what_the_platform_did(world: World) -> None:
    _, entries = await ask(world, "operator", scope="platform")
    assert subjects(entries) == ["booking/5"]


@pytest.mark.parametrize(
    ("role", "params"),
    [("user", {}), ("operator", {}), ("admin", {"scope": "platform"})],
)
async def test_others_are_refused(world: World, role: str, params: dict[str, str]) -> None:
    response, problem = await ask(world, role, **params)
    assert (response.status_code, problem["code"]) == (403, "admin_only")


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
async def test_a_bad_query_names_its_field(
    world: World, field: str, params: dict[str, str]
) -> None:
    response, problem = await ask(world, "admin", **params)
    assert response.status_code == 400
    assert [e["field"] for e in problem["errors"]] == [field]


@pytest.mark.parametrize("number", ["0" * 18, "9" * 18])
async def test_a_cursor_of_ones_own_making_shows_nothing_of_others(
    world: World, number: str
) -> None:
    response, entries = await ask(world, "admin", after=f"{number}|x")
    assert response.status_code == 200
    assert set(subjects(entries)) <= {f"booking/{n}" for n in range(5)}


async def test_every_night_what_is_too_old_goes(world: World) -> None:
    world.clock.advance(days=92)
    await HANDLERS["audit_purge"](None)
    assert not any(rows for (table, _), rows in world.tables.rows.items() if table == "Audit")
