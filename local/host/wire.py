"""What goes wrong on a connection before there is a request, or after its client has gone.

The web server tells of it with a traceback and quotes what was sent, query string and headers
included. Neither is our error, and what was sent is not ours to write down.
"""

from __future__ import annotations

import logging

from aiohttp.http_exceptions import HttpProcessingError

from shared.platform import logs


class WireFilter(logging.Filter):
    """For the logger `aiohttp.server`: one line of ours, without the text, in place of its own."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            logs.event("http.malformed", reason=type(error).__name__)
            return False
        if isinstance(error, ConnectionError):
            logs.event("http.cut", level=logging.DEBUG)
            return False
        return True


def install() -> None:
    logger = logging.getLogger("aiohttp.server")
    if not any(isinstance(known, WireFilter) for known in logger.filters):
        logger.addFilter(WireFilter())
