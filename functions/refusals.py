"""Which problem codes each operation answers, by status: what OpenAPI and the documentation show.

The unit tests' `Door` and the tests of the live system refuse a code that is not declared here.
"""

from __future__ import annotations

from collections.abc import Mapping

from functions.door import Operation

Codes = tuple[str, ...]

TAKEN = ("room_taken", "capacity_exhausted")
OVER = ("booking_over", "booking_cancelled")
STARTING = {403: ("too_early",), 425: ("room_starting",), 503: ("janus_unavailable",)}
NO_ROOM = {404: ("room_not_found",)}
NO_BOOKING = {404: ("booking_not_found",)}
NO_SERIES = {404: ("series_not_found",)}
NO_INVITE = {404: ("booking_not_found", "invite_not_found")}
CANCEL = {400: ("cancel_too_late",), 403: ("booking_started",), **NO_BOOKING}
ADMIN = {403: ("admin_only",)}

OWN: Mapping[str, Mapping[int, Codes]] = {
    "api_keys_create": ADMIN,
    "api_keys_list": ADMIN,
    "api_keys_revoke": {**ADMIN, 404: ("api_key_not_found",)},
    "audit_list": ADMIN,
    "auth_token": {404: ("local_only",)},
    "bookings_calendar": NO_BOOKING,
    "bookings_cancel": CANCEL,
    "bookings_create": {
        **NO_ROOM,
        409: TAKEN,
        503: ("new_room_create_failed", "room_create_failed"),
    },
    "bookings_delete": CANCEL,
    "bookings_end": {**NO_BOOKING, 409: ("booking_not_running",)},
    "bookings_extend": {
        **NO_BOOKING,
        409: ("extend_taken", "booking_not_running", "capacity_exhausted"),
    },
    "bookings_get": NO_BOOKING,
    "bookings_join": {**STARTING, **NO_BOOKING, 410: OVER},
    "bookings_reschedule": {
        400: ("change_too_late",),
        403: ("change_started",),
        404: ("booking_not_found", "room_not_found"),
        409: (*TAKEN, "booking_cancelled"),
    },
    "invites_calendar": NO_INVITE,
    "invites_create": {**NO_BOOKING, 409: ("booking_closed", "too_many_guests")},
    "invites_join": {
        **STARTING,
        401: ("invite_invalid",),
        409: ("room_full",),
        410: (*OVER, "invite_revoked"),
    },
    "invites_list": NO_BOOKING,
    "invites_qr": NO_INVITE,
    "invites_revoke": NO_INVITE,
    "invites_show": {401: ("invite_invalid",), 410: ("invite_revoked",)},
    "janus_events": {400: ("invalid_json",), 401: ("unauthorized",), 413: ("body_too_large",)},
    "rooms_create": {503: ("room_create_failed",)},
    "rooms_delete": {**ADMIN, **NO_ROOM, 409: ("room_booked",), 503: ("room_delete_failed",)},
    "rooms_get": NO_ROOM,
    "rooms_participants": {403: ("participants_forbidden",), **NO_ROOM, 502: ("janus_failed",)},
    "rooms_reset": {**ADMIN, **NO_ROOM, 409: ("room_booked",), 503: ("password_reset_failed",)},
    "series_cancel": NO_SERIES,
    "series_create": {**NO_ROOM, 409: TAKEN},
    "series_get": NO_SERIES,
}
"""What an operation refuses besides what its kind does (`_usual`)."""

STORED_NOTHING = frozenset({"auth_config", "auth_token", "health"})
"""Those that can't fail for want of the storage, or, like `health`, answer just that."""


def refusals(op: Operation) -> dict[int, Codes]:
    """The codes by status, each status in the order in which a reader should meet them."""
    found: dict[int, Codes] = {}
    for status, codes in (*OWN.get(op.name, {}).items(), *_usual(op)):
        found[status] = tuple(dict.fromkeys((*found.get(status, ()), *codes)))
    return dict(sorted(found.items()))


def _usual(op: Operation) -> list[tuple[int, Codes]]:
    """What the frame of every operation of its kind answers (`functions/door.py`)."""
    usual: list[tuple[int, Codes]] = [(500, ("internal_error",))]
    if op.body or op.query or op.keyed:
        usual.append((400, ("invalid_request",)))
    if op.body:
        usual += [
            (400, ("invalid_json",)),
            (413, ("body_too_large",)),
            (415, ("unsupported_media",)),
        ]
    if op.signed_in:
        forbidden = "insufficient_scope" if op.scope else "person_only"
        usual += [(401, ("unauthorized",)), (403, (forbidden,))]
    if ":long}" in op.route:
        usual.append((404, ("not_found",)))
    if op.keyed:
        usual += [(409, ("idempotency_in_flight",)), (422, ("idempotency_key_reused",))]
    if op.throttled:
        usual.append((429, ("rate_limited",)))
    if op.name not in STORED_NOTHING:
        usual.append((503, ("storage_unavailable",)))
        usual += [(503, ("calendar_busy",))] if op.method != "GET" else []
    if op.signed_in:
        usual.append((503, ("auth_unavailable",)))
    return usual
