"""Function keys, checked only with `--enable-auth`, as Core Tools do.

https://learn.microsoft.com/azure/azure-functions/function-keys-how-to
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from local.host.functions import AuthLevel
from local.terminal import Stop

HEADER = "x-functions-key"
PARAMETER = "code"


@dataclass(frozen=True)
class Keys:
    master: str
    default: str

    def allow(self, level: AuthLevel, key: str | None) -> bool:
        """The master key opens everything, the host's default key what is no admin's."""
        if level == "anonymous":
            return True
        given = (key or "").encode()
        fits = hmac.compare_digest(given, self.master.encode())
        if level == "function":
            fits = hmac.compare_digest(given, self.default.encode()) or fits
        return fits


def load_keys(file: Path) -> Keys:
    """Written with fresh keys when there is none; only its owner may read it."""
    if not file.exists():
        keys = Keys(secrets.token_urlsafe(40), secrets.token_urlsafe(40))
        file.parent.mkdir(parents=True, exist_ok=True)
        content = {"masterKey": keys.master, "functionKeys": {"default": keys.default}}
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(content, stream, indent=2)
    try:
        read = json.loads(file.read_text(encoding="utf-8"))
        master, default = str(read["masterKey"]), str(read["functionKeys"]["default"])
    except (OSError, ValueError, KeyError, TypeError):
        master = default = ""
    if not master or not default:
        raise Stop(f"{file} does not hold the host's keys: delete it, and new ones are made.")
    return Keys(master, default)
