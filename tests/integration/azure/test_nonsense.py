"""Answers that make no sense, or mean us harm: they cost what they are about, and nothing else."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from shared.fleet.azure_arm import PAGES
from shared.fleet.compute import ComputeError, Power
from tests.fakes.arm_models import GROUP, SUBSCRIPTION, Fault, resource
from tests.integration.azure.cloud import OTHER, VM, Cloud, logged, look, refused

JSON = {"Content-Type": "application/json"}
PLAIN = {"Content-Type": "text/plain; charset=utf-8"}
PROXY = "<html>Please sign in</html>"
DEEP = '{"error":' * 3000 + "1" + "}" * 3000
LIST = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
    "/providers/Microsoft.Compute/virtualMachines"
)
VIEWS = [PROXY, "[]", "null", '"x"', '{"statuses":[null]}', '{"statuses":{"a":1}}', DEEP]
LISTS = [PROXY, "[]", "null", '"x"', '{"value":null}', '{"value":5}', DEEP]


@pytest.fixture
async def elsewhere() -> AsyncIterator[tuple[str, list[web.Request]]]:
    """Another server, and what it was asked."""
    asked: list[web.Request] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request)
        return web.json_response({"value": []})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    await runner.cleanup()


def listed(cloud: Cloud, *more: Any, **other: str) -> str:
    return json.dumps({"value": [*map(resource, cloud.arm.vms.values()), *more], **other})


@pytest.mark.parametrize("headers", [JSON, PLAIN], ids=["json", "text"])
@pytest.mark.parametrize("body", VIEWS, ids=range(len(VIEWS)))
async def test_one_machines_view_hides_that_machine_only(
    cloud: Cloud, body: str, headers: dict[str, str]
) -> None:
    cloud.arm.vms[OTHER].become("running")
    cloud.arm.faults[f"view {VM}"] = Fault(200, body=body, headers=headers)
    hidden, other = await cloud.compute.machines()
    assert (hidden.power, other.power) == (Power.UNKNOWN, Power.RUNNING)
    assert hidden.reason.startswith("Azure's answer makes no sense: ")
    cloud.arm.faults.clear()
    assert (await look(cloud.compute)).power is Power.DEALLOCATED


@pytest.mark.parametrize("headers", [JSON, PLAIN], ids=["json", "text"])
@pytest.mark.parametrize("body", LISTS, ids=range(len(LISTS)))
async def test_a_list_is_a_failure_and_the_old_one_serves(
    cloud: Cloud, body: str, headers: dict[str, str]
) -> None:
    await cloud.compute.machines()
    cloud.arm.faults["list"] = Fault(200, body=body, headers=headers)
    with pytest.raises(ComputeError, match="Azure's answer makes no sense: ") as caught:
        await cloud.client().machines()
    assert caught.value.kind == "failed"
    cloud.clock.advance(minutes=10)
    assert [m.power for m in await cloud.compute.machines()] == [Power.DEALLOCATED] * 2


async def test_nonsense_is_logged_with_where_it_came_from(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "suroga")
    cloud.arm.faults[f"view {VM}"] = Fault(200, body="null", headers=JSON)
    await cloud.compute.machines()
    [line] = logged(caplog, "compute.nonsense")
    assert "statuses" in line["traceback"]


@pytest.mark.parametrize(
    "odd",
    [
        None,
        5,
        {},
        {"name": None, "tags": {"suroga-role": "janus"}},
        {"name": "odd", "tags": {"suroga-role": None}},
        {"name": "odd", "tags": {"suroga-role": "janus", "suroga-pool": None}},
        {"name": "odd", "tags": ["suroga-role"]},
        {"name": "odd", "tags": 5},
    ],
    ids=str,
)
async def test_one_machines_entry_leaves_out_that_one_only(cloud: Cloud, odd: Any) -> None:
    cloud.arm.faults["list"] = Fault(200, body=listed(cloud, odd), headers=JSON)
    assert [m.name for m in await cloud.compute.machines()] == [VM, OTHER]


async def test_a_tag_of_somebody_elses_may_be_null(cloud: Cloud) -> None:
    vm = resource(cloud.arm.vms[VM])
    vm["tags"] = {**vm["tags"], "cost-centre": None}
    cloud.arm.faults["list"] = Fault(200, body=json.dumps({"value": [vm]}), headers=JSON)
    assert [m.name for m in await cloud.compute.machines()] == [VM]


@pytest.mark.parametrize("headers", [JSON, PLAIN], ids=["json", "text"])
@pytest.mark.parametrize("status", [400, 409, 500])
async def test_an_error_that_is_too_deep_to_read_is_one(
    cloud: Cloud, status: int, headers: dict[str, str]
) -> None:
    cloud.arm.faults[f"view {VM}"] = Fault(status, body=DEEP, headers=headers)
    hidden, other = await cloud.compute.machines()
    assert (hidden.power, other.power) == (Power.UNKNOWN, Power.DEALLOCATED)
    assert hidden.reason
    cloud.arm.faults["start"] = Fault(status, body=DEEP, headers=headers)
    assert (await refused(cloud)).kind in ("failed", "conflict")


@pytest.mark.parametrize("body", ["null", "[]", PROXY, '{"status":5}', DEEP], ids=range(5))
@pytest.mark.parametrize("headers", [JSON, PLAIN], ids=["json", "text"])
async def test_nonsense_is_no_end_of_an_operation(
    cloud: Cloud, body: str, headers: dict[str, str]
) -> None:
    cloud.arm.slow = {VM}
    token = await cloud.compute.start(VM)
    cloud.arm.faults["poll"] = Fault(200, body=body, headers=headers)
    assert await cloud.compute.follow(token) == "running"
    cloud.arm.faults.clear()
    cloud.arm.finish(VM)
    assert await cloud.compute.follow(token) == "done"


# -- pages -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("whole", [True, False], ids=["with machines", "empty"])
async def test_a_page_that_leads_to_itself_is_no_list(cloud: Cloud, whole: bool) -> None:
    link = f"{cloud.arm.url}{LIST}?x=1"
    body = listed(cloud, nextLink=link) if whole else json.dumps({"value": [], "nextLink": link})
    cloud.arm.faults["list"] = Fault(200, body=body, headers=JSON)
    with pytest.raises(ComputeError, match="EndlessList"):
        await cloud.compute.machines()
    assert cloud.arm.asked("list") == 2


async def test_a_list_with_pages_without_an_end_is_none(cloud: Cloud) -> None:
    for n in range(2, PAGES + 5):
        cloud.arm.add(f"janus-{n}")
    cloud.arm.pages = 1
    with pytest.raises(ComputeError, match="EndlessList"):
        await cloud.compute.machines()
    assert cloud.arm.asked("list") == PAGES + 1


# -- where we are sent -----------------------------------------------------------------------------


async def test_a_page_elsewhere_is_not_asked_for(
    cloud: Cloud, elsewhere: tuple[str, list[web.Request]]
) -> None:
    url, asked = elsewhere
    cloud.arm.faults["list"] = Fault(200, body=listed(cloud, nextLink=url), headers=JSON)
    with pytest.raises(ComputeError, match="ForeignHost"):
        await cloud.compute.machines()
    assert asked == []


@pytest.mark.parametrize("what", ["list", "start"])
async def test_a_redirect_elsewhere_is_not_followed(
    cloud: Cloud, elsewhere: tuple[str, list[web.Request]], what: str
) -> None:
    url, asked = elsewhere
    cloud.arm.faults[what] = Fault(307, headers={"Location": url})
    assert "ForeignHost" in (await refused(cloud)).message
    assert asked == []


async def test_an_operation_elsewhere_is_not_asked_about(
    cloud: Cloud, elsewhere: tuple[str, list[web.Request]]
) -> None:
    """Its answer told where it is; what becomes of it the machine's power tells."""
    url, asked = elsewhere
    headers = {"Azure-AsyncOperation": f"{url}/operations/1", "Location": f"{url}/locations/1"}
    cloud.arm.faults["start"] = Fault(202, body="", headers=headers)
    token = await cloud.compute.start(VM)
    assert await cloud.compute.follow(token) == "done"
    assert asked == []


@pytest.mark.parametrize(
    "link",
    [
        "http://evil.example@{host}.example.org/",
        "http://{host}.evil.example/",
        "http://{host}@127.0.0.1:1/",
        "http://127.0.0.1:1\\.{host}/",
        "ftp://127.0.0.1:1/",
    ],
)
async def test_no_spelling_of_another_host_passes(cloud: Cloud, link: str) -> None:
    link = link.replace("{host}", cloud.arm.url.removeprefix("http://"))
    cloud.arm.faults["list"] = Fault(200, body=listed(cloud, nextLink=link), headers=JSON)
    with pytest.raises(ComputeError, match="makes no sense: ForeignHost"):
        await cloud.compute.machines()


# -- how long we are told to keep still -----------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "minutes"),
    [
        *(("31536000", 15), ("1000000000000", 15), ("1e300", 15), ("9" * 400, 15), ("inf", 15)),
        *(("901", 15), ("900", 15), ("-5", 1), ("-inf", 1), ("nan", 1), ("1 day", 1)),
        *(("Wed, 10 Jun 2099 09:02:00 GMT", 15), ("Wed, 10 Jun 1999 09:02:00 GMT", 1)),
        *(("Wed, 10 Jun 99999999999999 09:02:00 GMT", 1), ("Wed, 32 Jun 2099 09:02:00 GMT", 1)),
        ("Wed, 10 Jun 2026 09:02:00 +99999999999999", 1),
    ],
)
async def test_nobody_makes_us_keep_still_for_long(cloud: Cloud, told: str, minutes: int) -> None:
    await cloud.compute.machines(())
    fault = Fault(429, "TooManyRequests", "Slow down", headers={"Retry-After": told})
    cloud.arm.faults["view"] = cloud.arm.faults["start"] = fault
    assert {m.power for m in await cloud.compute.machines()} == {Power.UNKNOWN}
    error = await refused(cloud)
    assert (error.kind, error.retry_after) == ("throttled", timedelta(minutes=minutes))
    cloud.arm.faults.clear()
    cloud.clock.advance(minutes=minutes)
    await cloud.compute.start(VM)
