"""`/api/v1/reports`: what was used and what it costs (webrtc-streaming.md 1.3, 7.5), and the timer
of the reports that come by themselves."""

from __future__ import annotations

import asyncio
from typing import Annotated

import azure.functions as func
from pydantic import Field

from functions.door import Call, Reply, operation
from shared.platform import logs
from shared.platform.payload import Payload, Utc, Written
from shared.reports.models import By, Summary, Usage

bp = func.Blueprint()

USAGE = "api/v1/reports/usage"
CSV = "text/csv"
REFUSED = {403: ("admin_only",), 404: ("not_found",)}

Tenant = Annotated[str, Field(min_length=1, max_length=200)]

Month = Annotated[str, Written(r"^20[0-9]{2}-(0[1-9]|1[0-2])$", "should be a month like 2026-10")]


class UsageQuery(Payload):
    """`month` is this one by default; `tenant`, for operators, all of them."""

    month: Month | None = None
    tenant: Tenant | None = None


class SummaryQuery(Payload):
    """[from, to), by default the last 12 weeks or months until now."""

    since: Annotated[Utc | None, Field(alias="from")] = None
    to: Utc | None = None
    by: By = "week"
    tenant: Tenant | None = None


@operation(
    bp,
    "GET",
    USAGE,
    summary="A month's calls, machine time and cost by tenant and booking (admins, operators)",
    tag="reports",
    answer=Usage,
    query=UsageQuery,
    problems=REFUSED,
    scope="reports:read",
    any_role=True,
    media=(CSV,),
)
async def reports_usage(call: Call[None]) -> Reply:
    return await _usage(call, csv=_prefers_csv(call.request.headers.get("accept", "")))


@operation(
    bp,
    "GET",
    f"{USAGE}.csv",
    summary="The same as a file for spreadsheets",
    tag="reports",
    query=UsageQuery,
    problems=REFUSED,
    scope="reports:read",
    any_role=True,
    media=(CSV,),
)
async def reports_usage_csv(call: Call[None]) -> Reply:
    return await _usage(call, csv=True)


async def _usage(call: Call[None], *, csv: bool) -> Reply:
    query = call.query(UsageQuery)
    usage = await call.services.reports.usage(call.caller, query.month, query.tenant)
    if not csv:
        # In a thread, and not by the door: there may be thousands of bookings.
        body = await asyncio.to_thread(usage.model_dump_json, exclude_none=True)
        headers = {"Content-Type": "application/json", "Vary": "Accept"}
        return Reply(200, body.encode(), headers)
    from shared.reports.csv_file import usage_csv

    name = f'attachment; filename="usage-{usage.month}.csv"'
    headers = {"Content-Type": CSV, "Content-Disposition": name, "Vary": "Accept"}
    return Reply(200, await asyncio.to_thread(usage_csv, usage), headers)


def _prefers_csv(accept: str) -> bool:
    """Whether the header names CSV, and JSON not before it (RFC 9110, 12.5.1)."""
    ranks = {"application/json": 0.0, CSV: 0.0}
    for part in accept.lower().split(","):
        media, _, parameters = part.strip().partition(";")
        _, _, quality = parameters.partition("q=")
        if media.strip() in ranks:
            ranks[media.strip()] = _quality(quality.strip())
    return ranks[CSV] > ranks["application/json"]


def _quality(text: str) -> float:
    try:
        return float(text or 1)
    except ValueError:
        return 0.0


@operation(
    bp,
    "GET",
    "api/v1/reports/summary",
    summary="Calls, peaks, machine time and cost by week or month, and by region",
    tag="reports",
    answer=Summary,
    query=SummaryQuery,
    problems=REFUSED,
    scope="reports:read",
    any_role=True,
)
async def reports_summary(call: Call[None]) -> Reply:
    query, reports = call.query(SummaryQuery), call.services.reports
    return Reply(
        200, await reports.summary(call.caller, query.since, query.to, query.by, query.tenant)
    )


@bp.timer_trigger("timer", "0 5 * * * *")
async def reports_tick(timer: func.TimerRequest) -> None:
    from shared.bootstrap import services

    logs.new_operation()
    await services().bulletins.run()
