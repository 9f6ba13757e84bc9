"""What the audit trail keeps (webrtc-streaming.md 7.7): who did what, when, from which address."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.platform.payload import Payload, Utc

CURSOR = r"^([0-9]{18}\|[\x20-\x7e]{1,150})?$"
"""A row key, behind which a list goes on; or nothing."""

MAX_ADDRESS = 64
"""Characters: an IPv6 address with its zone and port has fewer."""


class AuditEntry(Payload):
    """Somebody did something. `id` is that of the event which told of it.

    `actor` is a user's id, `invite:<id>` for a guest, `timer:<name>` for a timer.
    """

    id: str
    at: Utc
    actor: str
    action: str
    subject: str
    address: str = ""
    operation_id: str = ""
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries a list shows: `since` <= at < `until`, and every property in `equal`."""

    since: datetime
    until: datetime
    equal: Mapping[str, str] = field(default_factory=dict)


def plain_address(address: str) -> str:
    """What can be written as an address: it comes from a header, which may hold anything."""
    return re.sub(r"[^\x21-\x7e]", "?", address[:MAX_ADDRESS])
