"""What an error of Azure Resource Manager means: `ComputeError`'s kinds.

Its body is `{"error": {"code", "message", "details": [{"code", "message"}, …]}}`, of some services
without the outer `error`; the cause is often only in the details.
https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from shared.fleet.compute import ComputeError

WAIT_UNASKED = timedelta(minutes=1)
"""How long we keep still when we are told to, but not how long."""

LONGEST_WAIT = timedelta(minutes=15)
"""However long we are told to: an hour without a machine is worse than being told off once more."""

LONGEST = 400
"""Characters of a message."""

_MS_HEADER = "x-ms-retry-after-ms"

_KINDS = {
    "allocation_failed": (
        "allocationfailed",
        "zonalallocationfailed",
        "overconstrainedallocationrequest",
        "overconstrainedzonalallocationrequest",
        "spotallocationfailed",
    ),
    "sku_not_available": ("skunotavailable", "notavailableforsubscription"),
    "quota_exceeded": ("quotaexceeded", "resourcequotaexceeded", "resourcecountexceeded"),
    "throttled": ("toomanyrequests", "subscriptionrequeststhrottled", "requestrateexceeded"),
    "auth": (
        "authorizationfailed",
        "authenticationfailed",
        "linkedauthorizationfailed",
        "invalidauthenticationtoken",
        "expiredauthenticationtoken",
        "scopelocked",
        "readonlydisabledsubscription",
        "requestdisallowedbypolicy",
    ),
    "not_found": (
        "notfound",
        "resourcenotfound",
        "resourcegroupnotfound",
        "subscriptionnotfound",
        "invalidsubscriptionid",
    ),
    "conflict": (
        "conflict",
        "anotheroperationinprogress",
        "operationpreempted",
        "propertychangenotallowed",
        "retryableerror",
    ),
}
_KIND_OF = {code: kind for kind, codes in _KINDS.items() for code in codes}
_BY_STATUS = {
    401: "auth",
    403: "auth",
    404: "not_found",
    410: "not_found",
    409: "conflict",
    429: "throttled",
}


def compute_error(
    status: int | None, body: Any, headers: Mapping[str, str], now: datetime
) -> ComputeError:
    """`status` is None for an operation that was accepted and failed later; `body` is the JSON or
    None; `headers` ignore the case of names."""
    faults = list(_faults(body))
    kind = _kind(status, faults)
    code, message = next(
        ((code, text) for code, text in faults if _KIND_OF.get(code.lower()) == kind),
        faults[0] if faults else ("", ""),
    )
    said = ": ".join(part for part in (code, message) if part) or f"Azure answered {status}"
    if kind == "throttled":
        said += _used_up(headers)
        return ComputeError(kind, brief(said), _wait(headers, now))
    return ComputeError(kind, brief(said))


def brief(text: str) -> str:
    """In one line that is not too long for a row, an event or a page."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def _kind(status: int | None, faults: list[tuple[str, str]]) -> str:
    if status == 429:
        return "throttled"
    # The innermost code is the cause, those around it say that something failed.
    for code, message in reversed(faults):
        if code.lower() == "operationnotallowed":
            # One code for «no cores left» and for «not now».
            return "quota_exceeded" if "quota" in message.lower() else "conflict"
        if code.lower() in _KIND_OF:
            return _KIND_OF[code.lower()]
    return _BY_STATUS.get(status or 0, "failed")


def _faults(body: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(body, Mapping):
        return
    error = body.get("error", body)
    if not isinstance(error, Mapping):
        return
    if error.get("code"):
        yield str(error["code"]), str(error.get("message") or "")
    details = error.get("details")
    for inner in details if isinstance(details, list) else ():
        yield from _faults(inner)


def _wait(headers: Mapping[str, str], now: datetime) -> timedelta:
    """Retry-After: seconds or a date; some services tell milliseconds in headers of their own.
    One that can't be read is none."""
    for name, unit in (("Retry-After", 1.0), ("retry-after-ms", 0.001), (_MS_HEADER, 0.001)):
        text = headers.get(name, "")
        try:
            wait = timedelta(seconds=min(float(text) * unit, LONGEST_WAIT.total_seconds()))
        except (ValueError, OverflowError):  # OverflowError: minus infinity
            wait = _until(text, now)
        if wait > timedelta(0):
            return min(max(wait, timedelta(seconds=1)), LONGEST_WAIT)
    return WAIT_UNASKED


def _until(date: str, now: datetime) -> timedelta:
    try:
        return parsedate_to_datetime(date) - now
    except (ValueError, TypeError, OverflowError):  # TypeError: a date without a zone
        return timedelta(0)


def _used_up(headers: Mapping[str, str]) -> str:
    """Which of the budgets is used up: of the subscription (x-ms-ratelimit-remaining-subscription-
    reads: 0), or of the compute service (x-ms-ratelimit-remaining-resource: a;0,b;17)."""
    spent: list[str] = []
    for name, value in headers.items():
        budget = name.lower().removeprefix("x-ms-ratelimit-remaining-")
        if budget == "resource":
            pairs = (part.strip().partition(";") for part in value.split(","))
            spent += [policy for policy, _, left in pairs if left.strip() == "0"]
        elif budget != name.lower() and value.strip() == "0":
            spent.append(budget)
    return f" (used up: {', '.join(spent)})" if spent else ""
