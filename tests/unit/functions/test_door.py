"""The frame of every operation: bodies, problems, languages, headers, paging."""

from __future__ import annotations

import json
import logging
from typing import Any

import azure.functions as func
import pytest

import shared.bootstrap
from functions import door
from shared.bookings.models import Room
from shared.bookings.service import Page
from shared.platform.auth import LocalTokens
from shared.platform.tables import StorageUnavailable
from tests.unit.functions.test_app import FUNCTIONS
from tests.world import World

HANDLERS = {f.get_function_name(): f.get_user_function() for f in FUNCTIONS}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(shared.bootstrap, "services", lambda: world.services)
    return world


async def ask(
    world: World,
    name: str,
    body: Any = None,
    *,
    who: str = "alice",
    tenant: str = "acme",
    raw: bytes | None = None,
    headers: dict[str, str] | None = None,
    params: dict[str, str] | None = None,
    **route: str,
) -> tuple[func.HttpResponse, Any]:
    token = LocalTokens(world.settings, world.clock).issue(who, tenant, ["user"])
    sent = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    request = func.HttpRequest(
        "POST",
        f"http://localhost:7071/api/v1/{name}",
        headers={**sent, **(headers or {})},
        params=params or {},
        route_params=route,
        body=raw if raw is not None else json.dumps(body).encode() if body is not None else b"",
    )
    response = await HANDLERS[name](request)
    text = response.get_body()
    return response, json.loads(text) if text else None


BODY = {"start_time": "2026-06-10T12:00:00+02:00", "end_time": "2026-06-10T11:00:00Z"}


async def test_a_booking_from_post_to_cancel(world: World) -> None:
    response, booked = await ask(world, "bookings_create", BODY)
    assert response.status_code == 201
    assert booked.keys() == {
        "booking_id", "room_id", "password", "start_time", "end_time", "status", "invite_url",
        "phase", "opens_at", "cancel_until", "change_until", "guests",
    }  # fmt: skip
    assert booked["start_time"] == "2026-06-10T10:00:00Z"
    number = str(booked["booking_id"])
    assert response.headers["Location"] == f"/api/v1/bookings/{number}"
    assert "#invite=" in booked["invite_url"]
    _, shown = await ask(world, "bookings_get", booking_id=number)
    assert "password" not in shown
    _, listed = await ask(world, "bookings_list")
    assert listed == [
        {
            "booking_id": booked["booking_id"],
            "room_id": booked["room_id"],
            "start_time": "2026-06-10T10:00:00Z",
            "end_time": "2026-06-10T11:00:00Z",
            "status": "upcoming",
            "phase": "scheduled",
            "opens_at": "2026-06-10T09:50:00Z",
            "cancel_until": "2026-06-10T09:00:00Z",
            "change_until": "2026-06-10T09:00:00Z",
        }
    ]
    response, body = await ask(world, "bookings_delete", booking_id=number)
    assert (response.status_code, body) == (204, None)
    _, listed = await ask(world, "bookings_list", params={"status": "cancelled"})
    assert len(listed) == 1


async def test_rooms_as_documented(world: World) -> None:
    response, room = await ask(
        world,
        "rooms_create",
        {"max_participants": 4, "optional_name": "Sala X", "metadata": {"a": 1}},
    )
    assert response.status_code == 201
    assert len(room["password"]) == 12
    _, shown = await ask(world, "rooms_get", room_id=str(room["room_id"]))
    assert shown["has_future_booking"] is False
    assert shown["metadata"] == {"a": 1}
    assert "password" not in shown
    for _ in range(2):
        await ask(world, "rooms_create", {})
    response, first = await ask(world, "rooms_list", params={"limit": "2"})
    assert 'rel="next"' in response.headers["Link"]
    after = response.headers["Link"].split("after=")[1].split(">")[0]
    response, rest = await ask(world, "rooms_list", params={"limit": "2", "after": after})
    assert "Link" not in response.headers
    assert len({r["room_id"] for r in first + rest}) == 3
    assert all("password" not in r for r in first)


async def test_the_rooms_that_are_free_in_an_interval(world: World) -> None:
    booked = await world.book(60, 60)
    _, small = await ask(world, "rooms_create", {})
    _, large = await ask(world, "rooms_create", {"max_participants": 4})
    times = {"start_time": "2026-06-10T10:30:00Z", "end_time": "2026-06-10T11:30:00Z"}

    async def ids(**params: str) -> set[int]:
        _, rooms = await ask(world, "rooms_list", params=params)
        return {room["room_id"] for room in rooms}

    everything = {booked.room.room_id, small["room_id"], large["room_id"]}
    assert await ids() == everything
    assert await ids(available="true", **times) == everything - {booked.room.room_id}
    later = {"start_time": "2026-06-10T11:00:00Z", "end_time": "2026-06-10T11:30:00Z"}
    assert await ids(available="true", **later) == everything
    assert await ids(max_participants="4") == {large["room_id"]}
    assert await ids(created_before="2026-06-10T08:00:00Z") == set()
    assert await ids(created_after="2026-06-10T08:00:00Z") == everything
    pages = []
    after = "0"
    while after:
        response, rooms = await ask(
            world, "rooms_list", params={"limit": "1", "after": after, "available": "true", **times}
        )
        pages += [room["room_id"] for room in rooms]
        link = response.headers.get("Link", "")
        after = link.split("after=")[1].split("&")[0] if link else ""
    assert pages == sorted(everything - {booked.room.room_id})


NOON = "2026-06-10T12:00:00Z"


@pytest.mark.parametrize(
    ("times", "wrong"),
    [
        ({}, ["start_time", "end_time"]),
        ({"start_time": NOON}, ["end_time"]),
        ({"start_time": NOON, "end_time": NOON}, ["end_time"]),
    ],
)
async def test_available_needs_an_interval(
    world: World, times: dict[str, str], wrong: list[str]
) -> None:
    response, problem = await ask(world, "rooms_list", params={"available": "true", **times})
    assert response.status_code == 400
    assert [e["field"] for e in problem["errors"]] == wrong


DEEP: dict[str, Any] = {}
for _ in range(30):
    DEEP = {"deeper": DEEP}


@pytest.mark.parametrize(
    ("name", "body", "field"),
    [
        ("rooms_create", {"max_participants": 0}, "max_participants"),
        ("rooms_create", {"max_participants": 17}, "max_participants"),
        ("rooms_create", {"max_participants": True}, "max_participants"),
        ("rooms_create", {"max_participant": 2}, "max_participant"),
        ("rooms_create", {"metadata": DEEP}, "metadata"),
        ("bookings_create", {**BODY, "start_time": "0001-01-01T00:00:00+14:00"}, "start_time"),
        ("bookings_create", {**BODY, "end_time": "9999-12-31T23:59:59-14:00"}, "end_time"),
        ("rooms_create", {"metadata": {"x": "ã" * 9000}}, "metadata"),
        ("rooms_create", {"optional_name": "a\x00b"}, "optional_name"),
        ("bookings_create", {**BODY, "start_time": "2026-06-10T12:00:00"}, "start_time"),
        ("bookings_create", {"end_time": BODY["end_time"]}, "start_time"),
        ("bookings_create", {**BODY, "room_id": 2**53}, "room_id"),
        ("bookings_create", {**BODY, "end_time": BODY["start_time"]}, "end_time"),
        ("bookings_create", [], "body"),
    ],
)  # fmt: skip
async def test_a_bad_body_names_its_fields(world: World, name: str, body: Any, field: str) -> None:
    response, problem = await ask(world, name, body)
    assert response.status_code == 400
    assert response.mimetype == "application/problem+json"
    assert problem["code"] == "invalid_request"
    assert [e["field"] for e in problem["errors"]] == [field]
    assert field in problem["detail"]


@pytest.mark.parametrize(
    ("raw", "media", "status", "code"),
    [
        (b"{", "application/json", 400, "invalid_json"),
        (b"[" * 60000, "application/json", 400, "invalid_json"),
        (b"\xff\xfe", "application/json", 400, "invalid_json"),
        (b'{"optional_name": "\\ud800"}', "application/json", 400, "invalid_json"),
        (b"{}", "text/plain", 415, "unsupported_media"),
        (b" " * (64 * 1024 + 1), "application/json", 413, "body_too_large"),
    ],
)
async def test_what_is_no_body(
    world: World, raw: bytes, media: str, status: int, code: str
) -> None:
    response, problem = await ask(world, "rooms_create", raw=raw, headers={"content-type": media})
    assert (response.status_code, problem["code"]) == (status, code)


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "201"},
        {"limit": "x"},
        {"stauts": "past"},
        {"date": "june"},
        {"date": "9999-12-31"},
    ],
)
async def test_a_bad_query_is_a_400(world: World, query: dict[str, str]) -> None:
    response, problem = await ask(world, "bookings_list", params=query)
    assert response.status_code == 400
    assert problem["errors"][0]["field"] in query


async def test_the_platforms_code_parameter_is_no_query_of_ours(world: World) -> None:
    response, _ = await ask(world, "bookings_list", params={"code": "key"})
    assert response.status_code == 200


@pytest.mark.parametrize("number", ["0", "-1", str(2**53), str(2**63 - 1)])
async def test_ids_out_of_range_are_a_404(world: World, number: str) -> None:
    response, _ = await ask(world, "rooms_get", room_id=number)
    assert response.status_code == 404


@pytest.mark.parametrize(
    ("accept", "word"),
    [(None, "inválido"), ("en-GB,en;q=0.9", "nvalid"), ("fr, pt;q=0.5", "inválido")],
)
async def test_problems_speak_the_callers_language(
    world: World, accept: str | None, word: str
) -> None:
    headers = {"authorization": "Bearer x", **({"accept-language": accept} if accept else {})}
    response, problem = await ask(world, "rooms_list", headers=headers)
    assert response.status_code == 401
    assert word in problem["detail"]
    assert response.headers["WWW-Authenticate"]


async def test_an_answer_that_is_no_json_is_a_problem_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.services.rooms, "page", _broken)
    response, problem = await ask(world, "rooms_list")
    assert (response.status_code, problem["code"]) == (500, "internal_error")


async def _broken(*_: object) -> Page[Room]:
    now = World().now
    return Page([Room(1, "acme", 2, "", now, now, metadata={"x": object()})])


@pytest.mark.parametrize("path", ["x" * 300, "a/" * 3000, "../index.html", "..", "", "no\x00"])
def test_paths_that_are_no_asset(path: str) -> None:
    request = func.HttpRequest("GET", "http://x/", route_params={"path": path}, body=b"")
    assert HANDLERS["assets"](request).status_code == 404


async def test_every_answer_names_its_operation_and_hardens_the_browser(world: World) -> None:
    response, _ = await ask(world, "auth_config", headers={"x-request-id": "abcdefgh-1234"})
    assert response.headers["X-Operation-Id"] == "abcdefgh-1234"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-store"


async def test_storage_that_is_down_is_a_503(world: World) -> None:
    def fail(verb: str, table: str, pk: str) -> None:
        raise StorageUnavailable("down")

    world.tables.fail = fail
    response, problem = await ask(world, "rooms_list")
    assert (response.status_code, problem["code"]) == (503, "storage_unavailable")
    assert response.headers["Retry-After"]


async def test_a_bug_is_a_500_that_tells_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(world.services, "rooms", None)
    with caplog.at_level(logging.ERROR):
        response, problem = await ask(world, "rooms_list")
    assert (response.status_code, problem["code"]) == (500, "internal_error")
    assert "NoneType" not in json.dumps(problem)
    assert problem["operation_id"] in caplog.text
    assert "NoneType" in caplog.text


async def test_health(world: World) -> None:
    _, body = await ask(world, "health")
    assert body == {"status": "ok", "database": "ok", "queue": "ok", "janus": "idle"}
    booked = await world.book()
    await world.ready(booked)
    assert (await ask(world, "health"))[1]["janus"] == "ok"
    world.compute.janus["janus-0"].down = True
    response, body = await ask(world, "health")
    assert (response.status_code, body["status"], body["janus"]) == (200, "degraded", "down")

    def fail(verb: str, *_: str) -> None:
        raise StorageUnavailable("down")

    world.tables.fail = fail
    response, body = await ask(world, "health")
    assert (response.status_code, body["status"], body["database"]) == (503, "down", "down")
    assert body["queue"] == "ok"


async def test_local_sign_in_only_in_local_mode(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, token = await ask(world, "auth_token", {"user": "maria", "name": "Maria"})
    caller = await world.services.verifier.verify(f"Bearer {token['access_token']}")
    assert (caller.sub, caller.tenant, caller.display) == ("maria", "acme", "Maria")
    azure = World(mode="azure")
    monkeypatch.setattr(shared.bootstrap, "services", lambda: azure.services)
    response, problem = await ask(world, "auth_token", {"user": "maria"})
    assert (response.status_code, problem["code"]) == (404, "local_only")
    assert (await ask(world, "auth_config"))[1] == {"local_sign_in": False}


def test_the_address_is_what_our_front_end_saw() -> None:
    request = func.HttpRequest(
        "GET", "http://x/", headers={"x-forwarded-for": "6.6.6.6, 10.1.2.3:5555"}, body=b""
    )
    call = door.Call(request, None, None)  # type: ignore[arg-type]
    assert call.address == "10.1.2.3:5555"
