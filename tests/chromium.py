"""Debian's Chromium through Playwright, and what its pages complain of."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, Request, WebError

PROGRAM, PACKAGE = "chromium", "chromium"
FLAGS = (
    "--no-sandbox",  # CI runs as root
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--autoplay-policy=no-user-gesture-required",
)
PRESENTED_JS = Path(__file__).with_name("presented.js")
_BROKEN_LINE = re.compile(r"^Failed to load resource: net::ERR_(CONNECTION|SOCKET|INCOMPLETE|EMPTY|CONTENT_LENGTH)_")
_REFUSED = re.compile(r"^Failed to load resource: .* status of (4\d\d|5\d\d)")


async def launch(playwright: Playwright, program: str, *more: str) -> Browser:
    """Start a headless Chromium, with more flags if any."""
    return await playwright.chromium.launch(executable_path=program, args=[*FLAGS, *more])


async def new_context(browser: Browser, *, bypass_csp: bool = False) -> BrowserContext:
    """Open a French browser profile of its own whose pages record what they present (`presented.js`).

    ``bypass_csp`` only where sound is listened to: an audio worklet is a script, which our policy rightly refuses.
    """
    context = await browser.new_context(
        locale="fr-FR", viewport={"width": 1280, "height": 800}, bypass_csp=bypass_csp, reduced_motion="reduce"
    )
    await context.add_init_script(path=PRESENTED_JS)
    return context


class Complaints:
    """Collects what no page of ours may do: console errors, exceptions, CSP violations, requests to third parties.

    ``ours`` are the origins of room and centre. An answer of 4xx or 5xx is told by Chromium as a console error too: it
    counts unless its status is in ``expected`` when it comes, and a line that breaks unless ``expects_outage``.
    """

    def __init__(self, *ours: str) -> None:
        self._ours = {_origin(url) for url in ours}
        self.expected: set[int] = set()
        self.expects_outage = False
        self.found: list[str] = []

    def allow(self, origin: str) -> None:
        """Count one more origin as ours."""
        self._ours.add(origin)

    def watch(self, context: BrowserContext) -> None:
        """Watch every page of this context that opens from now on."""
        context.on("console", self._console)
        context.on("weberror", self._exception)
        context.on("request", self._request)
        context.on("page", self._page)

    def unwatch(self, context: BrowserContext) -> None:
        """Leave this context to the next who watches it."""
        context.remove_listener("console", self._console)
        context.remove_listener("weberror", self._exception)
        context.remove_listener("request", self._request)
        context.remove_listener("page", self._page)

    def _exception(self, error: WebError) -> None:
        self.found.append(f"exception: {error.error}")

    def _page(self, page: Page) -> None:
        page.on("crash", lambda _: self.found.append(f"crash of {page.url}"))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning") and "Content Security Policy" not in message.text:
            return
        refused = _REFUSED.match(message.text)
        if refused and int(refused[1]) in self.expected:
            return
        if self.expects_outage and _BROKEN_LINE.match(message.text):
            return
        where = message.location.get("url", "")
        self.found.append(f"{message.type}: {message.text} ({where})")

    def _request(self, request: Request) -> None:
        scheme = urlsplit(request.url).scheme
        if scheme in ("http", "https", "ws", "wss") and _origin(request.url) not in self._ours:
            self.found.append(f"third party: {request.method} {request.url}")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
