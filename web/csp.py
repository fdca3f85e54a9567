"""The Content-Security-Policy of a page, computed from the page itself; shared by the controller and the panel."""

from __future__ import annotations

import base64
import hashlib
import re

_IMPORT_MAP = re.compile(r"""<script\s+type=["']importmap["']\s*>(.*?)</script>""", re.DOTALL | re.IGNORECASE)


def policy(html: str) -> str:
    """Return the policy for ``html``: everything from our own address, nothing inline except its import map.

    The hash covers the exact text between the tags (CSP3 §8.1), so it must be computed from what is served.
    ``blob:`` is for pictures fetched by the panel and for the sound that a pupil tries; media of a WebRTC connection
    are not subject to the policy.
    """
    hashes = [
        "'sha256-" + base64.b64encode(hashlib.sha256(body.encode()).digest()).decode() + "'"
        for body in _IMPORT_MAP.findall(html)
    ]
    return "; ".join(
        (
            "default-src 'none'",
            " ".join(("script-src 'self'", *hashes)),
            "style-src 'self'",
            "font-src 'self'",
            "img-src 'self' data: blob:",
            "media-src 'self' blob:",
            "connect-src 'self'",
            "manifest-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )
