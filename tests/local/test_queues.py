"""Queue triggers, on a real Azurite."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import pytest_asyncio
from azure.storage.queue.aio import QueueClient

from local.host import queue_storage, queues
from local.host.queues import QueueMessage
from shared.platform import logs
from tests.azurite import Azurite
from tests.local.queue_world import World, until


@pytest_asyncio.fixture
async def world(azurite: Azurite, caplog: pytest.LogCaptureFixture) -> AsyncIterator[World]:
    caplog.set_level(logging.INFO, "suroga")
    world = World(azurite, caplog)
    yield world
    await world.close()


async def boom(_: QueueMessage) -> None:
    raise RuntimeError("boom")


async def test_the_queue_is_made_and_what_succeeds_is_deleted(world: World) -> None:
    await world.listener().start()
    await until(world.empty)
    await world.put(b"hello \xff")
    await until(lambda: world.bodies == [b"hello \xff"])
    await until(world.empty)
    (message,) = world.got
    now = datetime.now(UTC)
    assert message.id
    assert message.pop_receipt
    assert message.dequeue_count == 1
    assert message.insertion_time
    assert abs(message.insertion_time - now) < timedelta(minutes=1)
    assert message.expiration_time
    assert message.expiration_time > now
    assert message.next_visible_time
    assert message.next_visible_time > now
    assert world.events() == []
    assert await world.count(world.poison_name) == -1


async def test_a_queue_that_was_deleted_is_made_again(world: World) -> None:
    await world.listener().start()
    await until(world.empty)
    await world.client().delete_queue()
    await until(world.empty)
    assert world.events() == []


async def test_without_base64_the_text_is_the_body(world: World) -> None:
    await world.put_text("olá <&> ]]>")
    await world.listener(base64=False).start()
    await until(lambda: world.bodies == ["olá <&> ]]>".encode()])
    await until(world.empty)


async def test_what_is_not_base64_goes_to_poison_unseen(world: World) -> None:
    await world.put_text("it's a <text>", "abc", "")
    await world.listener().start()
    await until(lambda: world.bodies == [b""])
    await until(world.empty)
    assert sorted(await world.visible(world.poison_name)) == ["abc", "it's a <text>"]
    lines = world.events()
    assert [line["event"] for line in lines] == ["queue.poisoned"] * 2
    assert lines[0]["dequeue_count"] == 1


async def test_what_fails_comes_again_and_then_is_poison(world: World) -> None:
    async def fail(message: QueueMessage) -> None:
        logs.new_operation(f"operation-{message.dequeue_count}")
        raise RuntimeError("boom")

    world.act = fail
    await world.put(b"bad")
    await world.listener(max_dequeue_count=3).start()
    await until(lambda: bool(world.events("queue.poisoned")))
    assert [message.dequeue_count for message in world.got] == [1, 2, 3]
    assert await world.visible(world.poison_name) == ["YmFk"]
    assert await world.empty()
    failed = world.events("queue.failed")
    assert [line["dequeue_count"] for line in failed] == [1, 2, 3]
    assert [line["operation_id"] for line in failed] == [f"operation-{n}" for n in (1, 2, 3)]
    assert failed[0]["error"] == "boom"
    assert "Traceback" in failed[0]["traceback"]
    (poisoned,) = world.events("queue.poisoned")
    fields = (poisoned["function"], poisoned["queue"], poisoned["message_id"])
    assert fields == ("work", world.name, world.got[0].id)
    assert poisoned["dequeue_count"] == 3


async def test_a_failed_one_rests_for_the_visibility_timeout(world: World) -> None:
    failed_at: list[float] = []

    async def fail_once(_: QueueMessage) -> None:
        failed_at.append(time.monotonic())
        if len(failed_at) == 1:
            raise RuntimeError("boom")

    world.act = fail_once
    await world.put(b"x")
    await world.listener(visibility_timeout=timedelta(seconds=2)).start()
    await until(lambda: len(failed_at) == 2)
    # The storage counts in whole seconds of the clock, so 2 s are at least 1.
    assert 0.9 < failed_at[1] - failed_at[0] < 10
    await until(world.empty)


async def test_what_was_taken_too_often_is_poison_unseen(world: World) -> None:
    await world.put(b"killer")
    for _ in range(2):  # two hosts that died with it in their hands
        message = await world.client().receive_message(visibility_timeout=30)
        assert message
        await world.client().update_message(message, visibility_timeout=0)
    await world.listener(max_dequeue_count=2).start()
    await until(lambda: bool(world.events("queue.poisoned")))
    assert world.got == []
    assert await world.visible(world.poison_name) == ["a2lsbGVy"]


async def test_a_poison_queue_has_no_poison_queue(world: World) -> None:
    world.act = boom
    await world.put_text("YmFk", "not base64", queue=world.poison_name)
    listener = world.listener(world.poison_name)
    await listener.start()
    await until(lambda: bool(world.events("queue.failed")))
    await listener.stop()
    assert [line["event"] for line in world.events()] == ["queue.failed"]
    assert await world.count(world.poison_name) == 2
    assert await world.visible(world.poison_name) == []
    assert await world.count(f"{world.poison_name}-poison") == -1


async def test_how_many_run_at_once(world: World) -> None:
    world.hold.clear()
    await world.put(*(b"%d" % n for n in range(12)))
    await world.listener(batch_size=4, new_batch_threshold=2).start()
    await until(lambda: world.running == 4)
    await asyncio.sleep(0.5)  # it would fetch more by now
    assert world.running == 4
    world.hold.set()
    await until(world.empty)
    assert 4 <= world.most <= 6
    assert sorted(world.bodies) == sorted(b"%d" % n for n in range(12))


async def test_the_next_batch_comes_when_few_are_left(world: World) -> None:
    first_two = asyncio.Event()

    async def wait(message: QueueMessage) -> None:
        if len(world.got) <= 4 and message in world.got[:2]:
            await first_two.wait()
        else:
            await asyncio.Event().wait()

    world.act = wait
    await world.put(*(b"%d" % n for n in range(12)))
    await world.listener(batch_size=4).start()  # the threshold is 2
    await until(lambda: world.running == 4)
    first_two.set()
    await until(lambda: world.running == 6)


async def test_invisibility_is_renewed_while_the_function_runs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_storage, "LEASE_SECONDS", 2)
    monkeypatch.setattr(queue_storage, "RENEW_AGAIN_SECONDS", 0.1)
    update, failures = QueueClient.update_message, iter([OSError("the first renewal fails")])

    async def renew(*args: Any, **options: Any) -> Any:
        for failure in failures:
            raise failure
        return await update(*args, **options)

    monkeypatch.setattr(QueueClient, "update_message", renew)
    world.hold.clear()
    await world.put(b"slow")
    await world.listener().start()
    await until(lambda: world.running == 1)
    await asyncio.sleep(3)
    assert len(world.got) == 1
    world.hold.set()
    await until(world.empty)  # so the newest pop receipt was used
    assert world.events() == []


async def test_a_message_that_somebody_else_took_is_left_to_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.hold.clear()
    await world.put(b"x")
    await world.listener().start()
    await until(lambda: world.running == 1)
    await world.client().clear_messages()
    world.hold.set()
    await until(lambda: bool(world.events("queue.lease_lost")))
    assert [line["event"] for line in world.events()] == ["queue.lease_lost"]


async def test_polling_slows_down_and_a_hit_speeds_it_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    pause = queues.QueueListener._pause

    async def noted(self: queues.QueueListener, seconds: float) -> None:
        pauses.append(seconds)
        await pause(self, seconds / 20)

    monkeypatch.setattr(queues.QueueListener, "_pause", noted)
    await world.listener(max_polling_interval=timedelta(seconds=1)).start()
    await until(lambda: len(pauses) > 6)
    assert pauses[0] == 0.1
    assert all(1.7 < after / before < 2.3 for before, after in pairwise(pauses[:4]))
    assert pauses[6] == 1
    await world.put(b"x")
    await until(lambda: 0.1 in pauses[1:])


async def test_a_function_that_cancels_itself_has_failed(world: World) -> None:
    async def cancel(_: QueueMessage) -> None:
        raise asyncio.CancelledError

    world.act = cancel
    await world.put(b"x")
    await world.listener(max_dequeue_count=2).start()
    await until(lambda: bool(world.events("queue.poisoned")))
    assert len(world.events("queue.failed")) == 2


async def test_a_crash_between_poison_and_delete_loses_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_: object, **__: object) -> None:
        raise OSError("pulled the plug")

    monkeypatch.setattr(QueueClient, "delete_message", crash)
    world.act = boom
    await world.put(b"bad")
    await world.listener(max_dequeue_count=1).start()
    await until(lambda: bool(world.events("queue.failed")))
    await until(lambda: not world.running)
    await until(lambda: _has_one(world))
    assert await world.count() == 1


async def _has_one(world: World) -> bool:
    return await world.count(world.poison_name) == 1
