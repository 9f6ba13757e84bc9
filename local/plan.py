"""What one `make run` needs to know, found out and checked before anything is started."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from local import settings_file
from local.azurite import Azurite
from local.functions_host import FunctionsHost
from local.ports import Ports, check_free
from local.records import end_recorded
from local.terminal import Stop, say

if TYPE_CHECKING:
    from shared.platform.settings import Settings


@dataclass(frozen=True)
class Plan:
    root: Path
    state: Path
    ports: Ports
    environment: dict[str, str]
    own_azurite: bool
    reload: bool
    settings: Settings

    def end_vms(self) -> None:
        """Ends the Janus processes; they outlive the host, so that a reload cuts no call."""
        from shared.fleet.compute import ComputeError
        from shared.fleet.compute_local import stop_all

        try:
            stop_all(Path(self.settings.local_vm_folder))
        except ComputeError as error:
            raise Stop(f"{error.message}.") from None


def make_plan(root: Path, ports: Ports, state: Path, reload: bool) -> Plan:
    """Checks the settings, ends what a killed run left behind, then checks the ports."""
    from shared.platform.settings import SettingsError, load_settings

    example = settings_file.example_values(root)
    values = settings_file.ensure(root)
    os.environ.update(settings_file.environment(values, example, ports, state))
    environment = dict(os.environ)
    try:
        settings = load_settings()
    except SettingsError as error:
        raise Stop(f"{error}.") from None
    storage = environment.get("AzureWebJobsStorage", "")
    own_azurite = f"127.0.0.1:{ports.azurite}/" in storage
    plan = Plan(root, state, ports, environment, own_azurite, reload, settings)
    _end_leftovers(plan)
    wanted = {ports.api: "the API and the pages"}
    if own_azurite:
        wanted |= ports.azurite_ports()
    check_free(wanted | vm_ports(settings), ports)
    return plan


def vm_ports(settings: Settings) -> dict[int, str]:
    """What the machines on this computer will listen on; none when they are elsewhere."""
    from shared.fleet.compute_local import PORTS_APART

    wanted: dict[int, str] = {}
    for number in range(settings.local_vms if settings.compute == "local" else 0):
        first = settings.local_vm_port + PORTS_APART * number
        wanted |= {first: f"Janus of VM {number}", first + 1: f"Admin API of VM {number}"}
        wanted |= {first + 2: f"Janus over HTTP of VM {number}"}
    return wanted


def _end_leftovers(plan: Plan) -> None:
    found = end_recorded(FunctionsHost.record(plan.state))
    plan.end_vms()
    found = end_recorded(Azurite.record(plan.state)) or found
    if found:
        say("Ended what an earlier run, killed before it could, had left running.")
