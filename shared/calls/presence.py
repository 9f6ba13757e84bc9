"""Who came and who went, as the audit trail is told (webrtc-streaming.md 7.7)."""

from __future__ import annotations

from collections.abc import Iterator

from shared.audit.models import AuditEntry
from shared.calls.models import Visit
from shared.platform import logs

USER = "user:"
"""Begins the `person` of whoever has signed in."""

INVITED = "invite:"
"""Begins the `person` of whoever comes by an invite, whose id follows."""


def news(room_id: int, before: Visit, after: Visit) -> Iterator[AuditEntry]:
    """What `before` did not know of yet."""
    times = (
        ("call.join", before.joined_at, after.joined_at),
        ("call.leave", before.left_at, after.left_at),
    )
    for action, known, at in times:
        if at and not known:
            yield AuditEntry(
                id=f"{action}-{after.participant_id}",
                at=at,
                actor=after.person.removeprefix(USER),
                action=action,
                subject=f"booking/{after.booking_id}",
                address=after.address,
                operation_id=logs.operation_id.get(),
                details={
                    "booking_id": after.booking_id,
                    "room_id": room_id,
                    "participant_id": after.participant_id,
                    "display": after.display,
                },
            )
