"""`POST /admin/functions/{name}`, and what begins without a request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueClient

from tests.azurite import Azurite
from tests.local.running import Running, eventually, make_subject


def test_fires_a_timer_once(host: Running) -> None:
    answer = host.fire("TICK")
    assert (answer.status, answer.body) == (202, b"")
    assert host.told("tick")["past_due"] is False
    line = host.event("timer.fired", function="tick")
    assert line["ok"]
    assert line["invocation_id"]
    assert line["operation_id"]


def test_gives_a_queue_function_the_input_even_when_it_is_disabled(host: Running) -> None:
    assert host.fire("handle", '{"é": 1}').status == 202
    assert host.told("handled")["body"] == '{"é": 1}'
    assert host.event("queue.handled", function="handle")["ok"]


def test_a_failure_is_told(host: Running) -> None:
    assert host.fire("handle", "fail").status == 202
    assert host.event("queue.handled", ok=False)
    assert "it failed" in host.event("admin.run_failed")["traceback"]


@pytest.mark.parametrize(
    ("name", "body", "media", "status"),
    [
        ("nothing", b'{"input": ""}', "application/json", 404),
        ("see", b'{"input": ""}', "application/json", 400),
        ("tick", b"{", "application/json", 400),
        ("tick", b"[]", "application/json", 400),
        ("tick", b'{"input": {}}', "application/json", 400),
        ("tick", b'{"input": ""}', "text/plain", 415),
    ],
)
def test_refuses(host: Running, name: str, body: bytes, media: str, status: int) -> None:
    answer = host.ask(f"/admin/functions/{name}", "POST", body, {"Content-Type": media})
    assert answer.status == status


@pytest.fixture
def queue(azurite: Azurite) -> Iterator[QueueClient]:
    with QueueClient.from_connection_string(azurite.connection, "subject") as client:
        yield client


def test_timers_and_queues_are_listened_to(
    tmp_path: Path, azurite: Azurite, queue: QueueClient
) -> None:
    values = {
        "SUBJECT_SCHEDULE": "* * * * * *",
        "SUBJECT_QUEUES": azurite.connection,
        "AzureWebJobs.handle.Disabled": "false",
    }
    with Running(make_subject(tmp_path, Values=values)) as running:
        assert running.told("tick")["status"]["Last"]
        eventually(lambda: _exists(queue), "the queue")
        sent = queue.send_message("hello")
        handled = running.told("handled")
        assert (handled["body"], handled["id"], handled["count"]) == ("hello", sent.id, 1)
        assert handled["time"].endswith("+00:00")
        assert running.event("queue.handled")["message"] == sent.id
        assert (running.state / "timers" / "tick.json").exists()
        assert running.stop() == 0
        assert "Unclosed" not in "".join(running.lines)


def _exists(queue: QueueClient) -> bool:
    try:
        queue.get_queue_properties()
    except ResourceNotFoundError:
        return False
    return True
