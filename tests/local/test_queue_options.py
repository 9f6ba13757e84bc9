"""host.json's `extensions.queues`."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from local.host.queues import QueueOptions

ROOT = Path(__file__).parents[2]


def test_the_defaults_are_the_vendors() -> None:
    options = QueueOptions.from_host_json({})
    assert options == QueueOptions(16, None, 5, timedelta(0), timedelta(minutes=1), True)
    assert options.threshold == 8


def test_our_host_json() -> None:
    host = json.loads((ROOT / "host.json").read_text())
    options = QueueOptions.from_host_json(host["extensions"]["queues"])
    assert (options.batch_size, options.threshold, options.max_dequeue_count) == (8, 4, 5)
    assert options.visibility_timeout == timedelta(seconds=5)
    assert options.max_polling_interval == timedelta(seconds=2)
    assert options.base64


def test_every_key() -> None:
    given = {"batchSize": 32, "newBatchThreshold": 0, "maxDequeueCount": 1, "other": "ignored"}
    given |= {"visibilityTimeout": "01:02:03", "messageEncoding": "None"}
    options = QueueOptions.from_host_json({**given, "maxPollingInterval": 250})
    assert (options.batch_size, options.threshold, options.max_dequeue_count) == (32, 0, 1)
    assert options.visibility_timeout == timedelta(hours=1, minutes=2, seconds=3)
    assert options.max_polling_interval == timedelta(milliseconds=250)
    assert not options.base64


def test_fractions_of_a_second() -> None:
    options = QueueOptions.from_host_json({"maxPollingInterval": "00:00:00.5000000"})
    assert options.max_polling_interval == timedelta(milliseconds=500)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("batchSize", 0),
        ("batchSize", 33),
        ("batchSize", "16"),
        ("batchSize", True),
        ("batchSize", 1.5),
        ("newBatchThreshold", -1),
        ("newBatchThreshold", None),
        ("maxDequeueCount", 0),
        ("visibilityTimeout", "30"),
        ("visibilityTimeout", "24:00:00"),
        ("visibilityTimeout", "00:60:00"),
        ("visibilityTimeout", 30),
        ("visibilityTimeout", "-00:00:01"),
        ("maxPollingInterval", 99),
        ("maxPollingInterval", "00:00:00"),
        ("maxPollingInterval", False),
        ("messageEncoding", "utf8"),
        ("messageEncoding", None),
    ],
)
def test_a_bad_value_is_a_sentence_with_the_key(key: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"extensions\.queues\.{key} is .*; it takes .*\.$"):
        QueueOptions.from_host_json({key: value})
