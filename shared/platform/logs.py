"""One JSON object per line: `{"time", "level", "event", "operation_id", …}`.

The JSON is the record's message, so lines stay structured in the Azure worker too, which forwards
`record.getMessage()` through its own handler.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import traceback
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, date, datetime
from typing import Any

from shared.platform.clock import iso

operation_id: ContextVar[str] = ContextVar("operation_id", default="")
"""The id of the request, message or timer run that is being served."""

REDACTED = "[redacted]"

_LOGGER = logging.getLogger("suroga")
_NOISY = ("azure", "aiohttp", "asyncio", "msal", "urllib3")
_RESERVED = frozenset({"time", "level", "event", "operation_id"})

_INCOMING = re.compile(r"[A-Za-z0-9-]{8,64}")
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_LIKE_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

_SECRET_WORDS = frozenset(
    {"authorization", "cookie", "credential", "jwt", "key", "passphrase", "passwd", "password"}
    | {"pin", "pwd", "secret", "signature", "token"}
)
_WORDS = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_SECRET_TEXTS = (
    (re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*"), REDACTED),
    (re.compile(r"suroga\.[\w-]*\.[\w-]*\.[\w-]+"), REDACTED),  # an API key
    (re.compile(r"(://)[^\s/@]+@"), rf"\1{REDACTED}@"),
    (re.compile(r"(?i)\b(Bearer|Basic|SharedKey(?:Lite)?) [\w.~+/:=-]{8,}"), rf"\1 {REDACTED}"),
    (re.compile(r"([?&](?:code|sig)=)[^\s&\"']+"), rf"\1{REDACTED}"),
    (
        re.compile(
            r"(?i)\b(AccountKey|SharedAccessKey|pin|\w*(?:password|secret|token))"
            r"([\"']?\s*[=:]\s*[\"']?)[^\s&;,\"']+"
        ),
        rf"\1\2{REDACTED}",
    ),
)


def new_operation(incoming: str | None = None) -> str:
    """Sets and returns the operation id: the caller's, or the trace-id of its W3C traceparent
    (https://www.w3.org/TR/trace-context/#traceparent-header), or else a fresh one."""
    value = os.urandom(16).hex()  # `uuid` takes 2 ms to import, at each cold start
    if incoming:
        if match := _TRACEPARENT.fullmatch(incoming):
            value = match[1]
        elif _INCOMING.fullmatch(incoming) and not _LIKE_TRACEPARENT.fullmatch(incoming):
            value = incoming
    operation_id.set(value)
    return value


def event(name: str, /, *, level: int = logging.INFO, **fields: Any) -> None:
    """Logs one line. A field whose name says that it is secret is written as `[redacted]`."""
    if _LOGGER.isEnabledFor(level):
        # Not as a format string: a % in the JSON is no placeholder because there are no args.
        _LOGGER.log(level, _line(name, level, datetime.now(UTC), fields))


def exception(name: str, error: BaseException, /, **fields: Any) -> None:
    """Logs one line at level ERROR with the error's type, message and traceback."""
    fields["error_type"] = type(error).__name__
    fields["error"] = str(error)
    fields["traceback"] = "".join(traceback.format_exception(error))
    event(name, level=logging.ERROR, **fields)


def configure(level: str | int = logging.INFO) -> None:
    """Sends every logger's lines to stdout in the same shape; calling it again replaces it.

    Not for the Azure worker, which has its own handler: there only the levels matter.
    """
    root = logging.getLogger()
    for handler in [h for h in root.handlers if isinstance(h, _JsonHandler)]:
        root.removeHandler(handler)
    root.addHandler(_JsonHandler(sys.stdout))
    set_levels(level)


def set_levels(level: str | int) -> None:
    """The level of our lines; the libraries' loggers say only warnings and worse."""
    root = logging.getLogger()
    root.setLevel(level)
    _LOGGER.setLevel(level)
    for noisy in _NOISY:
        logging.getLogger(noisy).setLevel(max(root.level, logging.WARNING))


class _JsonHandler(logging.StreamHandler[Any]):
    def format(self, record: logging.LogRecord) -> str:
        if record.name == _LOGGER.name:
            return record.getMessage()
        fields: dict[str, Any] = {"message": record.getMessage()}
        if record.exc_info and record.exc_info[1]:
            error = record.exc_info[1]
            fields["error_type"] = type(error).__name__
            fields["traceback"] = "".join(traceback.format_exception(error))
        moment = datetime.fromtimestamp(record.created, UTC)
        return _line(record.name, record.levelno, moment, fields)


def _line(name: str, level: int, moment: datetime, fields: Mapping[str, Any]) -> str:
    line: dict[str, Any] = {
        "time": iso(moment),
        "level": logging.getLevelName(level),
        "event": name,
        "operation_id": operation_id.get(),
    }
    for key, value in fields.items():
        line[f"{key}_" if key in _RESERVED else key] = _clean(key, value)
    return json.dumps(line, ensure_ascii=False, default=str)


def _clean(name: str, value: Any) -> Any:
    if is_secret(name):
        return REDACTED
    if isinstance(value, Mapping):
        return {str(key): _clean(str(key), item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_clean("", item) for item in value]
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return scrub(str(value))


def is_secret(name: str) -> bool:
    """Whether what has this name is never written down."""
    words = (word.lower() for word in _WORDS.findall(name))
    return any(word in _SECRET_WORDS or word.removesuffix("s") in _SECRET_WORDS for word in words)


def scrub(text: str) -> str:
    """Secrets that errors and libraries quote: JWTs, credentials in URLs, connection strings."""
    for pattern, replacement in _SECRET_TEXTS:
        text = pattern.sub(replacement, text)
    return text
