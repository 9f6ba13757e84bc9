"""`POST /api/v1/operators/test-message`, the queue of messages and the hourly forecast."""

from __future__ import annotations

import azure.functions as func
import pytest

from shared.operators.messenger import Undelivered
from shared.platform.queues import OPERATOR_MESSAGES, seal_message
from tests.unit.functions.asking import HANDLERS, Door


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Door:
    door = Door(monkeypatch, local_vms=1, vm_capacity=1)
    door.world.messenger.channels = ("slack", "mailto")
    return door


async def test_an_operator_tries_every_channel(door: Door) -> None:
    door.world.messenger.refuse = {1: Undelivered("unreachable")}
    answer = await door.ask("operators_test", token=door.token("olga", "acme", "operator"))
    assert answer.status == 200
    assert answer.body == [
        {"channel": 1, "service": "slack", "ok": True},
        {"channel": 2, "service": "mailto", "ok": False, "reason": "unreachable"},
    ]


@pytest.mark.parametrize("role", ["user", "admin"])
async def test_others_are_refused(door: Door, role: str) -> None:
    answer = await door.ask("operators_test", token=door.token("alice", "acme", role))
    assert (answer.status, answer.code) == (403, "operator_only")
    assert not door.world.messenger.tried


async def test_a_full_fortnight_reaches_the_channels(door: Door) -> None:
    world = door.world
    await world.book(start=24 * 60)
    for _ in range(2):
        await HANDLERS["fleet_forecast"](None)
    for pointer in world.queues.take("outbox"):
        await world.services.relay.handle(pointer)
    messages = world.queues.take(OPERATOR_MESSAGES)
    assert len(messages) == 2, "one for each channel"
    for body in messages:
        await HANDLERS["operators_deliver"](func.QueueMessage(body=seal_message(body).encode()))
    titles = [(channel, notice.title) for channel, notice in world.messenger.sent]
    told = "Suroga: Capacity: booked at the same time 1, places 1"
    assert titles == [(0, told), (1, told)]
