"""The secrets of each machine and room, derived from the one key in the settings.

Deriving instead of storing means that a machine can be configured, and a token signed, without a
read; and that what leaks from one machine opens no other. Labels keep the derivations apart.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class VmKeys:
    """What one machine's Janus is configured with. All are hex, so they need no escaping."""

    token_secret: str = field(repr=False)
    """Signs the tokens that browsers hold."""
    admin_secret: str = field(repr=False)
    """Opens the Admin API."""
    create_key: str = field(repr=False)
    """Lets its holder create rooms (the plugin's `admin_key`)."""
    event_user: str
    """Basic auth of its events: the machine's name, so that the receiver knows which one posts."""
    event_password: str = field(repr=False)


def vm_keys(janus_key: str, vm: str) -> VmKeys:
    """`janus_key` is the setting's value, `vm` the machine's name."""
    return VmKeys(
        token_secret=_derive(janus_key, f"vm|{vm}|token"),
        admin_secret=_derive(janus_key, f"vm|{vm}|admin"),
        create_key=_derive(janus_key, f"vm|{vm}|create"),
        event_user=vm,
        event_password=_derive(janus_key, f"vm|{vm}|events"),
    )


def room_secret(janus_key: str, room_id: int) -> str:
    """The room's management secret: the same on every machine, never given to anyone."""
    return _derive(janus_key, f"room|{room_id}|secret")


def _derive(janus_key: str, label: str) -> str:
    return hmac.new(janus_key.encode(), label.encode(), hashlib.sha256).hexdigest()
