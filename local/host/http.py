"""Every HTTP request: the host's own endpoints, preflights, and the functions'."""

from __future__ import annotations

import logging
import re
import time
from typing import TYPE_CHECKING

from aiohttp import web

from local.host.bindings import Request, Response
from local.host.invoke import Invoker, milliseconds, new_id
from local.host.keys import HEADER, PARAMETER
from local.host.routes import BadPath, Route, Routes
from shared.platform import logs

if TYPE_CHECKING:
    from local.host.admin import Admin
    from local.host.cors import Cors
    from local.host.keys import Keys

MAX_BODY = 100 * 1024 * 1024
"""https://learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook-trigger#limits"""

QUIET = ("/assets/", "/health", "/favicon", "/admin/host/status")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")

OWN = frozenset({"content-length", "transfer-encoding", "connection"})
"""Headers that the server writes itself."""

HOMEPAGE = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>Functions host</title>"
    "<p>Your Functions app is up and running.</p></html>"
)


class Door:
    def __init__(
        self,
        routes: Routes,
        invoker: Invoker,
        admin: Admin,
        cors: Cors,
        keys: Keys | None,
        *,
        homepage: bool,
    ) -> None:
        """No keys: they are not checked."""
        self._routes = routes
        self._invoker = invoker
        self._admin = admin
        self._cors = cors
        self._keys = keys
        self._homepage = homepage

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        logs.new_operation()
        began = time.perf_counter()
        path = request.rel_url.raw_path or "/"
        told: dict[str, str] = {}
        response = await self._answer(request, path, told)
        self._cors.add(response.headers, request.headers.get("Origin", ""))
        response.headers["Server"] = "local"
        quiet = response.status < 400 and path.startswith(QUIET)
        logs.event(
            "http.request",
            level=logging.DEBUG if quiet else logging.INFO,
            **told,
            method=request.method,
            path=path,
            status=response.status,
            ms=milliseconds(began),
        )
        return response

    async def _answer(
        self, request: web.BaseRequest, path: str, told: dict[str, str]
    ) -> web.Response:
        """`told` gets what only this knows of the request's line in the log."""
        if self._cors.is_preflight(request.method, request.headers):
            return web.Response(status=204, headers=self._cors.preflight(request.headers))
        if path.lower().startswith("/admin/"):
            if self._keys and not self._keys.allow("admin", _key(request)):
                return web.Response(status=401)
            return await self._admin.answer(request, path)
        try:
            found = self._routes.find(request.method, path)
        except BadPath:
            return web.Response(status=400)
        if not found:
            return self._nothing(path)
        told |= {"function": found[0].function.name, "invocation_id": new_id()}
        return await self._serve(request, *found, told["invocation_id"])

    def _nothing(self, path: str) -> web.Response:
        """https://github.com/Azure/azure-functions-host/blob/dev/src/WebJobs.Script.WebHost/Middleware/HomepageMiddleware.cs"""
        if path != "/":
            return web.Response(status=404)
        if not self._homepage:
            return web.Response(status=204)
        return web.Response(text=HOMEPAGE, content_type="text/html")

    async def _serve(
        self, request: web.BaseRequest, route: Route, values: dict[str, str], invocation: str
    ) -> web.Response:
        if self._keys and not self._keys.allow(route.level, _key(request)):
            return web.Response(status=401)
        if (request.content_length or 0) > MAX_BODY:
            return web.Response(status=413)  # before the client has sent it all
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return web.Response(status=413)
        seen, function = _seen(request, values, body), route.function
        try:
            return _built(await self._invoker.http(function, invocation, seen))
        except Exception as error:
            fields = {"function": function.name, "invocation_id": invocation}
            logs.exception("function.failed", error, **fields)
            return web.Response(status=500)


def _key(request: web.BaseRequest) -> str | None:
    """The header goes before the parameter."""
    return request.headers.get(HEADER) or request.query.get(PARAMETER)


def _seen(request: web.BaseRequest, values: dict[str, str], body: bytes) -> Request:
    """The request as a function sees it behind the platform's front end."""
    headers = list(request.headers.items())
    if peer := _peer(request):
        headers.append(("X-Forwarded-For", peer))
    query = request.rel_url.raw_query_string
    url = f"{request.scheme}://{request.host}{request.rel_url.raw_path}"
    return Request(
        method=request.method,
        url=f"{url}?{query}" if query else url,
        headers=headers,
        query=query,
        route=values,
        body=body,
    )


def _peer(request: web.BaseRequest) -> str:
    """`address:port`: the front end appends its own peer to what the client sent."""
    name = request.transport.get_extra_info("peername") if request.transport else None
    if not name:
        return ""
    address, port = name[:2]
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _built(response: Response) -> web.Response:
    """Raises ValueError for the headers that Kestrel refuses; its answer is a 500 as well.

    https://learn.microsoft.com/dotnet/api/microsoft.aspnetcore.server.kestrel.core.kestrelserveroptions.responseheaderencodingselector
    """
    built = web.Response(status=response.status, body=response.body)
    built.headers.clear()
    for name, value in response.headers:
        if not (_NAME.fullmatch(name) and _VALUE.fullmatch(value)):
            raise ValueError(f"the header {name!r} has a letter that HTTP does not take")
        if name.lower() not in OWN:
            built.headers.add(name, value)
    return built
