"""A link as a picture that phones read."""

from __future__ import annotations

import io

import segno
from starlette.responses import Response


def qr_code(link: str) -> Response:
    """Return a link as an SVG, dark on light whatever the page's colours: not every phone reads an inverted one."""
    out = io.BytesIO()
    segno.make(link, error="m").save(out, kind="svg", scale=8, border=4, dark="#14213d", light="#ffffff")
    return Response(out.getvalue(), media_type="image/svg+xml", headers={"cache-control": "no-store"})
