"""The compute port: the machines of the pool, and how to start and stop them.

A machine runs one Janus. Adapters: `compute_local` (a Janus process on this computer) and the
in-memory fake in `tests/fakes`; both pass `tests/integration/test_compute_contract.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Power(StrEnum):
    """What the machine is, says its host. RUNNING is not ready: ask `Janus.ready`."""

    DEALLOCATED = "deallocated"
    STARTING = "starting"
    RUNNING = "running"
    DEALLOCATING = "deallocating"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Machine:
    """`capacity` counts bookings at the same time; `reason` says why it is FAILED."""

    name: str
    pool: int
    capacity: int
    power: Power
    janus_url: str
    """What browsers open: `ws://` or `wss://`."""
    admin_url: str
    """Where we reach the Admin API, `http://…/admin`; never shown to a browser."""
    reason: str = ""


class ComputeError(Exception):
    """The host refused. `kind`: `not_found` (no such machine, or what it runs is not installed),
    `allocation_failed` (no room for it now: try later or elsewhere), `failed` (anything else)."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class Compute(Protocol):
    """The port. Every method may raise `ComputeError`; an unknown name is `not_found`."""

    async def machines(self) -> list[Machine]:
        """Every machine of the pool, in a stable order, whatever its power."""
        ...

    async def start(self, name: str) -> None:
        """Returns at once, the power changes later; does nothing to one that runs or starts."""
        ...

    async def deallocate(self, name: str) -> None:
        """Returns at once, the power changes later; does nothing to one that is off.

        Its Janus loses every room.
        """
        ...

    async def restart(self, name: str) -> None:
        """For a Janus that hangs: rooms are lost. One that is off is started."""
        ...
