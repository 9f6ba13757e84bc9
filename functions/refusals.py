"""Which problem codes an operation answers, by status: what OpenAPI and the documentation show.

Its own are declared with it (`problems`), the others follow from its kind. The unit tests' `Door`
and the tests of the live system refuse any other.
"""

from __future__ import annotations

from functions.door import Operation

Codes = tuple[str, ...]

NOTHING_STORED = frozenset({"auth_config", "auth_token", "health"})
"""Those that can't fail for want of the storage, or, like `health`, answer just that."""

NOTHING_CHANGED = frozenset({"invites_show", "janus_events", "operators_test"})
"""Those that compete with nobody, although they are no GET."""


def refusals(op: Operation) -> dict[int, Codes]:
    """The codes by status, its own ones first."""
    found: dict[int, Codes] = {}
    for status, codes in (*op.problems.items(), *_usual(op)):
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
        role = () if op.any_role else ("role_required",)
        usual += [(401, ("unauthorized",)), (403, (forbidden, *role))]
    if ":long}" in op.route:
        usual.append((404, ("not_found",)))
    if op.keyed:
        usual += [(409, ("idempotency_in_flight",)), (422, ("idempotency_key_reused",))]
    if op.throttled:
        usual.append((429, ("rate_limited",)))
    if op.name not in NOTHING_STORED:
        usual.append((503, ("storage_unavailable",)))
        if op.method != "GET" and op.name not in NOTHING_CHANGED:
            usual.append((503, ("calendar_busy",)))
    if op.signed_in:
        usual.append((503, ("auth_unavailable",)))
    return usual
