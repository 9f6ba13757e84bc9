"""Asks an operation as the Functions host does, whoever the caller is."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import azure.functions as func
import pytest

import shared.bootstrap
from functions.door import OPERATIONS, Operation
from functions.refusals import refusals
from shared.platform.auth import LocalTokens
from tests.unit.functions.test_app import FUNCTIONS
from tests.world import World

HANDLERS = {f.get_function_name(): f.get_user_function() for f in FUNCTIONS}
BY_NAME = {op.name: op for op in OPERATIONS}


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: Mapping[str, str]
    media: str = ""

    @property
    def code(self) -> str:
        return str(self.body["code"])


class Door:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
        self.world = World(**settings)
        self.serve(monkeypatch)

    def serve(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """This world is the one whose services answer from now on."""
        monkeypatch.setattr(shared.bootstrap, "services", lambda: self.world.services)

    def token(self, who: str = "alice", tenant: str = "acme", *roles: str) -> str:
        tokens = LocalTokens(self.world.settings, self.world.clock)
        return tokens.issue(who, tenant, roles or ["user"])

    async def ask(
        self,
        name: str,
        body: Any = None,
        *,
        token: str | None = None,
        address: str = "10.0.0.1:5000",
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        **route: str,
    ) -> Answer:
        op = BY_NAME[name]
        token = self.token() if token is None else token
        sent = {"content-type": "application/json", "x-forwarded-for": f"6.6.6.6, {address}"}
        sent |= {"authorization": f"Bearer {token}"} if token else {}
        request = func.HttpRequest(
            op.method,
            f"http://localhost:7071/{path_of(op, route)}",
            headers={**sent, **(headers or {})},
            params=dict(params or {}),
            route_params=route,
            body=b"" if body is None else json.dumps(body).encode(),
        )
        response = await HANDLERS[name](request)
        text = response.get_body()
        parsed = json.loads(text) if text and "json" in response.mimetype else text or None
        headers = dict(response.headers.items())
        if response.mimetype == "application/problem+json":
            _documented(op, response.status_code, parsed["code"])
        return Answer(response.status_code, parsed, headers, response.mimetype)


def _documented(op: Operation, status: int, code: str) -> None:
    known = refusals(op).get(status, ())
    assert code in known, f"{op.name} answers {status} {code}: say so in its `problems`"


def path_of(op: Operation, route: Mapping[str, str]) -> str:
    return re.sub(r"{(\w+)[^}]*}", lambda found: route[found[1]], op.route)
