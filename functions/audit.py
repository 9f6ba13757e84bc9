"""`/api/v1/audit`: who did what, when, from which address (webrtc-streaming.md 7.7)."""

from __future__ import annotations

from typing import Annotated, Literal

import azure.functions as func
from pydantic import Field

from functions.door import Call, Reply, operation
from functions.paging import Paging, next_link
from shared.audit.models import CURSOR, AuditEntry
from shared.platform import logs
from shared.platform.payload import Utc

bp = func.Blueprint()

Text = Annotated[str, Field(min_length=1, max_length=300)]


class AuditQuery(Paging):
    """`since` is 24 hours before `until` by default, and `until` is now; 90 days at most."""

    after: Annotated[str, Field(pattern=CURSOR)] = ""
    since: Utc | None = None
    until: Utc | None = None
    actor: Text | None = None
    action: Text | None = None
    subject: Text | None = None
    scope: Literal["platform"] | None = None


@operation(
    bp,
    "GET",
    "api/v1/audit",
    summary="List who did what, the newest first (admins)",
    tag="audit",
    answer=list[AuditEntry],
    query=AuditQuery,
    problems={403: ("admin_only", "operator_only")},
    scope="audit:read",
    any_role=True,
)
async def audit_list(call: Call[None]) -> Reply:
    trail, query = call.services.audit, call.query(AuditQuery)
    equal = {"actor": query.actor, "action": query.action, "subject": query.subject}
    wanted = trail.wanted(query.since, query.until, equal)
    entries, cursor = await trail.page(
        call.caller, wanted, query.after, query.limit, platform=query.scope == "platform"
    )
    # The next pages are of the same interval, whenever they are asked for.
    again = query.model_copy(update={"since": wanted.since, "until": wanted.until})
    return Reply(200, entries, next_link(call.request.url, again, cursor))


@bp.timer_trigger("timer", "0 30 3 * * *")
async def audit_purge(timer: func.TimerRequest) -> None:
    from shared.bootstrap import services

    logs.new_operation()
    await services().audit.purge()
