"""`/api/v1/fleet`, as the platform calls it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import timedelta
from typing import Any

import jwt
import pytest

from shared.fleet.gantt_text import STYLE_SOURCE
from tests.unit.functions.asking import Answer, Door

NAIVE, PAST = "2026-06-10T12:00:00", "2026-06-10T08:59:59Z"
ACTIONS = ("start", "hold", "extend", "exclude", "stop", "release")


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Door:
    return Door(monkeypatch)


async def ask(door: Door, action: str, vm: str = "janus-0", **body: Any) -> Answer:
    token = door.token("olga", "acme", "operator")
    return await door.ask(f"fleet_{action}", {"reason": "a demo", **body}, token=token, vm=vm)


async def show(door: Door, name: str = "fleet_show", **options: Any) -> Answer:
    return await door.ask(name, token=door.token("olga", "acme", "operator"), **options)


# -- by hand ---------------------------------------------------------------------------------------


async def test_an_operator_who_is_nothing_else_holds_a_machine(door: Door) -> None:
    held = await ask(door, "hold", until="2026-06-10T14:00:00+02:00")
    assert held.status == 200
    assert held.body["manual"] == {
        "hold_until": "2026-06-10T12:00:00Z",
        "by": "olga",
        "reason": "a demo",
        "since": "2026-06-10T09:00:00Z",
    }
    assert "accepting" not in held.body, "its Janus does not answer yet"
    assert held.body.keys() >= {"name", "region", "spot", "capacity", "state", "bookings"}
    assert (await show(door)).body["machines"][0] == held.body
    assert "manual" not in (await ask(door, "release")).body


@pytest.mark.parametrize(
    ("action", "body", "field"),
    [
        *(("hold", {"until": NAIVE}, "until"), ("hold", {"until": PAST}, "until")),
        *(("exclude", {"until": "9998-12-31T23:59:59Z"}, "until"), ("stop", {}, "body")),
        *(("stop", {"until": "Infinity"}, "until"), ("stop", {"until": None}, "body")),
        *(("exclude", {"minutes": 10**30}, "minutes"), ("extend", {"minutes": -1}, "minutes")),
        *(("start", {"minutes": "120"}, "minutes"), ("hold", {"minutes": [5]}, "minutes")),
        *(("start", {"reason": ""}, "reason"), ("release", {"reason": "x" * 501}, "reason")),
        *(("release", {"until": "2026-06-10T12:00:00Z"}, "until"), ("start", {"by": "x"}, "by")),
        ("hold", {"until": "2026-06-10T12:00:00Z", "minutes": 5}, "body"),
    ],
)
async def test_what_is_wrong_is_named(
    door: Door, action: str, body: dict[str, Any], field: str
) -> None:
    answer = await ask(door, action, **body)
    assert (answer.status, answer.code) == (400, "invalid_request")
    assert [error["field"] for error in answer.body["errors"]] == [field]
    assert door.world.rows("Fleet", "00", "r|") == []


@pytest.mark.parametrize(("language", "said"), [("pt", "dois"), ("en", "not both")])
async def test_refusals_speak_the_callers_language(door: Door, language: str, said: str) -> None:
    answer = await door.ask(
        "fleet_hold",
        {"reason": "x", "minutes": 5, "until": "2026-06-10T12:00:00Z"},
        token=door.token("olga", "acme", "operator"),
        headers={"Accept-Language": language},
        vm="janus-0",
    )
    assert said in answer.body["detail"]


@pytest.mark.parametrize(
    "vm", ["janus-9", "..", "a/b", "júnus-0", "janus-0|x", "%2e%2e", "x" * 9999]
)
@pytest.mark.parametrize("action", ACTIONS)
async def test_unknown_machines(door: Door, action: str, vm: str) -> None:
    body = {} if action in ("start", "release") else {"minutes": 5}
    answer = await ask(door, action, vm, **body)
    assert (answer.status, answer.code) == (404, "vm_not_found")
    assert vm not in str(answer.body), "nothing of it comes back"


async def test_a_stale_sign_in_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Step-up authentication, RFC 9470."""
    door = Door(monkeypatch, operator_fresh=timedelta(minutes=15))
    now = int(door.world.now.timestamp())

    def token(signed_in: int) -> str:
        claims = {"sub": "olga", "tenant": "acme", "roles": ["operator"], "auth_time": signed_in}
        claims |= {"iss": "suroga-local", "aud": "suroga", "iat": now, "exp": now + 600}
        return jwt.encode(claims, "s" * 32, "HS256")

    body = {"reason": "a demo", "minutes": 5}
    stale = await door.ask("fleet_hold", body, token=token(now - 901), vm="janus-0")
    assert (stale.status, stale.code) == (401, "fresh_sign_in_required")
    assert stale.headers["WWW-Authenticate"] == (
        'Bearer error="insufficient_user_authentication", max_age="900"'
    )
    assert "15 min" in stale.body["detail"]
    fresh = await door.ask("fleet_hold", body, token=token(now - 899), vm="janus-0")
    assert fresh.status == 200
    assert (await door.ask("fleet_show", token=token(now - 901))).status == 200


# -- now -------------------------------------------------------------------------------------------


async def test_the_fleet_now(door: Door) -> None:
    world = door.world
    booked = await world.book(start=5)
    await world.ready(booked)
    waiting = await world.book(start=10, minutes=60)
    answer = await show(door)
    assert answer.status == 200
    assert (answer.body["pool"], answer.body["inventory"]) == (0, "ok")
    ready, other = sorted(answer.body["machines"], key=lambda m: m["state"] != "ready")
    (carried,) = ready["bookings"]
    assert carried == {
        "booking_id": booked.booking.booking_id,
        "tenant": "acme",
        "start_time": "2026-06-10T09:05:00Z",
        "end_time": "2026-06-10T10:05:00Z",
        "room_made": True,
    }
    assert ready["since"] == "2026-06-10T09:00:00Z"
    assert (other["state"], other["bookings"]) == ("deallocated", [])
    assert [w["booking_id"] for w in answer.body["waiting"]] == [waiting.booking.booking_id]
    await world.tick()
    assert (await show(door)).body["waiting"] == []


async def test_bookings_that_need_no_machine_yet_do_not_wait(door: Door) -> None:
    await door.world.book(start=31)
    assert (await show(door)).body["waiting"] == []
    door.world.clock.advance(minutes=1)
    assert len((await show(door)).body["waiting"]) == 1
    door.world.clock.advance(hours=2)
    assert (await show(door)).body["waiting"] == []


# -- the plan --------------------------------------------------------------------------------------


async def test_the_plan_as_json(door: Door) -> None:
    await door.world.book(start=60)
    params = {"from": "2026-06-10T09:00:00Z", "to": "2026-06-10T19:00:00+01:00"}
    answer = await show(door, "fleet_plan", params=params)
    assert answer.status == 200
    assert answer.body["end_time"] == "2026-06-10T18:00:00Z"
    assert answer.body["machine_hours"] == 1.75
    assert answer.body["machines"][0]["on"] == [
        {
            "start_time": "2026-06-10T09:30:00Z",
            "end_time": "2026-06-10T11:15:00Z",
            "kind": "planned",
            "causes": ["bookings"],
        }
    ]
    assert answer.body["bookings"][0]["machine"] == answer.body["machines"][0]["name"]
    usual = (await show(door, "fleet_plan")).body
    assert (usual["start_time"], usual["end_time"]) == (
        "2026-06-10T03:00:00Z",
        "2026-06-17T09:00:00Z",
    )


@pytest.mark.parametrize("name", ["fleet_plan", "fleet_plan_svg"])
@pytest.mark.parametrize(
    ("params", "field"),
    [
        *(({"from": NAIVE}, "from"), ({"to": "now"}, "to"), ({"to": "9" * 400}, "to")),
        *(({"to": "2026-08-01T00:00:00Z"}, "to"), ({"from_": PAST}, "from_")),
        ({"from": PAST, "to": PAST}, "to"),
        # The other end is ours, and would be out of range.
        *(({"to": "1900-01-01T00:00:00Z"}, "to"), ({"from": "9998-12-31T00:00:00Z"}, "to")),
    ],
)
async def test_bad_intervals_are_named(
    door: Door, name: str, params: dict[str, str], field: str
) -> None:
    answer = await show(door, name, params=params)
    assert (answer.status, answer.code) == (400, "invalid_request")
    assert [error["field"] for error in answer.body["errors"]] == [field]


@pytest.mark.parametrize(
    ("language", "title"), [("pt", "Plano das máquinas"), ("en-GB", "Plan of the machines")]
)
async def test_the_plan_as_a_picture(
    monkeypatch: pytest.MonkeyPatch, language: str, title: str
) -> None:
    door = Door(monkeypatch, time_zone="Europe/Lisbon")
    await door.world.book(start=60)
    answer = await show(door, "fleet_plan_svg", headers={"Accept-Language": language})
    assert (answer.status, answer.media) == (200, "image/svg+xml")
    root = ET.fromstring(answer.body)
    assert root[0].text == title
    assert "Europe/Lisbon" in answer.body.decode()
    assert answer.headers["Content-Language"] == language[:2]
    assert answer.headers["Vary"] == "Accept-Language"
    policy = answer.headers["Content-Security-Policy"]
    assert policy == f"default-src 'none'; style-src {STYLE_SOURCE}; frame-ancestors 'none'"
