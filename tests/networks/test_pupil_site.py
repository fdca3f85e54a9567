"""The site that gives browsers the pupil's page behind a line."""

from __future__ import annotations

import httpx
import pytest

from tests.networks.pupil_site import PATH, pupil_site
from tests.networks.shaper import Line, shaped

PICTURES = {"/slides/0.png": b"picture"}


async def accept(viewer: str, offer: str) -> str:
    return f"v=0\r\na=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\na=answers:{viewer} {offer}\r\n"


async def test_a_page_its_files_and_the_rooms_answer_come_from_one_address() -> None:
    async with (
        shaped(Line(), Line()) as line,
        pupil_site(accept, line, PICTURES) as origin,
        httpx.AsyncClient(base_url=origin) as browser,
    ):
        page = await browser.get(PATH)
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "script-src 'self'" in page.headers["content-security-policy"]
        script = await browser.get("/static/pupil/main.js")
        assert script.headers["content-type"] == "text/javascript"  # or no browser takes it for a module
        assert (await browser.get("/slides/0.png")).content == b"picture"
        answered = await browser.post("/whep/room", content="offered")
        assert answered.status_code == 201
        assert "a=answers:pupil-1 offered" in answered.text
        assert "127.0.0.1 9 typ" not in answered.text, "the way is through the line"


async def test_nothing_is_answered_while_the_line_is_cut() -> None:
    async with shaped(Line(), Line()) as line, pupil_site(accept, line) as origin, httpx.AsyncClient() as browser:
        line.cut(True)
        with pytest.raises(httpx.TransportError):
            await browser.get(origin + PATH)
        line.cut(False)
        assert (await browser.get(origin + PATH)).is_success
