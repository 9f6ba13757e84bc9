"""The compute port: the machines of the pool, and how to start and stop them.

A machine runs one Janus. Adapters: `compute_azure` (virtual machines), `compute_local` (a Janus
process on this computer) and the in-memory fake in `tests/fakes`; all pass
`tests/integration/test_compute_contract.py`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Literal, Protocol


class Power(StrEnum):
    """What the machine is, says its host. RUNNING is not ready: ask `Janus.ready`. UNKNOWN: nobody
    asked, or the host could not tell (`Machine.reason`)."""

    DEALLOCATED = "deallocated"
    STARTING = "starting"
    RUNNING = "running"
    DEALLOCATING = "deallocating"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Machine:
    """`capacity` counts bookings at the same time; `reason` says why it is FAILED or UNKNOWN.
    `spot`: its host may take it away at any moment."""

    name: str
    pool: int
    capacity: int
    power: Power
    janus_urls: tuple[str, ...]
    """What browsers try, in this order: `wss://` first, then `https://`; locally `ws`, `http`."""
    admin_url: str
    """Where we reach the Admin API, `http://…/admin`; never shown to a browser."""
    reason: str = ""
    region: str = ""
    spot: bool = False

    @property
    def janus_url(self) -> str:
        return self.janus_urls[0]


class ComputeError(Exception):
    """The host refused. `kind`:

    `not_found`: no such machine, or what it runs is not installed;
    `allocation_failed`, `sku_not_available`, `quota_exceeded`: no room for it now, so try later or
    another machine;
    `conflict`: another operation on the machine is under way, so try soon;
    `throttled`: too many requests of ours, none before `retry_after`;
    `auth`: we are not allowed to, or nobody could say who we are;
    `failed`: anything else.
    """

    def __init__(self, kind: str, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.retry_after = retry_after


Progress = Literal["running", "done"]


class Compute(Protocol):
    """The port. Every method may raise `ComputeError`; an unknown name is `not_found`.

    Those that change the power return at once; the power changes later. They return what `follow`
    takes, a text of at most 20,000 characters, empty when there is nothing to follow.
    """

    async def machines(self, look: Collection[str] | None = None) -> list[Machine]:
        """Every machine of the pool, in a stable order. The host is asked for the power of those
        in `look`, by default of all; others may be UNKNOWN. One that can't be looked at is UNKNOWN
        too, and keeps nobody from seeing the others."""
        ...

    async def start(self, name: str) -> str:
        """Does nothing to one that runs or starts."""
        ...

    async def deallocate(self, name: str) -> str:
        """Does nothing to one that is off. Its Janus loses every room."""
        ...

    async def restart(self, name: str) -> str:
        """For a Janus that hangs: rooms are lost. One that is off is started."""
        ...

    async def follow(self, operation: str) -> Progress:
        """How an operation is getting on, asked once, without waiting. Raises `ComputeError` when
        it came to a bad end. One that can't be told any more is done: the power says the rest."""
        ...
