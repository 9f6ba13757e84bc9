"""Values in and out of a function, through azure.functions' own converters.

What the real host sends is mirrored here, not what would be nicest: see `ToRpcHttp` in
https://github.com/Azure/azure-functions-host/blob/dev/src/WebJobs.Script.Grpc/MessageExtensions/GrpcMessageConversionExtensions.cs
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qsl

from azure.functions.meta import Datum, get_binding_registry

from local.host.functions import Trigger
from local.host.queues import QueueMessage

GENERIC = "generic"
TEXT_PLAIN = "text/plain; charset=utf-8"


@dataclass(frozen=True)
class Request:
    """An HTTP request as it came, decoded no further than Kestrel does."""

    method: str
    url: str
    headers: Iterable[tuple[str, str]]
    query: str
    route: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Response:
    status: int
    headers: list[tuple[str, str]]
    body: bytes


def request_datum(request: Request) -> Datum:
    return Datum(
        {
            "method": Datum(request.method, "string"),
            "url": Datum(request.url, "string"),
            "headers": _strings(_joined(request.headers)),
            "query": _strings({k: v for k, v in _joined(_query(request.query)).items() if v}),
            "params": _strings(request.route),
            "body": Datum(request.body, "bytes"),
        },
        "http",
    )


def message_datum(message: QueueMessage, binary: bool) -> Datum:
    """A string or bytes, never json: a body that is JSON stays the text that was sent."""
    if not binary:
        try:
            return Datum(message.body.decode(), "string")
        except UnicodeDecodeError:
            pass
    return Datum(message.body, "bytes")


def message_metadata(message: QueueMessage) -> dict[str, Datum]:
    times = {
        "InsertionTime": message.insertion_time,
        "ExpirationTime": message.expiration_time,
        "NextVisibleTime": message.next_visible_time,
    }
    return {
        "Id": Datum(message.id, "string"),
        "PopReceipt": Datum(message.pop_receipt, "string"),
        "DequeueCount": Datum(message.dequeue_count, "int"),
        **{name: Datum(time.isoformat(), "string") for name, time in times.items() if time},
    }


def timer_datum(text: str) -> Datum:
    return Datum(text, "json")


def decode(trigger: Trigger, datum: Datum, metadata: Mapping[str, Datum]) -> Any:
    """The handler's argument. A parameter annotated `str` or `bytes` gets the bare value."""
    if trigger.converter == GENERIC:
        if datum.type not in ("string", "bytes", "json"):
            raise TypeError(f"a {trigger.type} cannot be had as a bare value")
        return datum.value
    converter: Any = get_binding_registry().get(trigger.converter)
    return converter.decode(datum, trigger_metadata=metadata)


def encode_response(value: Any) -> Response:
    """Raises TypeError for what the real worker refuses: None, bytes, a dict, …"""
    converter: Any = get_binding_registry().get("http")
    try:
        datum = converter.encode(value, expected_type=None)
    except NotImplementedError:
        raise TypeError(f"an HTTP function cannot return {type(value).__name__}") from None
    if datum.type == "string":
        return Response(200, [("Content-Type", TEXT_PLAIN)], datum.value.encode())
    fields = datum.value
    headers = {name.lower(): (name, header.value) for name, header in fields["headers"].items()}
    return Response(
        int(fields["status_code"].value),
        [*headers.values(), *_cookies(fields["cookies"] or [])],
        fields["body"].value,
    )


def accepts(converter: str, annotation: Any) -> bool:
    """Whether the trigger's parameter may be annotated so; wrong ones stop the real worker."""
    known: Any = get_binding_registry().get(converter)
    return isinstance(annotation, type) and bool(known.check_input_type_annotation(annotation))


def may_return(annotation: Any) -> bool:
    """Whether an HTTP function may be annotated so; wrong ones stop the real worker too."""
    known: Any = get_binding_registry().get("http")
    return isinstance(annotation, type) and bool(known.check_output_type_annotation(annotation))


def _cookies(cookies: list[SimpleCookie]) -> list[tuple[str, str]]:
    return [("Set-Cookie", m.OutputString()) for cookie in cookies for m in cookie.values()]


def _strings(values: Mapping[str, str]) -> dict[str, Datum]:
    return {name: Datum(value, "string") for name, value in values.items()}


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """ASP.NET's collections: names differ by more than case, values of one name get a comma."""
    names: dict[str, str] = {}
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(names.setdefault(name.lower(), name), []).append(value)
    return {name: ",".join(found) for name, found in values.items()}


def _query(text: str) -> list[tuple[str, str]]:
    return parse_qsl(text, keep_blank_values=True, errors="replace")
