"""What Azure's power and provisioning states mean, and when its SDK is imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

from shared.fleet.azure_vms import power
from shared.fleet.compute import Power
from tests.fakes.arm_models import AZURE
from tests.tree import REPO


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ("ProvisioningState/succeeded PowerState/deallocated", Power.DEALLOCATED),
        ("ProvisioningState/updating PowerState/starting", Power.STARTING),
        ("ProvisioningState/succeeded PowerState/running", Power.RUNNING),
        ("ProvisioningState/updating PowerState/deallocating", Power.DEALLOCATING),
        ("ProvisioningState/succeeded PowerState/stopping", Power.RUNNING),
        ("ProvisioningState/succeeded PowerState/stopped", Power.RUNNING),
        ("ProvisioningState/succeeded PowerState/unknown", Power.UNKNOWN),
        ("ProvisioningState/creating", Power.UNKNOWN),
        ("", Power.UNKNOWN),
        ("provisioningstate/Succeeded powerstate/Running OSState/generalized", Power.RUNNING),
        ("ProvisioningState/failed/AllocationFailed PowerState/deallocated", Power.FAILED),
        ("ProvisioningState/failed", Power.FAILED),
        # What failed was something else, or has not yet stopped it: what is on costs money.
        ("ProvisioningState/failed/OSProvisioningTimedOut PowerState/running", Power.RUNNING),
        ("ProvisioningState/failed PowerState/starting", Power.STARTING),
        ("ProvisioningState/failed PowerState/deallocating", Power.DEALLOCATING),
        ("ProvisioningState/failed PowerState/stopped", Power.RUNNING),
    ],
)
def test_the_power_of_a_machine(codes: str, expected: Power) -> None:
    told, reason = power((code, "") for code in codes.split())
    assert told is expected
    needs_one = told in (Power.FAILED, Power.UNKNOWN) or "stop" in codes
    assert bool(reason) == needs_one


def test_a_failure_tells_its_code_and_message() -> None:
    codes = [
        ("ProvisioningState/failed/AllocationFailed", "No room"),
        ("PowerState/deallocated", ""),
    ]
    assert power(codes) == (Power.FAILED, "AllocationFailed: No room")


def test_the_sdk_is_imported_when_a_machine_is_first_looked_at() -> None:
    """A booking needs no virtual machine, and a cold start should not wait for the SDK."""
    script = (
        "import asyncio, sys\n"
        "from shared import bootstrap\n"
        "from tests.world import make_settings\n"
        "bootstrap.load_settings = lambda: make_settings(**eval(sys.argv[1]))\n"
        "async def build():\n"
        "    compute = bootstrap.services().ports.compute\n"
        "    imported = [n for n in sys.modules if n.startswith('azure.mgmt')]\n"
        "    print(type(compute).__name__, imported)\n"
        "asyncio.run(build())\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", script, repr(AZURE)]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    assert done.stdout == "AzureCompute []\n", done.stderr
