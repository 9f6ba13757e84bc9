"""Redaction of Janus's events. `samples.json` holds batches that Debian's Janus 1.1.2 posted while
three WebSocket participants and a Chromium (1004, with media) came and went; addresses were
replaced, and a handle event (type 2), which we don't subscribe to, was added."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.janus.events import MAX_EVENTS, redact
from shared.platform.queues import MAX_BODY

SAMPLES = json.loads((Path(__file__).parent / "samples.json").read_text("utf-8"))
ROOM = 4503599627370497

keys = st.sampled_from(["type", "event", "timestamp", "data", "plugin", "room", "id", "x"])
words = st.sampled_from(["joined", "leaving", "janus.plugin.videoroom", "x", ""])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words | st.text() | st.just(64),
    lambda inner: st.lists(inner) | st.dictionaries(keys | st.text(), inner),
    max_leaves=30,
)


def raw(**changes: Any) -> dict[str, Any]:
    data = {"event": "joined", "room": 7, "id": 1001, "display": "Ana", **changes}
    event = {"plugin": "janus.plugin.videoroom", "data": data}
    return {"emitter": "x", "type": 64, "timestamp": 1795320975008322, "event": event}


def test_the_samples_tell_who_came_and_went() -> None:
    story = [(e["type"], e["participant"]) for e in redact(SAMPLES, "janus-0")]
    assert story == [
        ("joined", 1001),
        ("joined", 1002),
        ("joined", 1003),
        ("joined", 1004),
        ("webrtc_up", 1004),
        ("hangup", 1004),
        ("hangup", 1004),
        ("left", 1004),
        ("left", 1001),
        ("hangup", 1002),
        ("hangup", 1002),
        ("left", 1002),
        ("left", 1003),
    ]


def test_an_event_says_where_when_and_who_as_a_number() -> None:
    first = redact(SAMPLES, "janus-0")[0]
    assert first == {
        "vm": "janus-0",
        "type": "joined",
        "room": ROOM,
        "participant": 1001,
        "at": "2026-11-22T04:16:15.008322Z",
    }


def test_neither_names_nor_tokens_nor_addresses_are_kept() -> None:
    before, after = json.dumps(SAMPLES), json.dumps(redact(SAMPLES, "janus-0"))
    for secret in ("Dora", "c2lnbmF0dXJl", "198.51.100.7", "2001:db8::7", "private_id"):
        assert secret in before
        assert secret not in after


def test_the_sender_is_the_one_who_authenticated() -> None:
    assert redact(raw(), "janus-1")[0]["vm"] == "janus-1"


def test_one_event_and_nested_lists_are_taken_in_order() -> None:
    assert len(redact(raw(), "vm")) == 1
    nested = [raw(id=1), [[raw(id=2)], raw(id=3)], [], raw(id=4)]
    assert [e["participant"] for e in redact(nested, "vm")] == [1, 2, 3, 4]


def test_what_is_malformed_is_dropped_and_the_rest_kept() -> None:
    bad = [
        raw(room="7"),
        raw(room=True),
        raw(id=-1),
        raw(id=2**53),
        raw(event=["joined"]),
        raw(event="created"),
        {**raw(), "timestamp": 1e15},
        {**raw(), "timestamp": 10**30},
        {**raw(), "type": 2},
        {**raw(), "event": None},
    ]
    assert [e["participant"] for e in redact([*bad, raw(id=5)], "vm")] == [5]


def test_the_largest_batch_fits_a_queue_message() -> None:
    batch = [raw(event="published", room=2**53 - 1, id=2**53 - 1)] * 10_000
    kept = redact(batch, "vm-" + "x" * 61)
    assert len(kept) == MAX_EVENTS
    assert len(json.dumps({"events": kept})) < MAX_BODY


def test_depth_does_no_harm() -> None:
    deep: Any = raw()
    for _ in range(50_000):
        deep = [deep]
    assert redact(deep, "vm") == []


@settings(deadline=None)
@given(json_values)
def test_no_json_makes_it_raise(batch: object) -> None:
    for event in redact(batch, "vm"):
        assert set(event) == {"vm", "type", "room", "participant", "at"}


@settings(deadline=None)
@given(st.lists(json_values))
def test_garbage_hides_no_event(garbage: list[object]) -> None:
    assert redact([garbage, raw(id=77)], "vm")[-1]["participant"] == 77
