"""The pages that people see, and their assets: files of `web/dist`, built by Vite."""

from __future__ import annotations

import mimetypes
from pathlib import Path

import azure.functions as func

from functions.answers import HEADERS, hardened
from shared.platform.i18n import MESSAGES, language

bp = func.Blueprint()

DIST = Path(__file__).resolve().parent.parent / "web" / "dist"

# Each machine's Janus has an address of its own, by WebSocket and by HTTP.
POLICY = (
    "default-src 'self'; connect-src 'self' ws: wss: http: https:; media-src 'self' blob:; "
    "img-src 'self' data:; style-src 'self'{styles}; script-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
DOCS = {
    **HEADERS,
    "Content-Security-Policy": POLICY.format(styles=" 'unsafe-inline'"),
    "Cross-Origin-Opener-Policy": "same-origin",
}
PAGE = {
    **DOCS,
    "Content-Security-Policy": POLICY.format(styles=""),
    "Permissions-Policy": (
        "camera=(self), display-capture=(self), geolocation=(), microphone=(self)"
    ),
}
ASSET = {**HEADERS, "Cache-Control": "public, max-age=31536000, immutable"}


def _ours(path: Path) -> bool:
    """A file that stands where its name says: nothing is reached by `..` or a link."""
    return path.is_file() and path.resolve() == path


def _file(req: func.HttpRequest, path: Path, headers: dict[str, str]) -> func.HttpResponse:
    if len(path.name) > 255 or len(path.parts) > 40 or not _ours(path):
        detail = MESSAGES["not_found"].text(language(req.headers.get("accept-language")), {})
        return func.HttpResponse(detail, status_code=404, headers=hardened(), mimetype="text/plain")
    media = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return func.HttpResponse(path.read_bytes(), headers=hardened(headers), mimetype=media)


# An empty route does not serve the root in Azure; this one does (design section 4).
@bp.route("{ignored:maxlength(0)?}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def home_page(req: func.HttpRequest) -> func.HttpResponse:
    return _file(req, DIST / "index.html", PAGE)


@bp.route("call", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def call_page(req: func.HttpRequest) -> func.HttpResponse:
    return _file(req, DIST / "index.html", PAGE)


@bp.route("docs", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def docs_page(req: func.HttpRequest) -> func.HttpResponse:
    return _file(req, DIST / "docs.html", DOCS)


@bp.route("assets/{*path}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def assets(req: func.HttpRequest) -> func.HttpResponse:
    return _file(req, DIST / "assets" / req.route_params.get("path", ""), ASSET)
