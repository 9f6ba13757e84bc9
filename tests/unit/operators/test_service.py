"""Messages to operators: each channel for itself, for a day, and never in the relay's way."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from shared.events.catalogue import EventType
from shared.fleet.incident_kinds import incident
from shared.fleet.incidents import FOUND, Incidents
from shared.fleet.store import FleetStore
from shared.operators.messenger import Undelivered
from shared.operators.service import TRIES
from shared.platform.auth import Caller
from shared.platform.problems import Problem
from shared.platform.tables import Insert
from tests.world import ADMIN, World

OLGA = Caller("olga", "platform", frozenset({"operator"}))
QUEUE = "operator-messages"


class Alerting(World):
    def __init__(self, *channels: str, **settings: Any) -> None:
        super().__init__(**settings)
        self.messenger.channels = channels

    async def alert(self) -> None:
        """An incident begins, and the relay carries its event."""
        one = incident("stop_failed", "janus-0", self.now, "no quota", "Stop it.", vm="janus-0")
        outbox = self.services.bookings._outbox
        store = FleetStore(self.tables, outbox)
        await Incidents(store, outbox, self.clock).update(await store.load(0), [one], FOUND)
        for pointer in self.queues.take("outbox"):
            await self.services.relay.handle(pointer)

    async def turn(self) -> list[float]:
        """Handles what the queue holds; returns the delays with which it was put there."""
        waiting = [m for m in self.queues.messages if m[0] == QUEUE]
        self.queues.messages = [m for m in self.queues.messages if m[0] != QUEUE]
        for _, body, _ in waiting:
            await self.services.operators.handle(body)
        return [delay for _, _, delay in waiting]


async def test_an_alert_reaches_every_channel_once() -> None:
    world = Alerting("slack", "mailto")
    await world.alert()
    assert not world.messenger.tried, "the relay sends nothing itself"
    await world.turn()
    await world.turn()
    assert [channel for channel, _ in world.messenger.sent] == [0, 1]
    titles = {notice.title for _, notice in world.messenger.sent}
    assert titles == {"Suroga: Machine janus-0 does not stop"}


async def test_without_channels_nothing_is_put() -> None:
    world = Alerting()
    await world.alert()
    assert not world.queues.take(QUEUE)


async def test_in_the_operators_language() -> None:
    world = Alerting("slack", operator_language="pt")
    await world.alert()
    await world.turn()
    assert world.messenger.sent[0][1].title == "Suroga: A máquina janus-0 não se desliga"


async def test_in_the_time_zone_of_the_plan() -> None:
    world = Alerting("slack", time_zone="Europe/Lisbon")
    await world.alert()
    await world.turn()
    assert "Since: 2026-06-10 10:00 WEST" in world.messenger.sent[0][1].body


async def test_what_is_no_operators_business_is_not_sent() -> None:
    world = Alerting("slack")
    await world.book()
    await world.drain()
    assert not world.messenger.tried


async def test_a_broken_channel_neither_repeats_nor_delays_the_others() -> None:
    world = Alerting("slack", "mailto", "json")
    world.messenger.refuse = {1: Undelivered("http_500")}
    await world.alert()
    for _ in range(3):
        await world.turn()
    assert [channel for channel, _ in world.messenger.sent] == [0, 2]
    world.messenger.refuse = {}
    await world.turn()
    assert [channel for channel, _ in world.messenger.sent] == [0, 2, 1]
    assert not world.queues.take(QUEUE)


async def test_a_day_of_tries_then_one_line(caplog: pytest.LogCaptureFixture) -> None:
    world = Alerting("slack")
    world.messenger.refuse = {0: Undelivered("unreachable")}
    await world.alert()
    delays: list[float] = []
    with caplog.at_level(logging.INFO):
        while more := await world.turn():
            delays += more
    assert delays[:4] == [0, 30, 60, 120]
    assert max(delays) == 3600
    assert 23 * 3600 < sum(delays) < 25 * 3600
    assert world.messenger.tried == len(delays) == TRIES
    lost = [r for r in caplog.records if "operators.undelivered" in r.getMessage()]
    assert len(lost) == 1
    assert lost[0].levelno == logging.ERROR
    assert '"reason": "unreachable"' in lost[0].getMessage()


async def test_what_can_never_be_delivered_is_given_up_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = Alerting("slack")
    world.messenger.refuse = {0: Undelivered("unusable", lasting=True)}
    await world.alert()
    with caplog.at_level(logging.INFO):
        await world.turn()
    assert not world.queues.take(QUEUE)
    assert "operators.undelivered" in caplog.text


async def test_a_channel_that_was_taken_away_is_left() -> None:
    world = Alerting("slack", "mailto")
    await world.alert()
    world.messenger.channels = ("slack",)
    await world.turn()
    assert [channel for channel, _ in world.messenger.sent] == [0]
    assert not world.queues.take(QUEUE)


async def test_an_event_that_is_odd_does_not_hold_up_the_relay() -> None:
    world = Alerting("slack")
    outbox = world.services.bookings._outbox
    data = {"rows": [{"a": "b" * 500}] * 50}
    event = outbox.event(EventType.VM_LOST, "platform", "vm/x", data, severity="error")
    await outbox.commit("T", "pk", [Insert("row", {})], [event])
    await world.drain()
    assert world.messenger.sent
    assert not world.events("vm.lost")


async def test_the_test_message_says_how_each_channel_does() -> None:
    world = Alerting("slack", "mailto")
    world.messenger.refuse = {1: Undelivered("http_404")}
    ok, failed = await world.services.operators.test(OLGA)
    assert (ok.channel, ok.service, ok.ok, ok.reason) == (1, "slack", True, None)
    assert (failed.channel, failed.service, failed.ok) == (2, "mailto", False)
    assert failed.reason == "http_404"
    assert not world.queues.take(QUEUE), "it is tried once"


async def test_only_operators_may_try() -> None:
    world = Alerting("slack")
    with pytest.raises(Problem) as refused:
        await world.services.operators.test(ADMIN)
    assert refused.value.code == "operator_only"
    assert not world.messenger.tried
