"""`make run` with virtual machines in Azure: nothing of a local Janus is needed."""

from __future__ import annotations

from pathlib import Path

from local.first_janus import check_first_janus
from local.plan import vm_ports
from tests.fakes.arm_models import AZURE
from tests.world import make_settings


async def test_no_janus_is_tried_on_this_computer(tmp_path: Path) -> None:
    await check_first_janus(make_settings(**AZURE, local_vm_folder=str(tmp_path / "vms")))
    assert not (tmp_path / "vms").exists()


def test_no_port_is_wanted_for_it() -> None:
    assert vm_ports(make_settings(**AZURE)) == {}
    assert len(vm_ports(make_settings(local_vms=3))) == 9
