"""`/openapi.json`; the page that shows it is in `pages`."""

from __future__ import annotations

import json
from datetime import date, timedelta
from functools import lru_cache

import azure.functions as func

from functions.answers import hardened
from functions.door import OPERATIONS
from shared.platform.clock import SystemClock

bp = func.Blueprint()


@lru_cache(maxsize=1)
def _document(day: date | None = None) -> bytes:
    """The examples are of that day; of a fixed one for whoever keeps the document."""
    from functions.examples import DAY
    from functions.openapi import document

    return json.dumps(document(OPERATIONS, day or DAY), ensure_ascii=False).encode()


@bp.route("openapi.json", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def openapi_json(req: func.HttpRequest) -> func.HttpResponse:
    # Its examples are of tomorrow: who tries them books.
    tomorrow = SystemClock().now().date() + timedelta(days=1)
    return func.HttpResponse(_document(tomorrow), headers=hardened(), mimetype="application/json")
