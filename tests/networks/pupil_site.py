"""The pupil's page behind a shaped line, with no centre: its files, and what it asks of the centre on the way in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path

from playwright.async_api import Page, Route

import web
from tests.networks.shaper import Shaper
from web.csp import policy

ORIGIN = "http://localhost"
"""A secure context, which WebRTC's microphones and worklets need; nothing listens there."""
LINK = f"{ORIGIN}/j/lesson"
_WEB = Path(next(iter(web.__path__)))
_JOIN = {
    "token": "t",
    "whep": "/whep/room",
    "whip": "/whip/room",
    "events": "/events",
    "ice_servers": [],
    "expires_at": "2100-01-01T00:00:00Z",
    "view": {
        "lesson": "lesson",
        "room": "room",
        "room_name": "Salle 12",
        "room_online": True,
        "phase": "open",
        "state": "live",
        "paused": False,
    },
}


class PupilSite:
    """Answers a page as the centre does, and nothing while the line is cut.

    ``accept`` takes a new viewer's name and offer and returns the room's answer, which goes through ``line``.
    Candidates that the page sends after its offer reach nobody: the room learns the line's address alone.
    """

    def __init__(self, accept: Callable[[str, str], Awaitable[str]], line: Shaper) -> None:
        self._accept = accept
        self._line = line
        self._html = (_WEB / "pupil" / "index.html").read_text(encoding="utf-8")
        self._numbers = count(1)

    async def serve(self, page: Page) -> None:
        """Answer this page from now on."""
        await page.route(f"{ORIGIN}/**", self._answer)

    async def _answer(self, route: Route) -> None:
        path = route.request.url.removeprefix(ORIGIN)
        if self._line.is_cut or path == "/events":
            await route.abort("connectionfailed")
        elif path.startswith("/static/"):
            await route.fulfill(path=_WEB / path.removeprefix("/static/"))
        elif path == "/whep/room":
            offer = self._line.offer(route.request.post_data or "")
            await asyncio.sleep(self._line.round_trip_s)
            answer = await self._line.answer(await self._accept(f"pupil-{next(self._numbers)}", offer))
            await route.fulfill(status=201, body=answer, headers={"Location": "/whep/room/pupil"})
        elif path == "/api/v1/join":
            await route.fulfill(body=json.dumps(_JOIN), content_type="application/json")
        elif path == "/" or path.startswith("/j/"):
            headers = {"Content-Security-Policy": policy(self._html)}
            await route.fulfill(body=self._html, content_type="text/html; charset=utf-8", headers=headers)
        else:
            await route.fulfill(status=204)
