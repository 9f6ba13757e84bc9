"""Whoever may only write tags can't send us, or browsers, where it pleases them."""

from __future__ import annotations

import pytest

from shared.fleet.compute import Machine
from tests.fakes.arm_models import AZURE
from tests.integration.azure.cloud import Cloud, logged
from tests.world import make_settings


async def found(cloud: Cloud, domain: str = "", **tags: str) -> Machine | None:
    cloud.arm.add("janus-9", **tags)
    compute = cloud.arm.compute(make_settings(**AZURE, vm_domain=domain), cloud.clock)
    return next((m for m in await compute.machines(()) if m.name == "janus-9"), None)


@pytest.mark.parametrize(
    "admin",
    [
        *("127.0.0.1", "127.8.8.8", "::1", "localhost", "LOCALHOST", "a.localhost"),
        *("ip6-localhost", "localhost.localdomain"),
        *("169.254.169.254", "fe80::1", "fe80::1%eth0", "fd00::1%eth0"),
        *("224.0.0.1", "ff02::1", "0.0.0.0", "::", "255.255.255.255", "0.1.2.3", "240.0.0.1"),
        *("168.63.129.16", "8.8.8.8", "192.0.2.1", "2001:db8::1", "2606:4700::1111"),
        *("::ffff:169.254.169.254", "::ffff:10.0.0.4", "64:ff9b::a9fe:a9fe"),
        *("2130706433", "127.1", "0x7f000001", "0x7f.1", "0177.0.0.1", "10.0.0.0x1", "a.1"),
    ],
)
async def test_an_admin_api_is_nowhere_but_in_our_network(
    cloud: Cloud, caplog: pytest.LogCaptureFixture, admin: str
) -> None:
    caplog.set_level("INFO", "suroga")
    assert await found(cloud, admin=admin) is None
    [line] = logged(caplog, "compute.machine_left_out")
    assert "suroga-admin should be the private name or address" in line["reason"]


@pytest.mark.parametrize(
    ("admin", "url"),
    [
        *((each, each) for each in ("10.0.0.4", "172.31.0.4", "192.168.1.4", "100.64.0.4")),
        *(("fd12:3456::4", "[fd12:3456::4]"), ("janus-9", "janus-9")),
        *(("janus-9.internal.example", "janus-9.internal.example"), ("10.example", "10.example")),
    ],
)
async def test_there_it_may_be_anywhere(cloud: Cloud, admin: str, url: str) -> None:
    machine = await found(cloud, admin=admin)
    assert machine
    assert machine.admin_url == f"http://{url}:7088/admin"


@pytest.mark.parametrize(
    ("domain", "host", "ours"),
    [
        ("", "evil.example.com", True),
        ("janus.example.org", "lisbon.janus.example.org", True),
        ("Janus.example.org", "LISBON.JANUS.EXAMPLE.ORG", True),
        ("janus.example.org", "janus.example.org", True),
        ("janus.example.org", "evil.example.com", False),
        ("janus.example.org", "eviljanus.example.org", False),
        ("janus.example.org", "janus.example.org.evil.example", False),
        ("example.org", "10.0.0.1", False),
    ],
)
async def test_browsers_are_led_into_our_domain_only(
    cloud: Cloud, caplog: pytest.LogCaptureFixture, domain: str, host: str, ours: bool
) -> None:
    caplog.set_level("INFO", "suroga")
    assert bool(await found(cloud, domain, host=host)) == ours
    lines = logged(caplog, "compute.machine_left_out")
    mine = [line for line in lines if line["vm"] == "janus-9"]
    assert ["SUROGA_VM_DOMAIN" in line["reason"] for line in mine] == ([] if ours else [True])
