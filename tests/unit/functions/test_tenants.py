"""What belongs to one tenant does not exist for another one: each operation, through the door."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from functions.door import OPERATIONS, Operation
from functions.examples import Examples
from shared.fleet.ledger import Carriage, Stretch
from shared.platform.auth import LocalTokens
from shared.platform.tables import Insert
from tests.unit.functions.asking import Answer, Door

PLATFORM = frozenset({"fleet"})
"""Tags of operations about the platform, which belongs to no tenant."""

OURS = [op for op in OPERATIONS if op.tag in PLATFORM]
THEIRS = [op for op in OPERATIONS if op.signed_in and op.tag not in PLATFORM]
NAMING = [op for op in THEIRS if "{" in op.route]
TELLING = [op for op in THEIRS if op.tag == "reports"]
LISTING = [op for op in THEIRS if "{" not in op.route and op.method == "GET" and op not in TELLING]

BODIES: dict[str, Any] = {
    "bookings_join": {"nonce": "nonce-alice"},
    "invites_create": {"name": "Bob"},
    "bookings_extend": {"end_time": "2026-06-10T10:30:00Z"},
}
"""What an operation of the list above must be sent to get as far as looking for the thing."""

PARAMS: dict[str, dict[str, str]] = {
    "rooms_availability": {
        "start_time": "2026-06-12T10:00:00Z",
        "end_time": "2026-06-12T11:00:00Z",
    },
}
"""What one of the lists must be asked with."""


class Acme(Door):
    """A tenant with one of each thing, and another tenant's admin who knows their ids."""

    async def build(self) -> dict[str, str]:
        booked = await self.world.book(start=0, minutes=60)
        admin = self.token("root", "acme", "admin")
        key = await self.ask(
            "api_keys_create", {"name": "k", "scopes": ["rooms:read"]}, token=admin
        )
        series = await self.world.repeat("FREQ=WEEKLY;COUNT=2")
        await self.world.drain()
        return {
            "booking_id": str(booked.booking.booking_id),
            "room_id": str(booked.room.room_id),
            "series_id": str(series.series_id),
            "key_id": key.body["key_id"],
            "invite_id": "guest",
        }

    async def try_as(self, tenant: str, op: Operation, ids: dict[str, str]) -> Answer:
        """As Alice, who is a user and an admin of that tenant."""
        names = [n for n in ids if "{" + n in op.route]
        assert len(names) == op.route.count("{"), "this test needs one of acme's things for it"
        token = self.token("alice", tenant, "user", "admin")
        route = {name: ids[name] for name in names}
        body, params = BODIES.get(op.name), PARAMS.get(op.name)
        return await self.ask(op.name, body, token=token, params=params, **route)


@pytest.fixture
def acme(monkeypatch: pytest.MonkeyPatch) -> Acme:
    return Acme(monkeypatch)


@pytest.mark.parametrize("op", NAMING, ids=lambda op: op.name)
async def test_another_tenants_thing_is_a_404(acme: Acme, op: Operation) -> None:
    ids = await acme.build()
    before = {key: dict(rows) for key, rows in acme.world.tables.rows.items()}
    foreign = await acme.try_as("evil", op, ids)
    assert foreign.status == 404, foreign.body
    assert acme.world.tables.rows == before, "and nothing was changed"
    nothing = await acme.try_as(
        "evil",
        op,
        {**ids, "booking_id": "2026061000999999", "room_id": "9", "series_id": "2026061000999999"},
    )
    same = ("code", "title", "detail")
    said = [str({k: a.body[k] for k in same}) for a in (foreign, nothing)]
    assert said[0].replace(ids["room_id"], "9") == said[1], "what exists elsewhere looks the same"
    own = await acme.try_as("acme", op, ids)
    assert own.status != 404, "this test asks for something that is there"


@pytest.mark.parametrize("op", LISTING, ids=lambda op: op.name)
async def test_another_tenants_lists_are_empty(acme: Acme, op: Operation) -> None:
    ids = await acme.build()
    own, foreign = [(await acme.try_as(tenant, op, ids)).body for tenant in ("acme", "evil")]
    if isinstance(own, dict):
        ((own, foreign),) = zip(own.values(), foreign.values(), strict=True)
    assert own
    assert foreign == []


@pytest.mark.parametrize("op", OURS, ids=lambda op: op.name)
async def test_the_platform_is_for_operators(acme: Acme, op: Operation) -> None:
    """Whatever somebody is in their own tenant; a server of theirs neither."""
    examples = Examples(acme.world.now.date())
    body = examples.bodies[op.body.__name__] if op.body else None
    route = {"vm": "janus-0"} if "{vm}" in op.route else {}
    before = {key: dict(rows) for key, rows in acme.world.tables.rows.items()}
    token = acme.token("alice", "acme", "user", "admin")
    answer = await acme.ask(op.name, body, token=token, **route)
    assert (answer.status, answer.code) == (403, "operator_only")
    assert acme.world.tables.rows == before, "and nothing was changed"
    assert not acme.world.compute.calls
    operator = await acme.ask(op.name, body, token=acme.token("olga", "acme", "operator"), **route)
    assert operator.status == op.status, operator.body
    key = await acme.ask(
        "api_keys_create",
        {"name": "k", "scopes": ["audit:read"], "roles": ["admin"]},
        token=token,
    )
    answer = await acme.ask(op.name, body, token=key.body["token"], **route)
    assert (answer.status, answer.code) == (403, "person_only")


@pytest.mark.parametrize("op", TELLING, ids=lambda op: op.name)
async def test_another_tenants_reports_tell_nothing(acme: Acme, op: Operation) -> None:
    booking_id = int((await acme.build())["booking_id"])
    start, end = acme.world.now, acme.world.now + timedelta(hours=1)
    stretch = Stretch("janus-7", start, end, "west", False, "0.77")
    carriage = Carriage(booking_id, "acme", "janus-7", start, end)
    ops = [Insert(row.rk, row.to_row()) for row in (stretch, carriage)]
    await acme.world.services.fleet_store.commit(0, ops)
    acme.world.clock.advance(hours=2)
    answers = [(await acme.try_as(tenant, op, {})).body for tenant in ("acme", "evil")]
    own, foreign = [each.decode() if isinstance(each, bytes) else str(each) for each in answers]
    assert "0.77" in own
    for told in ("0.77", "acme", str(booking_id)):
        assert told not in foreign


async def test_another_tenants_room_cannot_be_booked(acme: Acme) -> None:
    ids = await acme.build()
    body = {"start_time": "2026-06-11T10:00:00Z", "end_time": "2026-06-11T11:00:00Z"}
    body |= {"room_id": int(ids["room_id"])}  # type: ignore[dict-item]
    token = acme.token("eve", "evil", "admin")
    answer = await acme.ask("bookings_create", body, token=token)
    assert (answer.status, answer.code) == (404, "room_not_found")
    assert (await acme.ask("bookings_create", body)).status == 201


@pytest.mark.parametrize("roles", [[], ["operator"]])
async def test_who_is_nobodys_customer_books_nothing(acme: Acme, roles: list[str]) -> None:
    tokens = LocalTokens(acme.world.settings, acme.world.clock)
    token = tokens.issue("alice", "acme", roles)
    answer = await acme.ask("bookings_list", token=token)
    assert (answer.status, answer.code) == (403, "role_required")
