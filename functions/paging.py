"""Lists are plain arrays; the next page is a Link header (design section 5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlencode

from pydantic import Field

from shared.platform.payload import Payload


class Paging(Payload):
    """`after` is opaque: take it from the Link header."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    after: Annotated[str, Field(max_length=200)] = ""


def next_link(url: str, query: Paging, cursor: str) -> Mapping[str, str]:
    """The header that names the next page (RFC 8288), or none on the last one."""
    if not cursor:
        return {}
    values = query.model_dump(mode="json", exclude_none=True) | {"after": cursor}
    path = "/" + url.split("?", 1)[0].split("://", 1)[-1].split("/", 1)[-1]
    return {"Link": f'<{path}?{urlencode(values)}>; rel="next"'}
