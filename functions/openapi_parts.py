"""What the OpenAPI document says in words, and the parts that all operations share."""

from __future__ import annotations

from typing import Any

from functions.door import KEY_HEADER
from functions.examples import IDEMPOTENCY_KEY as KEY_EXAMPLE

DESCRIPTION = """\
Rooms, bookings and one-to-one video calls over Janus.

**Token.** Every operation that needs somebody signed in takes `Authorization: Bearer <token>`. On a
local system `POST /api/v1/auth/token` with `{"user": "alice"}` returns one (or `make token`).
Elsewhere your OpenID Connect provider issues it, with the claims `sub`, `tenant` and `roles`
(`user`, `admin`, `operator`); `GET /api/v1/auth/config` says which it is. Servers use an API key,
which an admin makes with `POST /api/v1/api-keys`. Here: press *Authorize* and paste the token.

**Errors** are `application/problem+json` (RFC 9457): decide by `code`, show `detail`, which is in
the language of `Accept-Language` (Portuguese by default, English), quote `operation_id`.

**Times** are RFC 3339 with an offset, answered in UTC. **Ids** are integers below 2^53.

**Lists** are plain arrays, paged with `limit`; a `Link: <…>; rel="next"` header says that there is
more.

**Limits.** `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` (seconds) tell how much
you may still ask; over it the answer is 429 with `Retry-After` in seconds.

**Idempotency-Key.** Every POST that creates something takes one, for 24 hours: the same key and
body repeat the first answer (`Idempotency-Replayed: true`), another body with the same key is 422,
and 409 says that the first request is still under way.
"""

TAGS = {
    "auth": "How a page or a program gets a token.",
    "rooms": "Rooms, when they are free, and who is in them.",
    "bookings": "Bookings: make, move, extend, end, cancel, repeat.",
    "invites": "Guests, each with a link of their own.",
    "calls": "Joining a call.",
    "api keys": "Tokens for a tenant's servers.",
    "fleet": "The machines: now, as planned, and by hand.",
    "audit": "Who did what, when, from which address.",
    "reports": "What was used, and what it costs.",
    "platform": "Health, what the machines send, and messages to operators.",
}

PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "Problem details (RFC 9457).",
    "required": ["type", "title", "status", "detail", "code", "operation_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "In the language of Accept-Language."},
        "code": {"type": "string", "description": "Stable, for programs."},
        "operation_id": {"type": "string", "description": "Finds the request in the log."},
        "errors": {
            "type": "array",
            "description": "Of `invalid_request`: every field that is wrong.",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
        "opens_at": {
            "type": "string",
            "format": "date-time",
            "description": "Of `too_early`: when the door opens.",
        },
        "free_until": {
            "type": "string",
            "format": "date-time",
            "description": "Of `extend_taken`: when the next booking begins.",
        },
        "state": {
            "type": "string",
            "description": "Of `room_starting`: `waiting`, `starting` or `retrying`.",
        },
    },
}


def _header(kind: str, description: str, example: Any) -> dict[str, Any]:
    return {"description": description, "schema": {"type": kind}, "example": example}


HEADERS: dict[str, dict[str, Any]] = {
    "X-Operation-Id": _header(
        "string", "Finds the request in the log.", "5d8c27cf1a1f4b0f9c62a7f3"
    ),
    "RateLimit-Limit": _header("integer", "How many requests the window takes.", 300),
    "RateLimit-Remaining": _header("integer", "How many are left.", 287),
    "RateLimit-Reset": _header("integer", "Seconds until the window ends.", 41),
    "Retry-After": _header("integer", "Seconds to wait before the next try.", 5),
    "Location": _header("string", "Where the new thing is.", "/api/v1/rooms/12345"),
    "Link": _header(
        "string",
        'The next page, `rel="next"` (RFC 8288); absent on the last one.',
        '</api/v1/rooms?limit=50&after=12345>; rel="next"',
    ),
    "Idempotency-Replayed": _header("string", "`true` when an earlier answer is repeated.", "true"),
}

IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": KEY_HEADER,
    "in": "header",
    "required": False,
    "description": "A fresh one for each thing to create, a UUID for instance; the same one when "
    "the request is sent again.",
    # Not `example`: whoever tries twice with one key would wonder at what they get.
    "schema": {"type": "string", "pattern": r"^[\x21-\x7e]{1,255}$", "examples": [KEY_EXAMPLE]},
}

PARAMETERS = {
    "room_id": "The room.",
    "booking_id": "The booking.",
    "series_id": "The series, by the id of its first booking.",
    "invite_id": "The invite; `guest` is the shared link's.",
    "vm": "The machine, by its name.",
    "key_id": "The API key, by its id (never its token).",
    "limit": "How many at most.",
    "after": "Where the page begins: take it from the `Link` header.",
    "available": "`true`: only rooms that are free from `start_time` to `end_time`.",
    "start_time": "The interval's start.",
    "end_time": "The interval's end, at most 31 days after its start.",
    "max_participants": "Only rooms for exactly so many.",
    "created_before": "Only rooms made before this time.",
    "created_after": "Only rooms made after this time.",
    "status": "Only bookings with this status; a running one is `upcoming`.",
    "date": "Only bookings that begin on this day (UTC).",
    "format": "`svg` or `png`.",
    "scale": "Pixels for one module of the code.",
    "since": "From this time on; by default 24 hours before `until`.",
    "until": "Up to this time; by default now.",
    "actor": "Who did it, exactly.",
    "action": "What was done, exactly, like `booking.create`.",
    "subject": "To what, exactly, like `booking/2026062000123456`.",
    "scope": "`platform`: what the fleet did (operators).",
    "month": "The month; by default this one.",
    "from": "The interval's start.",
    "to": "The interval's end.",
    "by": "`week` (from Monday on) or `month`, in the time zone of the reports.",
    "tenant": "Only this tenant's (operators; for admins it is their own anyway).",
}

FILES: dict[str, dict[str, Any]] = {
    "image/png": {},
    "image/svg+xml": {"schema": {"type": "string"}},
    "text/calendar": {"schema": {"type": "string"}},
    "text/csv": {"schema": {"type": "string"}},
}
"""What is inside of files; one without a schema is binary."""
