"""The signed tokens that browsers hold (Janus's «signed mode»), HMAC-SHA1 as Janus demands.

Neither has a not-before: whoever issues one keeps the window. Janus refuses one from the second
after `expires`, also in the middle of a session (every request carries it).
https://janus.conf.meetecho.com/docs/auth.html#authtoken
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime

VIDEOROOM = "janus.plugin.videoroom"


def session_token(secret: str, expires: datetime) -> str:
    """For every request (`token`): opens sessions and handles of the videoroom plugin."""
    return _sign(secret, f"{int(expires.timestamp())},janus,{VIDEOROOM}")


def room_token(secret: str, room_id: int, expires: datetime) -> str:
    """For `join`'s `token`: this room only, and the pin is still needed."""
    return _sign(secret, f"{int(expires.timestamp())},{VIDEOROOM},room={room_id}")


def _sign(secret: str, data: str) -> str:
    digest = hmac.new(secret.encode(), data.encode(), hashlib.sha1).digest()
    return f"{data}:{base64.b64encode(digest).decode()}"
