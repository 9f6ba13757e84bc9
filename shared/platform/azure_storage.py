"""What both storage adapters share: client options, credentials, and what an error means."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from azure.core.exceptions import (
    DecodeError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.identity.aio import DefaultAzureCredential

from shared.platform.tables import Conflict, StorageUnavailable

CALL_SECONDS = 10.0
"""The longest that any call waits, with all its retries; of a list, each page."""

CLIENT_OPTIONS: dict[str, Any] = {
    "connection_timeout": 1,
    "read_timeout": 5,
    "retry_total": 2,
    "retry_backoff_factor": 0.1,
    "retry_backoff_max": 1,
    "logging_enable": False,
}
"""azure-core's names. Its policy for tables sends a GET again after any fault, but a POST (every
transaction) only after a 500, 503 or 504."""

_BUSY = frozenset({408, 429})


def credential() -> DefaultAzureCredential:
    """The managed identity in Azure, the developer's own sign-in elsewhere."""
    return DefaultAzureCredential(exclude_interactive_browser_credential=True)


@asynccontextmanager
async def answers(seconds: float, conflicts: frozenset[int] = frozenset()) -> AsyncIterator[None]:
    """Bounds what is inside to `seconds`; says `Conflict` for the HTTP statuses in `conflicts` and
    `StorageUnavailable` for what may pass. Any other error is a bug and goes through."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise StorageUnavailable(f"The storage did not answer within {seconds:g} s") from error
    except HttpResponseError as error:
        status = error.status_code
        if isinstance(error, DecodeError) or status is None or status >= 500 or status in _BUSY:
            raise StorageUnavailable(f"The storage answered {status}: {_why(error)}") from error
        if status in conflicts:
            raise Conflict(_why(error)) from error
        raise
    except (ServiceRequestError, ServiceResponseError) as error:
        raise StorageUnavailable(f"The storage is out of reach: {error}") from error


def _why(error: HttpResponseError) -> str:
    return str(getattr(error, "error_code", None) or error.reason or error.message)
