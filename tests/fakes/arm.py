"""Azure Resource Manager over a socket, with virtual machines, for the real SDK to speak to.

async with FakeArm() as arm:
    compute = arm.compute(settings, clock)
"""

from __future__ import annotations

import asyncio
from itertools import count
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from shared.fleet.compute_azure import AzureCompute
from shared.platform.clock import Clock
from shared.platform.settings import Settings
from tests.fakes.arm_models import (
    GOOD_TOKEN,
    GROUP,
    SCOPE,
    SUBSCRIPTION,
    FakeCredential,
    FakeVm,
    Fault,
    Operation,
    PlainAuthentication,
    refusal,
    resource,
    status,
    unknown,
)


class FakeArm:
    """`requests` has what was asked, like «list», «view janus-0», «start janus-0», «poll».

    How a test misbehaves: `faults[what] = Fault(...)`; `slow`: names whose operations go on until
    `finish(name)`; `fail_later[name] = Fault(code=..., message=...)`: the operation is accepted and
    fails in the end; `pages`: machines on a page of the list; `style`: «async»
    (Azure-AsyncOperation and Location), «location» alone, or «sync» (200 at once).
    """

    def __init__(self, machines: int = 2) -> None:
        self.vms: dict[str, FakeVm] = {}
        self.requests: list[str] = []
        self.faults: dict[str, Fault] = {}
        self.slow: set[str] = set()
        self.fail_later: dict[str, Fault] = {}
        self.pages = 1000
        self.style = "async"
        self.busiest = 0
        self._busy = 0
        self._operations: dict[str, Operation] = {}
        self._ids = count(1)
        self._computes: list[AzureCompute] = []
        self._runner: web.AppRunner | None = None
        self.url = ""
        for n in range(machines):
            self.add(f"janus-{n}")

    def add(self, name: str, *, spot: bool = False, **tags: str) -> FakeVm:
        """`tags` without the prefix: role, pool, capacity, host, admin."""
        given = {"role": "janus", "pool": "0", "host": f"{name}.example.org", **tags}
        vm = FakeVm(name, {f"suroga-{key}": text for key, text in given.items()}, spot=spot)
        vm.janus.down = True
        self.vms[name] = vm
        return vm

    def compute(
        self, settings: Settings, clock: Clock, *, patience: float = 5, credential: Any = None
    ) -> AzureCompute:
        """A new client, as another process would have."""
        credential = credential or FakeCredential()
        compute = AzureCompute(
            settings,
            clock,
            credential=credential,
            patience=patience,
            base_url=self.url,
            authentication_policy=PlainAuthentication(credential, SCOPE),
        )
        self._computes.append(compute)
        return compute

    def finish(self, name: str) -> None:
        """The operation that is under way on a slow machine comes to its end."""
        for operation in self._all:
            if operation.vm.name == name and operation.status == "InProgress":
                self._complete(operation)

    def forget_operations(self) -> None:
        self._operations.clear()

    def asked(self, what: str) -> int:
        return sum(each.startswith(what) for each in self.requests)

    # -- the server --------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        app = web.Application()
        base = f"/subscriptions/{SUBSCRIPTION}"
        vms = f"{base}/resourceGroups/{GROUP}/providers/Microsoft.Compute/virtualMachines"
        app.router.add_get(vms, self._list)
        app.router.add_get(f"{vms}/{{name}}/instanceView", self._view)
        app.router.add_post(f"{vms}/{{name}}/{{verb:start|deallocate|restart}}", self._begin)
        app.router.add_get(f"{base}/operations/{{id}}", self._poll)
        app.router.add_get(f"{base}/locations/{{id}}", self._location)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for compute in self._computes:
            await compute.close()
        assert self._runner
        await self._runner.cleanup()

    async def _meet(self, request: web.Request, *whats: str) -> web.Response | None:
        """Records the request; what is answered instead, if anything."""
        self.requests.append(whats[0])
        if request.headers.get("Authorization") != f"Bearer {GOOD_TOKEN}":
            return refusal(Fault(401, "InvalidAuthenticationToken", "The access token is invalid"))
        fault = next((self.faults[what] for what in whats if what in self.faults), None)
        if not fault or fault.times <= 0:
            return None
        fault.times -= 1
        if fault.cut:
            assert request.transport
            request.transport.abort()
        if fault.hang:
            await asyncio.sleep(60)
        return refusal(fault)

    async def _list(self, request: web.Request) -> web.Response:
        refused = await self._meet(request, "list")
        if refused:
            return refused
        skip = int(request.query.get("$skiptoken", "0"))
        page = list(self.vms.values())[skip : skip + self.pages]
        answer: dict[str, Any] = {"value": [resource(vm) for vm in page]}
        if skip + self.pages < len(self.vms):
            answer["nextLink"] = f"{self.url}{request.path}?$skiptoken={skip + self.pages}"
        return web.json_response(answer)

    async def _view(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self._busy += 1
        self.busiest = max(self.busiest, self._busy)
        try:
            await asyncio.sleep(0.002)
            refused = await self._meet(request, f"view {name}", "view")
        finally:
            self._busy -= 1
        if refused or name not in self.vms:
            return refused or unknown(name)
        vm = self.vms[name]
        power = vm.flapping.popleft() if vm.flapping else vm.power
        codes = [(f"ProvisioningState/{vm.provisioning}", vm.message)]
        codes += [(f"PowerState/{power}", "")] if power else []
        return web.json_response({"statuses": [status(*each) for each in codes]})

    async def _begin(self, request: web.Request) -> web.Response:
        name, verb = request.match_info["name"], request.match_info["verb"]
        refused = await self._meet(request, f"{verb} {name}", verb)
        if refused or name not in self.vms:
            return refused or unknown(name)
        vm = self.vms[name]
        if vm.power != "running" and verb == "restart":
            return refusal(Fault(409, "OperationNotAllowed", "The VM has to be running"))
        if vm.power == "deallocating" and verb == "start":
            return refusal(Fault(409, "Conflict", "The VM is being deallocated"))
        if any(o.vm is vm and (o.verb, o.status) == (verb, "InProgress") for o in self._all):
            return refusal(Fault(409, "AnotherOperationInProgress", "It is being done"))
        operation = Operation(verb, vm)
        number = str(next(self._ids))
        self._preempt(vm)
        self._operations[number] = operation
        self._under_way(operation)
        if name not in self.slow:
            self._complete(operation)
        return self._accepted(number)

    @property
    def _all(self) -> list[Operation]:
        return list(self._operations.values())

    def _preempt(self, vm: FakeVm) -> None:
        for other in self._all:
            if other.vm is vm and other.status == "InProgress":
                other.status = "Canceled"
                other.error = {"code": "OperationPreempted", "message": "A newer one came"}

    def _under_way(self, operation: Operation) -> None:
        vm, verb = operation.vm, operation.verb
        if verb == "start" and vm.power != "running":
            vm.become("starting", "updating")
        elif verb == "deallocate" and vm.power != "deallocated":
            vm.become("deallocating", "updating")
        elif verb == "restart":
            vm.become("starting", "updating")

    def _complete(self, operation: Operation) -> None:
        fault = self.fail_later.pop(operation.vm.name, None)
        if fault:
            operation.status, operation.error = "Failed", fault.error()
            operation.error_status = fault.status
            operation.vm.become("deallocated", f"failed/{fault.code}", fault.message)
            return
        operation.status = "Succeeded"
        now = "deallocated" if operation.verb == "deallocate" else "running"
        operation.vm.provisioning, operation.vm.message = "succeeded", ""
        if operation.vm.power != now:
            operation.vm.become(now)

    def _accepted(self, number: str) -> web.Response:
        if self.style == "sync":
            return web.Response(status=200)
        base = f"{self.url}/subscriptions/{SUBSCRIPTION}"
        headers = {"Location": f"{base}/locations/{number}?api-version=1", "Retry-After": "10"}
        if self.style == "async":
            headers["Azure-AsyncOperation"] = f"{base}/operations/{number}?api-version=1"
        return web.Response(status=202, headers=headers)

    async def _poll(self, request: web.Request) -> web.Response:
        refused = await self._meet(request, "poll")
        operation = self._operations.get(request.match_info["id"])
        if refused or not operation:
            return refused or refusal(Fault(404, "OperationNotFound", "It is too long ago"))
        answer: dict[str, Any] = {"status": operation.status, "name": request.match_info["id"]}
        if operation.error:
            answer["error"] = operation.error
        return web.json_response(answer, headers={"Retry-After": "10"})

    async def _location(self, request: web.Request) -> web.Response:
        refused = await self._meet(request, "poll")
        operation = self._operations.get(request.match_info["id"])
        if refused or not operation:
            return refused or refusal(Fault(404, "OperationNotFound", "It is too long ago"))
        if operation.error:
            return web.json_response({"error": operation.error}, status=operation.error_status)
        return web.Response(status=202 if operation.status == "InProgress" else 200)
