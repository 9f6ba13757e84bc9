"""What the tests of the Azure adapter share."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from shared.fleet.compute import Compute, ComputeError, Machine
from shared.fleet.compute_azure import AzureCompute
from tests.fakes.arm import FakeArm
from tests.fakes.arm_models import AZURE
from tests.fakes.clock import ManualClock
from tests.world import make_settings

VM, OTHER = "janus-0", "janus-1"
SETTINGS = make_settings(**AZURE)


@dataclass
class Cloud:
    arm: FakeArm
    clock: ManualClock = field(default_factory=ManualClock)

    def __post_init__(self) -> None:
        self.compute = self.client()

    def client(self, **options: Any) -> AzureCompute:
        return self.arm.compute(SETTINGS, self.clock, **options)


async def look(compute: Compute, name: str = VM) -> Machine:
    return next(m for m in await compute.machines({name}) if m.name == name)


async def refused(cloud: Cloud, verb: str = "start", name: str = VM) -> ComputeError:
    with pytest.raises(ComputeError) as caught:
        await getattr(cloud.compute, verb)(name)
    return caught.value


def logged(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, Any]]:
    lines = [json.loads(r.getMessage()) for r in caplog.records if r.name == "suroga"]
    return [line for line in lines if line["event"] == event]
