"""The compute port on Azure: virtual machines of one resource group, found by their tags.

Nothing blocks until a machine has changed: an operation is begun, its continuation token kept by
the caller and followed later, by whichever process. The token is azure-core's, JSON in base64
without credentials. ARM's own words: https://learn.microsoft.com/azure/azure-resource-manager/
management/async-operations
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

from shared.fleet.azure_errors import brief
from shared.fleet.azure_vms import BadTag, halted, machine, power
from shared.fleet.compute import ComputeError, Machine, Power, Progress
from shared.platform import logs
from shared.platform.azure_storage import credential as our_identity
from shared.platform.clock import Clock
from shared.platform.settings import Settings

if TYPE_CHECKING:
    from shared.fleet.azure_arm import Arm

LIST_FRESH = timedelta(minutes=5)
"""How long the list of machines, with their tags, is good: it changes when people change it."""

CALL_SECONDS = 10.0
"""The longest that any method waits for Azure."""

AT_ONCE = 8
"""Instance views that are asked for at the same time."""

LONGEST_TOKEN = 20_000

_ON_ITS_WAY = {
    "start": (Power.STARTING, Power.RUNNING),
    "deallocate": (Power.DEALLOCATING, Power.DEALLOCATED),
    "restart": (),
}


class AzureCompute:
    """`Compute`. Takes a credential of azure-identity, by default the managed identity in Azure and
    the developer's own sign-in elsewhere; `options` go to the client (`azure_arm.connect`)."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        *,
        credential: Any = None,
        patience: float = CALL_SECONDS,
        **options: Any,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._credential = credential
        self._patience = patience
        self._options = options
        self._connected: Arm | None = None
        self._listed: dict[str, Machine] = {}
        self._listed_at: datetime | None = None
        self._left_out: dict[str, str] = {}
        self._still_until: datetime | None = None
        self._told_still = ""

    @property
    def _arm(self) -> Arm:
        if not self._connected:
            # The SDK is imported when the fleet is first looked at, not by every cold start.
            from shared.fleet.azure_arm import Arm

            self._credential = self._credential or our_identity()
            self._connected = Arm(self._settings, self._clock, self._credential, **self._options)
        return self._connected

    async def machines(self, look: Collection[str] | None = None) -> list[Machine]:
        """The list is up to `LIST_FRESH` old, and older while Azure does not give a new one."""
        listed = await self._list()
        names = [name for name in listed if look is None or name in look]
        limit, deadline = asyncio.Semaphore(AT_ONCE), asyncio.timeout(self._patience)
        seen: dict[str, Machine | None] = {}
        try:
            async with deadline, asyncio.TaskGroup() as group:
                for name in names:
                    group.create_task(self._look(listed[name], limit, seen))
        except TimeoutError:
            late = f"Azure did not answer within {self._patience:g} s"
            for name in names:
                seen.setdefault(name, replace(listed[name], reason=late))
        return [found for each in listed.values() if (found := seen.get(each.name, each))]

    async def _look(
        self, listed: Machine, limit: asyncio.Semaphore, seen: dict[str, Machine | None]
    ) -> None:
        """None: it is gone since it was listed."""
        async with limit:
            try:
                seen[listed.name] = await self._view(listed)
            except ComputeError as error:
                gone = error.kind == "not_found"
                seen[listed.name] = None if gone else replace(listed, reason=error.message)
                if gone:
                    self._listed_at = None

    async def start(self, name: str) -> str:
        await self._find(name)
        return await self._begin("start", name)

    async def deallocate(self, name: str) -> str:
        await self._find(name)
        return await self._begin("deallocate", name)

    async def restart(self, name: str) -> str:
        """Azure refuses to restart what does not run, so that is started."""
        seen = await self._view(await self._find(name))
        off = halted(seen) or seen.power not in (Power.RUNNING, Power.UNKNOWN)
        return await self._begin("start" if off else "restart", name)

    async def _begin(self, verb: str, name: str) -> str:
        try:
            async with self._asking():
                token = await self._arm.begin(verb, name)
        except ComputeError as error:
            if error.kind == "conflict" and await self._on_its_way(verb, name):
                return ""
            raise
        return token if len(token) <= LONGEST_TOKEN else ""

    async def _on_its_way(self, verb: str, name: str) -> bool:
        """Whether what Azure refuses to do now is what it is doing."""
        try:
            seen = await self._view(self._listed[name])
        except ComputeError:
            return False
        return seen.power in _ON_ITS_WAY[verb] and not halted(seen)

    async def follow(self, operation: str) -> Progress:
        """When Azure can't be asked just now the operation counts as running; what it no longer
        tells us, or never let us see, as done."""
        try:
            async with self._asking():
                answer = await self._arm.poll(operation)
        except ComputeError as error:
            logs.event("compute.follow_failed", kind=error.kind, reason=error.message)
            return "done" if error.kind in ("auth", "not_found") else "running"
        if answer.failure:
            raise answer.failure
        return "done" if answer.finished else "running"

    async def close(self) -> None:
        if self._connected:
            await self._connected.close()
            await self._credential.close()

    # -- the list ----------------------------------------------------------------------------------

    async def _find(self, name: str) -> Machine:
        """Only what has our tags is ever touched, whatever else the resource group holds."""
        listed = await self._list()
        if name not in listed:
            self._listed_at = None  # it may be new
            listed = await self._list()
        if name not in listed:
            raise ComputeError("not_found", f"There is no machine {name}")
        return listed[name]

    async def _list(self) -> Mapping[str, Machine]:
        now = self._clock.now()
        if self._listed_at and now - self._listed_at < LIST_FRESH:
            return self._listed
        try:
            async with self._asking():
                vms = await self._arm.vms()
        except ComputeError as error:
            if not self._listed:
                raise
            logs.event("compute.list_failed", kind=error.kind, reason=error.message)
            return self._listed
        self._listed = {each.name: each for each in sorted(self._ours(vms), key=_name)}
        self._listed_at = now
        return self._listed

    def _ours(self, vms: Iterable[Any]) -> list[Machine]:
        """One whose tags make no sense is left out, which is logged once."""
        ours: list[Machine] = []
        bad: dict[str, str] = {}
        for vm in vms:
            name = str(getattr(vm, "name", None) or "without a name")
            try:
                spot = str(vm.priority or "").lower().endswith("spot")
                found = machine(name, str(vm.location or ""), spot, vm.tags or {}, self._settings)
            except BadTag as error:
                bad[name] = str(error)
                continue
            except Exception as error:
                # As in `_asking`: the SDK's model holds whatever Azure wrote, of any type.
                bad[name] = _nonsense(error).message
                continue
            ours += [found] if found else []
        for name, reason in bad.items():
            if self._left_out.get(name) != reason:
                logs.event("compute.machine_left_out", vm=name, reason=reason)
        self._left_out = bad
        return ours

    async def _view(self, listed: Machine) -> Machine:
        async with self._asking():
            told, reason = power(await self._arm.statuses(listed.name))
        return replace(listed, power=told, reason=brief(reason))

    # -- asking ------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        """Bounds what is inside, turns its errors into `ComputeError`, and keeps still as long as
        Azure told us to."""
        now = self._clock.now()
        if self._still_until and now < self._still_until:
            raise ComputeError("throttled", self._told_still, self._still_until - now)
        try:
            async with asyncio.timeout(self._patience):
                yield
        except TimeoutError:
            message = f"Azure did not answer within {self._patience:g} s"
            raise ComputeError("failed", message) from None
        except ComputeError:
            raise
        except AzureError as error:
            raise self._translated(error) from error
        except Exception as error:
            # The border to a foreign SDK: an answer that is none (a proxy's page, null, a list in
            # the place of an object) comes out of it as any error at all, and must not keep the
            # reconciler from the other machines. Its type and its traceback are told.
            logs.exception("compute.nonsense", error)
            raise _nonsense(error) from error

    def _translated(self, error: AzureError) -> ComputeError:
        if isinstance(error, HttpResponseError) and error.response is not None:
            if error.response.status_code == 200:
                return _nonsense(error)  # it could not be read
            found = self._arm.error(error.response)
        elif isinstance(error, ClientAuthenticationError):
            return ComputeError("auth", brief(error.message))
        else:
            return ComputeError("failed", brief(f"Azure gave no answer: {error.message}"))
        if found.kind == "throttled" and found.retry_after:
            until = self._clock.now() + found.retry_after
            self._still_until = max(until, self._still_until or until)
            self._told_still = found.message
            seconds = found.retry_after.total_seconds()
            logs.event("compute.throttled", reason=found.message, seconds=seconds)
        return found


def _name(each: Machine) -> str:
    return each.name


def _nonsense(error: Exception) -> ComputeError:
    return ComputeError("failed", f"Azure's answer makes no sense: {type(error).__name__}")
