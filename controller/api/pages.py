"""The pages and their files, as they lie in the package ``web``: right types, ETags, and each page its own policy."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

import web
import web.csp
from controller.accounts.grants import Permission
from controller.api.security import guarded
from protocol.errors import EstradeError

router = APIRouter()

_ROOT = Path(next(iter(web.__path__))).resolve()
_FOLDERS = frozenset({"vendor", "lib", "pupil", "it", "shared", "screen", "i18n", "css"})
"""The panel is the agent's to serve."""
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".wav": "audio/wav",
    ".txt": "text/plain; charset=utf-8",
}
"""What is served; anything else in the folder (Python, licences, notes) is not."""


@lru_cache(maxsize=512)
def _read(path: Path, changed_ns: int) -> tuple[bytes, str]:
    """Return content and ETag; kept as long as the file is not changed."""
    data = path.read_bytes()
    return data, f'"{hashlib.sha256(data).hexdigest()[:32]}"'


def _file(path: Path, request: Request) -> Response:
    try:
        data, etag = _read(path, path.stat().st_mtime_ns)
    except OSError:
        raise EstradeError("there is nothing at this address", code="not-found") from None
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if path.suffix == ".html":
        headers["Content-Security-Policy"] = web.csp.policy(data.decode("utf-8"))
    if etag in {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}:
        return Response(status_code=304, headers=headers)
    headers["Content-Type"] = _TYPES[path.suffix]  # set here: Response would add a charset to text alone
    return Response(data, headers=headers)


@router.api_route("/", methods=["GET", "HEAD"], dependencies=[guarded(Permission.PUBLIC)])
@router.api_route("/j/{link}", methods=["GET", "HEAD"], dependencies=[guarded(Permission.PUBLIC)])
async def pupil_page(request: Request) -> Response:
    """The pupil's page; whether the link holds is found out by its script."""
    return _file(_ROOT / "pupil" / "index.html", request)


@router.api_route("/r/{share}", methods=["GET", "HEAD"], dependencies=[guarded(Permission.PUBLIC)])
async def shared_page(request: Request) -> Response:
    """The page of a recording; whether the link holds is found out by its script."""
    return _file(_ROOT / "shared" / "index.html", request)


@router.api_route("/screen", methods=["GET", "HEAD"], dependencies=[guarded(Permission.PUBLIC)])
async def screen_page(request: Request) -> Response:
    """The page from which a teacher's own computer shares its screen."""
    return _file(_ROOT / "screen" / "index.html", request)


@router.api_route("/it/", methods=["GET", "HEAD"], dependencies=[guarded(Permission.PUBLIC)])
async def it_page(request: Request) -> Response:
    return _file(_ROOT / "it" / "index.html", request)


@router.api_route("/it", methods=["GET", "HEAD"], dependencies=[guarded(Permission.PUBLIC)])
async def it_address() -> Response:
    return RedirectResponse("/it/", 308)


@router.api_route("/static/{path:path}", methods=["GET", "HEAD"], dependencies=[guarded(Permission.PUBLIC)])
async def static_file(path: str, request: Request) -> Response:
    """A file of a page."""
    wanted = (_ROOT / path).resolve() if "\0" not in path else _ROOT
    is_ours = wanted.is_relative_to(_ROOT) and wanted.relative_to(_ROOT).parts[:1]
    if not is_ours or wanted.relative_to(_ROOT).parts[0] not in _FOLDERS or wanted.suffix not in _TYPES:
        raise EstradeError("there is nothing at this address", code="not-found")
    return _file(wanted, request)
