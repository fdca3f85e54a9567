"""Files that rooms hand over: taken by tus 1.0.0 (its core: HEAD and PATCH), given out to whoever has the link.

What is given out is sealed; the page behind ``/r/{id}`` opens it with the key that stands in the link's fragment.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, Response

from controller.accounts.grants import Permission
from controller.api.security import bearer, centre_of, guarded
from protocol.errors import EstradeError

router = APIRouter()

MOST_PART_BYTES = 131_072
"""Of one PATCH: what a proxy lets through (`deploy/proxy`), and a second at 1 Mb/s."""
_TYPE = "application/offset+octet-stream"
_TUS = {"Tus-Resumable": "1.0.0", "Cache-Control": "no-store"}


@router.api_route("/api/v1/uploads/{share}", methods=["HEAD"], dependencies=[guarded(Permission.UPLOAD)])
async def offset(share: str, request: Request) -> Response:
    """Say where the upload goes on."""
    have, size = await centre_of(request).shares.offset(share, bearer(request))
    return Response(headers={**_TUS, "Upload-Offset": str(have), "Upload-Length": str(size)})


@router.patch("/api/v1/uploads/{share}", dependencies=[guarded(Permission.UPLOAD)])
async def append(share: str, request: Request) -> Response:
    """Take a part."""
    if request.headers.get("content-type", "") != _TYPE:
        raise EstradeError(f"send {_TYPE}", code="unsupported-media-type")
    place = request.headers.get("upload-offset", "")
    if not place.isdecimal() or len(place) > 18:
        raise EstradeError("Upload-Offset has to be a number", code="body-invalid")
    have = await centre_of(request).shares.append(share, bearer(request), int(place), request.stream())
    return Response(status_code=204, headers={**_TUS, "Upload-Offset": str(have)})


@router.api_route("/api/v1/shared/{share}", methods=["GET", "HEAD"], dependencies=[guarded(Permission.PUBLIC)])
async def shared(share: str, request: Request) -> Response:
    """Give a whole file out, sealed as it is."""
    path = await centre_of(request).shares.whole(share)
    return FileResponse(path, media_type="application/octet-stream", headers={"Cache-Control": "no-store"})
