"""Which machines there are, and what they are seen to be."""

from __future__ import annotations

import time

import pytest

from shared.fleet.compute import ComputeError, Machine, Power
from shared.fleet.compute_azure import AT_ONCE, LIST_FRESH
from tests.fakes.arm_models import AZURE, Fault
from tests.integration.azure.cloud import OTHER, VM, Cloud, logged, look, refused
from tests.world import make_settings


async def test_a_machine_is_what_its_tags_say(cloud: Cloud) -> None:
    cloud.arm.add(
        "janus-9", spot=True, capacity="12", host="Lisbon.example.org", admin="10.1.0.9"
    ).become("running")
    machine = await look(cloud.compute, "janus-9")
    assert machine == Machine(
        name="janus-9",
        pool=0,
        capacity=12,
        power=Power.RUNNING,
        janus_urls=("wss://Lisbon.example.org/janus-ws", "https://Lisbon.example.org/janus"),
        admin_url="http://10.1.0.9:7088/admin",
        region="westeurope",
        spot=True,
    )


async def test_what_the_tags_leave_out_has_defaults(cloud: Cloud) -> None:
    machine = await look(cloud.compute)
    assert machine.capacity == make_settings().vm_capacity
    assert machine.admin_url == "http://janus-0:7088/admin"
    assert not machine.spot


async def test_the_urls_are_settings(cloud: Cloud) -> None:
    urls = ("wss://{host}:8989/", "https://{host}:8089/janus")
    settings = make_settings(**AZURE, vm_urls=urls, vm_admin_url="https://{admin}/admin")
    machine = await look(cloud.arm.compute(settings, cloud.clock))
    host = "janus-0.example.org"
    assert machine.janus_urls == (f"wss://{host}:8989/", f"https://{host}:8089/janus")
    assert machine.admin_url == "https://janus-0/admin"


async def test_only_what_has_our_tags_is_seen_or_touched(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "suroga")
    cloud.arm.add("database").tags.clear()
    cloud.arm.add("mail", role="smtp", pool="x")
    cloud.arm.add("theirs", pool="1", host="")
    assert [m.name for m in await cloud.compute.machines()] == [VM, OTHER]
    for name in ("database", "mail", "theirs"):
        for verb in ("start", "deallocate", "restart"):
            assert (await refused(cloud, verb, name)).kind == "not_found"
    assert cloud.arm.asked("deallocate") == cloud.arm.asked("start") == 0
    assert logged(caplog, "compute.machine_left_out") == []


@pytest.mark.parametrize(
    ("tag", "value", "said"),
    [
        *(("pool", "first", "suroga-pool"), ("pool", "-1", "suroga-pool")),
        *(("capacity", "0", "suroga-capacity"), ("capacity", "٤", "suroga-capacity")),
        *(("host", "https://a.example", "suroga-host"), ("host", "", "suroga-host")),
        *(("admin", "10.0.0.1:7088", "suroga-admin"), ("admin", "a b", "suroga-admin")),
    ],
)
async def test_tags_that_make_no_sense_are_logged_once_and_the_others_go_on(
    cloud: Cloud, caplog: pytest.LogCaptureFixture, tag: str, value: str, said: str
) -> None:
    caplog.set_level("INFO", "suroga")
    cloud.arm.add("janus-9", **{tag: value})
    for _ in range(3):
        assert [m.name for m in await cloud.compute.machines()] == [VM, OTHER]
        cloud.clock.advance(minutes=10)
    [line] = logged(caplog, "compute.machine_left_out")
    assert line["vm"] == "janus-9"
    assert said in line["reason"]
    assert "should be" in line["reason"]


async def test_names_of_tags_may_have_any_case(cloud: Cloud) -> None:
    vm = cloud.arm.vms[VM]
    vm.tags = {name.upper(): text for name, text in vm.tags.items()}
    assert (await look(cloud.compute)).name == VM


async def test_the_list_comes_in_pages(cloud: Cloud) -> None:
    for n in range(2, 7):
        cloud.arm.add(f"janus-{n}")
    cloud.arm.pages = 3
    assert len(await cloud.compute.machines(())) == 7
    assert cloud.arm.requests == ["list"] * 3


async def test_the_list_is_asked_for_every_few_minutes_only(cloud: Cloud) -> None:
    await cloud.compute.machines(())
    await cloud.compute.machines(())
    assert cloud.arm.requests == ["list"]
    cloud.arm.add("janus-2")
    assert len(await cloud.compute.machines(())) == 2
    cloud.clock.time += LIST_FRESH
    assert len(await cloud.compute.machines(())) == 3


async def test_a_new_machine_may_be_started_at_once(cloud: Cloud) -> None:
    await cloud.compute.machines()
    cloud.arm.add("janus-2")
    await cloud.compute.start("janus-2")
    assert (await look(cloud.compute, "janus-2")).power is Power.RUNNING


async def test_an_old_list_serves_when_there_is_no_new_one(cloud: Cloud) -> None:
    cloud.arm.vms[VM].become("running")
    await cloud.compute.machines()
    cloud.clock.time += LIST_FRESH
    cloud.arm.faults["list"] = Fault(503, "ServerTimeout")
    assert (await look(cloud.compute)).power is Power.RUNNING


async def test_without_any_list_the_error_is_told(cloud: Cloud) -> None:
    cloud.arm.faults["list"] = Fault(404, "ResourceGroupNotFound", "There is no group suroga")
    with pytest.raises(ComputeError, match="There is no group suroga") as caught:
        await cloud.compute.machines()
    assert caught.value.kind == "not_found"


async def test_a_machine_that_was_deleted_is_gone_at_once(cloud: Cloud) -> None:
    """As a Spot machine is, when its eviction policy is to delete."""
    await cloud.compute.machines()
    del cloud.arm.vms[VM]
    assert [m.name for m in await cloud.compute.machines()] == [OTHER]
    assert [m.name for m in await cloud.compute.machines(())] == [OTHER]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(500, "InternalServerError", "Try later"),
        Fault(403, "AuthorizationFailed", "No action instanceView/read"),
        Fault(cut=True),
        Fault(200, body="<html>no JSON</html>", headers={"Content-Type": "application/json"}),
    ],
    ids=["500", "403", "cut", "html"],
)
async def test_one_that_cannot_be_seen_hides_no_other(cloud: Cloud, fault: Fault) -> None:
    cloud.arm.vms[OTHER].become("running")
    cloud.arm.faults[f"view {VM}"] = fault
    hidden, other = await cloud.compute.machines()
    assert (hidden.power, other.power) == (Power.UNKNOWN, Power.RUNNING)
    assert hidden.reason
    assert "\n" not in hidden.reason


async def test_one_that_does_not_answer_is_waited_for_so_long(cloud: Cloud) -> None:
    await cloud.compute.machines(())
    cloud.arm.vms[OTHER].become("running")
    cloud.arm.faults[f"view {VM}"] = Fault(hang=True)
    compute = cloud.client(patience=0.3)
    began = time.monotonic()
    hidden, other = await compute.machines()
    assert time.monotonic() - began < 3
    assert (hidden.power, other.power) == (Power.UNKNOWN, Power.RUNNING)
    assert hidden.reason == "Azure did not answer within 0.3 s"


async def test_many_are_looked_at_together_but_not_all_at_once(cloud: Cloud) -> None:
    for n in range(2, 40):
        cloud.arm.add(f"janus-{n}").become("running")
    machines = await cloud.compute.machines()
    assert sum(m.power is Power.RUNNING for m in machines) == 38
    assert 2 <= cloud.arm.busiest <= AT_ONCE


async def test_a_flapping_machine_is_told_as_it_is(cloud: Cloud) -> None:
    cloud.arm.vms[VM].flapping.extend(["running", "", "stopped", "deallocated", "hibernated"])
    seen = [(await look(cloud.compute)).power for _ in range(5)]
    assert seen == [
        *(Power.RUNNING, Power.UNKNOWN, Power.RUNNING, Power.DEALLOCATED, Power.UNKNOWN)
    ]


async def test_one_fault_of_the_server_or_the_network_is_tried_again(cloud: Cloud) -> None:
    cloud.arm.faults["list"] = Fault(502, times=1)
    for what in ("view", "start", "deallocate"):
        cloud.arm.faults[what] = Fault(cut=True, times=1)
    assert (await look(cloud.compute)).power is Power.DEALLOCATED
    await cloud.compute.start(VM)
    await cloud.compute.deallocate(VM)
    asked = [cloud.arm.asked(what) for what in ("list", "view", "start", "deallocate")]
    assert asked == [2, 2, 2, 2]


async def test_more_faults_are_the_reconcilers(cloud: Cloud) -> None:
    await cloud.compute.machines(())
    for fault, said in (
        (Fault(503), "Azure answered 503"),
        (Fault(cut=True), "Azure gave no answer"),
        (Fault(503, "ServerBusy", headers={"Retry-After": "30"}), "ServerBusy"),
    ):
        cloud.arm.faults["start"] = fault
        error = await refused(cloud)
        assert error.kind == "failed"
        assert said in error.message
    assert cloud.arm.asked("start") == 2 + 2 + 1, "where we are told to wait we do"


@pytest.mark.parametrize("fault", [Fault(cut=True), Fault(500)], ids=["cut", "500"])
async def test_a_restart_whose_answer_was_lost_is_not_repeated(cloud: Cloud, fault: Fault) -> None:
    """It would end the calls a second time."""
    cloud.arm.vms[VM].become("running")
    cloud.arm.faults["restart"] = fault
    assert (await refused(cloud, "restart")).kind == "failed"
    assert cloud.arm.asked("restart") == 1
