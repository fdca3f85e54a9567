"""The HTTP application of one centre."""

from __future__ import annotations

from fastapi import FastAPI

from controller.api import (
    accounts,
    errors,
    it,
    join,
    lessons,
    oidc,
    operations,
    pages,
    screen,
    second_step,
    shares,
    tokens,
    whep,
    whip,
)
from controller.api.security import MOST_BODY_BYTES, Wrapping, check_routes
from controller.centre import Centre
from controller.sdp import MOST_SDP_BYTES

ROUTERS = tuple(
    module.router
    for module in (
        join,
        whep,
        whip,
        lessons,
        shares,
        screen,
        it,
        second_step,
        oidc,
        tokens,
        accounts,
        operations,
        pages,
    )
)


def create_app(centre: Centre) -> FastAPI:
    """Return the application; raise RuntimeError when a route declares no permission."""
    app = FastAPI(title="Estrade", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.centre = centre
    for router in ROUTERS:
        check_routes(router.routes)
        app.include_router(router)
    errors.install(app)
    app.add_middleware(Wrapping, body_limits=_body_limit)
    return app


def _body_limit(path: str) -> tuple[int, str]:
    """Return how many bytes a path takes, and the code for more."""
    if path.startswith(("/whep/", "/whip/")):
        return MOST_SDP_BYTES, "offer-too-large"
    if path.startswith("/api/v1/uploads/"):
        return shares.MOST_PART_BYTES, "body-too-large"
    return MOST_BODY_BYTES, "body-too-large"
