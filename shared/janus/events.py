"""What Janus's event handler posts, and the little of it that we keep. Pure.

The sampleevh plugin of 1.1.2 posts JSON arrays of up to 100 events, in order, each batch after the
answer to the one before. It repeats a batch only when there was no HTTP answer (up to 5 times, so
duplicates happen) and takes any status for success: a 500 loses the batch. Hence events are hints,
and `participants` is the truth.

The configuration subscribes to type 64 (plugins) only. What the videoroom plugin sends (m, with
WebSocket participants and Chromium; samples in `tests/unit/janus/samples.json`):

    {"emitter": "janus-0", "type": 64, "timestamp": <µs since 1970>,
     "session_id": …, "handle_id": …,                      # joined and published only
     "event": {"plugin": "janus.plugin.videoroom",
               "data": {"event": "joined", "room": 12345, "id": 1001, "display": …}}}

- `joined`: in the room, nothing published yet.
- `published`: the PeerConnection is up; it comes 0.1 ms before the core's `webrtcup`.
- `unpublished`: the PeerConnection is down. Also sent, once or twice, for participants who never
  published, when their WebSocket closes or their session times out.
- `leaving`: left, closed the browser (at once) or vanished (after the session's timeout).
- `kicked`: instead of `leaving`.
- `created`, `edited`, `destroyed`, `configured`, `subscribing`, …: dropped. A destroyed room sends
  no `leaving` for those inside.

The core's own `webrtcup` and `hangup` (type 16) carry session and handle but no participant, and
come with candidates' IP addresses: the plugin's two say the same, so we don't subscribe to them.
Handle events (type 2) carry the callers' tokens. Both are dropped should they come.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypedDict, TypeGuard

from shared.janus.tokens import VIDEOROOM
from shared.platform.clock import iso

MAX_EVENTS = 200
"""Of one batch; Janus sends 100 at most. So many fit a queue message (`queues.MAX_BODY`)."""

_MAX_VISITED = 10_000
_PLUGIN_EVENT = 64
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_ID = 2**53
_MAX_TIME = 4_102_444_800_000_000
"""The year 2100 in microseconds: what is later is garbage."""

Kind = Literal["joined", "webrtc_up", "hangup", "left"]

_KINDS: dict[str, Kind] = {
    "joined": "joined",
    "published": "webrtc_up",
    "unpublished": "hangup",
    "leaving": "left",
    "kicked": "left",
}


class JanusEvent(TypedDict):
    """`at` is Janus's clock, RFC 3339 with microseconds. Holds no name, token or address."""

    vm: str
    type: Kind
    room: int
    participant: int
    at: str


def redact(batch: object, vm: str) -> list[JanusEvent]:
    """The events that we use, in Janus's order. Never raises: what is no such event is dropped.

    `batch` is the decoded JSON: an event, or events in lists, also nested. `vm` is the machine
    that has authenticated; what the events themselves say about their sender is not believed.
    """
    kept: list[JanusEvent] = []
    pending = [batch]
    for _ in range(_MAX_VISITED):
        if not pending or len(kept) == MAX_EVENTS:
            break
        item = pending.pop()
        if isinstance(item, list):
            pending.extend(reversed(item[:_MAX_VISITED]))
        elif isinstance(item, dict):
            event = _event(item, vm)
            if event:
                kept.append(event)
    return kept


def _event(raw: dict[str, Any], vm: str) -> JanusEvent | None:
    event = raw.get("event")
    if raw.get("type") != _PLUGIN_EVENT or not isinstance(event, dict):
        return None
    data = event.get("data")
    if event.get("plugin") != VIDEOROOM or not isinstance(data, dict):
        return None
    name = data.get("event")
    kind = _KINDS.get(name) if isinstance(name, str) else None
    room, participant, at = data.get("room"), data.get("id"), raw.get("timestamp")
    if kind and _below(room, _MAX_ID) and _below(participant, _MAX_ID) and _below(at, _MAX_TIME):
        moment = iso(_EPOCH + timedelta(microseconds=at))
        return {"vm": vm, "type": kind, "room": room, "participant": participant, "at": moment}
    return None


def _below(value: object, limit: int) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < limit
