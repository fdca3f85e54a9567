"""A page in either browser that pupils have, as Debian ships it, for the benchmarks that look at a pupil's page."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import async_playwright

from tests import chromium, firefox
from tests.browser.people import OpenPage
from tests.integration.devices.soundserver import sound_server
from tests.peers import need


@asynccontextmanager
async def chromium_page(script: str) -> AsyncIterator[OpenPage]:
    """Open an empty page in a Chromium of its own; ``script`` runs before the page's own."""
    async with async_playwright() as playwright:
        browser = await chromium.launch(playwright, need(chromium.PROGRAM, chromium.PACKAGE))
        page = await browser.new_page(locale="fr-FR", viewport={"width": 1280, "height": 800})
        await page.add_init_script(script)
        yield page
        await browser.close()


@asynccontextmanager
async def firefox_page(script: str) -> AsyncIterator[OpenPage]:
    """Open such a page in a Firefox of its own, on a computer with a loudspeaker."""
    program = need(firefox.PROGRAM, firefox.PACKAGE)
    with tempfile.TemporaryDirectory(prefix="estrade-firefox-") as name:
        folder = Path(name)
        with sound_server(folder / "sound") as server:
            async with firefox.running(program, folder, server.environment) as opened:
                yield await opened.page(script)


PAGES = {"chromium": chromium_page, "firefox": firefox_page}
