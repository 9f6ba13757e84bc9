"""Azure Resource Manager as the compute adapter uses it: azure-mgmt-compute, asked a little.

The only module that imports the management SDK.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

from azure.core.async_paging import AsyncPageIterator
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import AsyncRetryPolicy, SansIOHTTPPolicy
from azure.core.polling.base_polling import BadResponse, BadStatus
from azure.mgmt.compute.aio import ComputeManagementClient
from azure.mgmt.compute.models import VirtualMachine
from azure.mgmt.core.polling.async_arm_polling import AsyncARMPolling

from shared.fleet.azure_errors import compute_error
from shared.fleet.compute import ComputeError
from shared.platform import logs
from shared.platform.clock import Clock
from shared.platform.settings import Settings

_TIMES: dict[str, Any] = {"connection_timeout": 2, "read_timeout": 5}
_AGAIN: dict[str, Any] = {"retry_on_methods": frozenset({"GET", "POST"})}
"""Starting and deallocating may be asked twice: the second one changes nothing."""

_ONCE: dict[str, Any] = {"retry_total": 0}
"""A second restart would end the calls that came back after the first."""

PAGES = 100
"""Of the list of machines; more make no sense in one resource group."""


class ForeignHost(ValueError):
    """An answer of Resource Manager leads to another host."""


class EndlessList(ValueError):
    """The list has a page that leads back, or too many."""


class _OurHost(SansIOHTTPPolicy[Any, Any]):
    """Sends nothing, above all not our bearer token, to another host than Resource Manager's (or
    one of its regions), whatever a page's next link, an operation's address or a redirect says."""

    host = ""

    def on_request(self, request: PipelineRequest[Any]) -> None:
        asked = urlsplit(request.http_request.url).netloc.lower()
        if not re.fullmatch(rf"([a-z0-9-]+\.)*{re.escape(self.host)}", asked):
            raise ForeignHost(f"{asked} is not Azure Resource Manager")


class _OneMoreTry(AsyncRetryPolicy[Any, Any]):
    """After a fault of the network, or of the server when it does not say how long to wait. All
    other backoff is the reconciler's: its tick must not hang, and a 429 is never asked again."""

    def __init__(self) -> None:
        super().__init__(retry_total=1)

    def is_retry(self, settings: dict[str, Any], response: Any) -> bool:
        answer = response.http_response
        again = answer.status_code in (500, 502, 503, 504) and "Retry-After" not in answer.headers
        return again and settings["total"] > 0


@dataclass(frozen=True, slots=True)
class Followed:
    finished: bool
    failure: ComputeError | None = None


class _OnePoll(AsyncARMPolling):
    """Asks once, and keeps the answer."""

    answer: Any = None

    async def request_status(self, status_link: str) -> Any:
        pipelined = await super().request_status(status_link)
        self.answer = pipelined.http_response
        return pipelined


class Arm:
    """`options` go to `ComputeManagementClient`: `base_url`, policies.

    Besides `AzureError`, any error may come out of an answer that makes no sense: the SDK reads
    what it is sent without looking.
    """

    def __init__(self, settings: Settings, clock: Clock, credential: Any, **options: Any) -> None:
        self._clock = clock
        subscription = str(settings.azure_subscription)
        self._group = str(settings.azure_resource_group)
        ours = _OurHost()
        self._client = ComputeManagementClient(
            credential,
            subscription,
            **_TIMES,
            retry_policy=_OneMoreTry(),
            # Not per call: so it sees redirects too.
            per_retry_policies=[ours],
            **options,
        )
        self._vms = self._client.virtual_machines
        ours.host = urlsplit(self._client._config.base_url).netloc.lower()

    async def vms(self) -> list[VirtualMachine]:
        """All of them: a list without an end is an error, as half of it would look like machines
        that are gone."""
        pages = self._vms.list(self._group).by_page()
        found: list[VirtualMachine] = []
        links: set[str] = set()
        async for page in pages:
            found += [vm async for vm in page]
            link = cast(AsyncPageIterator[VirtualMachine], pages).continuation_token
            if link in links or len(links) == PAGES:
                raise EndlessList
            links |= {link} if link else set()
        return found

    async def statuses(self, name: str) -> list[tuple[str, str]]:
        view = await self._vms.instance_view(self._group, name)
        return [(each.code or "", each.message or "") for each in view.statuses or ()]

    async def begin(self, verb: str, name: str) -> str:
        """The continuation token of what was begun; empty when it is done already."""
        if verb == "start":
            poller = await self._vms.begin_start(self._group, name, **_AGAIN)
        elif verb == "deallocate":
            poller = await self._vms.begin_deallocate(self._group, name, **_AGAIN)
        else:
            poller = await self._vms.begin_restart(self._group, name, **_ONCE)
        return "" if poller.polling_method().finished() else poller.continuation_token()

    async def poll(self, token: str) -> Followed:
        """Asks once. Raises `HttpResponseError` when the operation can't be asked about."""
        method = _OnePoll()
        try:
            # Whatever was begun: what is followed is in the token.
            await self._vms.begin_start(
                self._group, "any", continuation_token=token, polling=method
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            return _lost(error)
        try:
            if not method.finished():
                await method.update_status()
        except ForeignHost as error:
            return _lost(error)
        except (BadStatus, BadResponse):
            return self._refused(method.answer)
        if method.status().lower() in ("failed", "canceled"):
            failure = compute_error(None, _json(method.answer), {}, self._clock.now())
            return Followed(True, failure)
        return Followed(method.finished())

    def _refused(self, answer: Any) -> Followed:
        """A 4xx is the operation's own end, where it tells no status in a body; unless it is about
        our asking."""
        status, error = answer.status_code, self.error(answer)
        about_asking = error.kind in ("auth", "not_found", "throttled") or status == 408
        if not 400 <= status < 500 or about_asking:
            raise HttpResponseError(response=answer)
        return Followed(True, error)

    def error(self, response: Any) -> ComputeError:
        status, headers = response.status_code, response.headers
        return compute_error(status, _json(response), headers, self._clock.now())

    async def close(self) -> None:
        await self._client.close()


def _lost(error: Exception) -> Followed:
    logs.event("compute.operation_lost", reason=str(error))
    return Followed(finished=True)


def _json(response: Any) -> Any:
    """None: it can't be read, because of its form, its charset or its depth."""
    try:
        return json.loads(response.text())
    except (ValueError, LookupError, RecursionError):
        return None
