"""For those who watch the watcher: ``/healthz``, ``/readyz``, ``/metrics``."""

from __future__ import annotations

import json

from fastapi import APIRouter, Request
from starlette.responses import Response

from controller.accounts.grants import Permission
from controller.api.security import centre_of, guarded
from controller.centre import parts

router = APIRouter()


@router.get("/healthz", dependencies=[guarded(Permission.PUBLIC)])
async def healthz() -> Response:
    """The process turns."""
    return Response("ok\n", media_type="text/plain", headers={"Cache-Control": "no-store"})


@router.get("/readyz", dependencies=[guarded(Permission.PUBLIC)])
async def readyz(request: Request) -> Response:
    """200 when both connections to the broker and the database are there, else 503; which of them is said."""
    found = await parts(centre_of(request))
    status = 200 if all(found.values()) else 503
    return Response(json.dumps(found), status, {"Cache-Control": "no-store"}, "application/json")


@router.get("/metrics", dependencies=[guarded(Permission.METRICS)])
async def metrics(request: Request) -> Response:
    """Numbers for Prometheus, with the token of the configuration as Bearer."""
    return Response(centre_of(request).metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
