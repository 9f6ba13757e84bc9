"""Whether Janus can carry a call on this computer, found out before anybody books one.

The first VM is started on its own ports, as the API will start it, asked for what a call needs,
and ended. Nothing less tells: Debian's `janus --version` fails although that Janus works.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from local.terminal import Stop

if TYPE_CHECKING:
    from shared.fleet.compute_local import LocalCompute
    from shared.janus.port import JanusFactory
    from shared.platform.settings import Settings

PATIENCE = 10.0
"""Seconds until it must answer; it takes a tenth of one."""

POLL_SECONDS = 0.02


async def check_first_janus(settings: Settings) -> None:
    """Raises `Stop` with the reason. There is nothing to find out when the VMs are in Azure.

    Its folder is one of its own, so that the log of the last run's Janus stays, and below
    `local_vm_folder`, where the next run ends what a killed one left.
    """
    if settings.compute != "local":
        return

    import aiohttp

    from shared.fleet.compute import ComputeError
    from shared.fleet.compute_local import LocalCompute
    from shared.janus.client import JanusClients
    from shared.janus.port import JanusError
    from shared.platform.clock import SystemClock

    folder = Path(settings.local_vm_folder) / "probe"
    changes = {"local_vm_folder": str(folder), "local_vms": 1}
    compute = LocalCompute(settings.model_copy(update=changes))
    (machine,) = await compute.machines()
    try:
        async with aiohttp.ClientSession() as session:
            clients = JanusClients(session, settings.janus_key.get_secret_value(), SystemClock())
            try:
                await compute.start(machine.name)
                await _until_ready(compute, clients)
                await clients(machine).rooms()  # the plugin of the calls is there too
            finally:
                await compute.deallocate(machine.name)
    except ComputeError as error:
        raise Stop(f"Calls can't work: {error.message}.") from None
    except JanusError as error:
        log = folder / machine.name / "janus.log"
        raise Stop(f"Calls can't work: {error}; the log of Janus is {log}") from None
    shutil.rmtree(folder, ignore_errors=True)


async def _until_ready(compute: LocalCompute, clients: JanusFactory) -> None:
    """Janus loads its plugins before it listens."""
    from shared.fleet.compute import Power
    from shared.janus.port import JanusError

    deadline = time.monotonic() + PATIENCE
    while True:
        (machine,) = await compute.machines()
        if machine.power is Power.FAILED:
            raise JanusError(machine.reason)
        try:
            return await clients(machine).ready()
        except JanusError:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(POLL_SECONDS)
