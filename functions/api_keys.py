"""`/api/v1/api-keys`: bearer tokens for a tenant's servers. Without `scope`: no API key makes or
revokes another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import azure.functions as func

from functions.door import Call, Reply, operation
from functions.paging import Paging, next_link
from shared.platform import logs
from shared.tenants.models import ApiKeyCreate, ApiKeyCreated, ApiKeyView

if TYPE_CHECKING:
    from shared.platform.api_keys import ApiKey
    from shared.tenants.api_keys import Issued

bp = func.Blueprint()

ALL = "api/v1/api-keys"


@operation(
    bp,
    "POST",
    ALL,
    summary="Make an API key; its token is shown this once (admins)",
    tag="api keys",
    status=201,
    answer=ApiKeyCreated,
    body=ApiKeyCreate,
    problems={403: ("admin_only",)},
    keyed=True,
)
async def api_keys_create(call: Call[ApiKeyCreate]) -> Reply:
    def answer(issued: Issued) -> Reply:
        body = ApiKeyCreated(**_fields(issued.key), token=issued.token)
        return Reply(201, body, {"Location": f"/{ALL}/{issued.key.key_id}"})

    keys = call.services.api_keys
    return answer(await keys.create(call.caller, call.body, call.address, call.once(answer)))


@operation(
    bp,
    "GET",
    ALL,
    summary="List the tenant's API keys, the oldest first (admins)",
    tag="api keys",
    answer=list[ApiKeyView],
    query=Paging,
    problems={403: ("admin_only",)},
)
async def api_keys_list(call: Call[None]) -> Reply:
    query = call.query(Paging)
    page = await call.services.api_keys.list(call.caller, query.after, query.limit)
    views = [ApiKeyView(**_fields(key)) for key in page.items]
    return Reply(200, views, next_link(call.request.url, query, page.next))


@operation(
    bp,
    "DELETE",
    f"{ALL}/{{key_id}}",
    summary="Revoke an API key at once (admins)",
    tag="api keys",
    status=204,
    problems={403: ("admin_only",), 404: ("api_key_not_found",)},
)
async def api_keys_revoke(call: Call[None]) -> Reply:
    key_id = call.request.route_params["key_id"]
    await call.services.api_keys.revoke(call.caller, key_id, call.address)
    return Reply(204)


@bp.timer_trigger("timer", "0 45 3 * * *")
async def api_keys_tidy(timer: func.TimerRequest) -> None:
    from shared.bootstrap import services

    logs.new_operation()
    await services().api_keys.tidy()


def _fields(key: ApiKey) -> dict[str, object]:
    return {name: getattr(key, name) for name in ApiKeyView.model_fields}
