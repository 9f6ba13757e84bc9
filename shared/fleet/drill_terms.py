"""The words of a drill. Payloads use them, which every process loads: so they stand alone."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

Outcome = Literal["ok", "failed", "broken_off"]

Step = Literal["start", "ready", "room", "join", "destroy", "deallocate"]


class Phase(StrEnum):
    """RESTING: none is under way. STARTING: a machine was asked for. REHEARSING: a call is being
    rehearsed there. STOPPING: it is no longer asked for, and seen off."""

    RESTING = "resting"
    STARTING = "starting"
    REHEARSING = "rehearsing"
    STOPPING = "stopping"
