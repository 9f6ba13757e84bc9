"""`/openapi.json`; the page that shows it is in `pages`."""

from __future__ import annotations

import json
from functools import cache

import azure.functions as func

from functions.answers import hardened
from functions.door import OPERATIONS

bp = func.Blueprint()


@cache
def _document() -> bytes:
    from functions.openapi import document

    return json.dumps(document(OPERATIONS), ensure_ascii=False).encode()


@bp.route("openapi.json", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def openapi_json(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(_document(), headers=hardened(), mimetype="application/json")
