"""Janus' events: only a machine's own credential, never a token, never a lost batch."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from shared.janus.keys import vm_keys
from shared.platform.problems import Problem
from shared.platform.queues import MAX_BODY
from tests.world import World


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


GOOD = basic("janus-0", vm_keys("j" * 32, "janus-0").event_password)


def joined(participant: int, at: int = 1_781_082_000_000_000) -> dict[str, Any]:
    data = {"event": "joined", "room": 12345, "id": participant, "private_id": 1, "display": "x"}
    return {
        "emitter": "janus-0",
        "type": 64,
        "timestamp": at,
        "event": {"plugin": "janus.plugin.videoroom", "data": data},
    }


async def test_a_batch_is_enqueued() -> None:
    world = World()
    await world.services.janus_events.take(GOOD, json.dumps([joined(1), joined(2)]).encode())
    (message,) = world.queues.take("janus-events")
    assert [e["participant"] for e in message["events"]] == [1, 2]
    assert {e["vm"] for e in message["events"]} == {"janus-0"}


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"\xff\xfe").decode(),
        "Bearer abc",
        basic("janus-0", "guess"),
        basic("", vm_keys("j" * 32, "").event_password),
        basic("janus-1", vm_keys("j" * 32, "janus-0").event_password),
    ],
)
async def test_a_foreign_credential_is_refused(header: str | None) -> None:
    world = World()
    with pytest.raises(Problem) as problem:
        await world.services.janus_events.take(header, b"[]")
    assert problem.value.status == 401
    assert not world.queues.messages


async def test_tokens_are_never_kept() -> None:
    world = World()
    handle = {"type": 2, "event": {"name": "attached", "token": "SECRET", "opaque_id": "SECRET"}}
    leak = joined(1)
    leak["event"]["data"]["token"] = "SECRET"
    await world.services.janus_events.take(GOOD, json.dumps([handle, leak]).encode())
    (message,) = world.queues.take("janus-events")
    assert "SECRET" not in json.dumps(message)
    assert len(message["events"]) == 1


async def test_a_large_batch_becomes_several_messages_that_fit() -> None:
    world = World()
    for _ in range(30):
        await world.services.janus_events.take(
            GOOD, json.dumps([joined(n) for n in range(100)]).encode()
        )
    bodies = world.queues.take("janus-events")
    assert sum(len(b["events"]) for b in bodies) == 3000
    assert all(len(json.dumps(body)) < MAX_BODY for body in bodies)


@pytest.mark.parametrize("raw", [b"", b"{", b"[" * 100_000, b"\xff"])
async def test_what_is_no_json_is_a_400(raw: bytes) -> None:
    with pytest.raises(Problem) as problem:
        await World().services.janus_events.take(GOOD, raw)
    assert problem.value.status == 400


@pytest.mark.parametrize("raw", [b"null", b"1", b'"x"', b"[[[]]]", b'[{"type":64}]', b"{}"])
async def test_json_of_any_shape_is_accepted_and_dropped(raw: bytes) -> None:
    world = World()
    await world.services.janus_events.take(GOOD, raw)
    assert not world.queues.messages
