"""Pages in states that a stub puts them into, and the rules every one of them keeps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page

from tests import chromium
from tests.browser.pages.stub import PageServer
from tests.peers import missing

ROOT = Path(__file__).resolve().parents[3]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"

OpenPage = Callable[..., Awaitable[Page]]
Serve = Callable[[str], PageServer]

_AXE_JS = """async enhanced => {
  const rules = {'color-contrast-enhanced': {enabled: enhanced}};
  const found = await axe.run(document, {resultTypes: ['violations'], rules});
  return found.violations.flatMap(one => one.nodes.map(node => `${one.id}: ${node.html} ${node.failureSummary}`));
}"""
_TOO_WIDE_JS = "() => document.documentElement.scrollWidth - window.innerWidth"


async def assert_accessible(page: Page, *, enhanced: bool = False) -> None:
    """Assert that axe-core finds nothing; ``enhanced`` asks for a contrast of 7:1 (4.5:1 for large text)."""
    assert await page.evaluate(_AXE_JS, enhanced) == []


async def assert_fits(page: Page) -> None:
    """Assert that nothing has to be scrolled sideways."""
    assert await page.evaluate(_TOO_WIDE_JS) <= 0


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a stub for a page: ``serve("panel")``."""
    with ExitStack() as stack:
        yield lambda page: stack.enter_context(PageServer(page).running())


@pytest.fixture
def complaints() -> chromium.Complaints:
    """What the pages of this test complained of; a stub's refusals are put into ``expected``."""
    return chromium.Complaints()


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(browser: Browser, complaints: chromium.Complaints) -> AsyncIterator[OpenPage]:
    """Open an address in a window of its own; afterwards no page may have complained."""
    if not AXE.is_file():
        missing("axe-core is missing; it comes with: npm ci")
    contexts: list[BrowserContext] = []

    async def open_(
        url: str,
        *,
        width: int = 1280,
        height: int = 800,
        locale: str = "fr-FR",
        dark: bool = False,
        phone: bool = False,
        has_font: bool = True,
    ) -> Page:
        complaints.allow("{0.scheme}://{0.netloc}".format(urlsplit(url)))
        context = await browser.new_context(
            viewport={"width": width, "height": height},
            locale=locale,
            color_scheme="dark" if dark else "light",
            timezone_id="Europe/Paris",
            reduced_motion="reduce",
            has_touch=phone,
        )
        contexts.append(context)
        complaints.watch(context)
        await context.add_init_script(path=AXE)
        page = await context.new_page()
        page.set_default_timeout(10_000)
        if not has_font:  # never answered: a refused or broken one would be a complaint
            await page.route("**/*.woff2", lambda route: asyncio.sleep(0))
        await page.goto(url)
        return page

    yield open_
    for context in contexts:
        await context.close()
    assert complaints.found == []
