"""Pages in states that a stub puts them into, and the rules every one of them keeps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, CDPSession, Page

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


async def in_its_own_fonts(page: Page) -> None:
    """Wait until what is shown is drawn in the fonts that it asks for: others are wider, for a moment."""
    await page.evaluate("async () => { document.body.getBoundingClientRect(); await document.fonts.ready; }")


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


class Profile(NamedTuple):
    """A browser profile, and a line to a blank page of it: with its last page a profile ends."""

    context: BrowserContext
    line: CDPSession


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def profile(browser: Browser) -> AsyncIterator[Callable[[str, bool], Awaitable[Profile]]]:
    """Browser profiles by language and kind of screen; making one takes longer than most tests."""
    if not AXE.is_file():
        missing("axe-core is missing; it comes with: npm ci")
    made: dict[tuple[str, bool], Profile] = {}

    async def of(locale: str, phone: bool) -> Profile:
        if (locale, phone) not in made:
            context = await browser.new_context(
                locale=locale, timezone_id="Europe/Paris", reduced_motion="reduce", has_touch=phone
            )
            await context.add_init_script(path=AXE)
            made[locale, phone] = Profile(context, await context.new_cdp_session(await context.new_page()))
        return made[locale, phone]

    yield of
    for one in made.values():
        await one.context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(
    profile: Callable[[str, bool], Awaitable[Profile]], complaints: chromium.Complaints
) -> AsyncIterator[OpenPage]:
    """Open an address in a page of its own; afterwards no page may have complained, and none left anything behind."""
    pages: list[tuple[Page, str, Profile]] = []

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
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
        complaints.allow(origin)
        at = await profile(locale, phone)
        if at not in [there for _, _, there in pages]:
            complaints.watch(at.context)
        page = await at.context.new_page()
        pages.append((page, origin, at))
        page.set_default_timeout(10_000)
        await page.set_viewport_size({"width": width, "height": height})
        await page.emulate_media(color_scheme="dark" if dark else "light")
        if not has_font:  # never answered: a refused or broken one would be a complaint
            await page.route("**/*.woff2", lambda route: asyncio.sleep(0))
        await page.goto(url)
        return page

    yield open_
    try:
        for page, origin, at in pages:
            await page.close()
            # the next test may be given the same port
            await at.line.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})
    finally:
        for at in {at for _, _, at in pages}:
            complaints.unwatch(at.context)
            await at.context.clear_permissions()
            await at.context.set_offline(False)
    assert complaints.found == []
