"""What a timer remembers between runs of the host: one small JSON file per timer.

Azure keeps the same in a blob, `azure-webjobs-hosts/timers/...`.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shared.platform import logs

NEVER = datetime(1, 1, 1, tzinfo=UTC)
"""What .NET's default(DateTime) looks like: the timer has not run yet."""


@dataclass(frozen=True)
class Status:
    """The three moments as `timer.schedule_status` shows them."""

    last: datetime
    next: datetime
    updated: datetime

    def as_json(self) -> dict[str, str]:
        return {
            "Last": self.last.isoformat(),
            "Next": self.next.isoformat(),
            "LastUpdated": self.updated.isoformat(),
        }


class StatusFile:
    """A fault of the file is one log line: a timer runs without its memory rather than not."""

    def __init__(self, path: Path, name: str, schedule: str) -> None:
        self._path = path
        self._name = name
        self._schedule = schedule

    def read(self) -> Status | None:
        """None as well when the schedule has changed since: what it missed is not ours."""
        try:
            stored: dict[str, Any] = json.loads(self._path.read_bytes())
            if stored["Schedule"] != self._schedule:
                return None
            moments = (_moment(stored[key]) for key in ("Last", "Next", "LastUpdated"))
            return Status(*moments)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError, TypeError) as error:
            _warn("timer.status_unreadable", function=self._name, error=str(error))
            return None

    def write(self, status: Status) -> None:
        """Into another file first, so that a killed host leaves the old one or the new one."""
        text = json.dumps({"Schedule": self._schedule, **status.as_json()})
        fresh = self._path.with_name(self._path.name + ".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(text)
            os.replace(fresh, self._path)
        except OSError as error:
            _warn("timer.status_unwritable", function=self._name, error=str(error))


def _warn(event: str, **fields: str) -> None:
    logs.event(event, level=logging.WARNING, **fields)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no offset")
    return moment
