"""Who takes part in a lesson, each in a browser profile of its own: teacher, pupils, IT, somebody with a player."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from playwright.async_api import Browser, BrowserContext, Page

from tests import chromium
from tests.rig import Rig

DEADLINE_S = 15.0
PATIENCE = 3.0
"""For Firefox, which decodes in software and draws without a screen, beside room, centre and often a second browser."""
TRACKS = ("sound", "board", "camera")
"""Order of m-lines in the page's offer (docs/architecture.md); Chromium names them by their number."""

INBOUND_JS = """async () => {
  const connection = window.estrade ? window.estrade.connection : window.connection;
  return [...(await connection.getStats()).values()].filter((entry) => entry.type === 'inbound-rtp');
}"""


async def until(condition: Callable[[], Awaitable[object]], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Wait until the condition is true, looked at ten times a second; AssertionError that says what did not come."""
    end_s = time.monotonic() + deadline_s
    while not await condition():
        assert time.monotonic() < end_s, f"waited {deadline_s:g} s in vain for {what}"
        await asyncio.sleep(0.1)


class OpenPage(Protocol):
    """What is needed of a page to take part in a lesson, in whichever browser."""

    @property
    def url(self) -> str: ...

    async def evaluate(self, expression: str, arg: Any = None) -> Any: ...

    async def goto(self, url: str) -> object: ...

    async def click(self, selector: str) -> None: ...

    async def fill(self, selector: str, value: str) -> None: ...

    async def wait_for_selector(self, selector: str, *, timeout: float) -> object: ...


class Watcher:
    """A page that plays a lesson and records what it presents (`tests/presented.js`).

    ``patience`` multiplies the deadlines: for a browser that is slower where everything runs on one machine.
    """

    def __init__(self, page: OpenPage, tracks: Sequence[str] = TRACKS, patience: float = 1.0) -> None:
        self.page = page
        self._tracks = tracks
        self._deadline_s = DEADLINE_S * patience

    async def seen(self) -> dict[str, Any]:
        """Return what the page recorded."""
        seen: dict[str, Any] = await self.page.evaluate("JSON.parse(JSON.stringify(seen))")
        return seen

    async def inbound(self) -> dict[str, dict[str, Any]]:
        """Return the browser's own figures of each track that arrives, by ``sound``, ``board``, ``camera``."""
        reports: list[dict[str, Any]] = await self.page.evaluate(INBOUND_JS)
        return {self._tracks[int(report["mid"])]: report for report in reports}

    async def energy(self) -> float:
        """Return the energy of the sound so far (W3C webrtc-stats, totalAudioEnergy)."""
        return float((await self.inbound()).get("sound", {}).get("totalAudioEnergy", 0.0))

    async def captured_ms(self, track: str = "camera") -> float:
        """Return the wall clock that the newest picture of the room carries; 0 before the first."""
        captured: float = await self.page.evaluate("name => (seen.tracks[name] || {}).captured || 0", track)
        return captured

    async def sees_the_room(self, track: str | None = None, deadline_s: float | None = None) -> None:
        """Wait until a picture captured after this call is presented; of any track where it does not matter of which.

        A pupil whose line seems narrow, as on a busy machine, is sent the board alone.
        """
        called_ms = time.time() * 1000
        tracks = ("camera", "board") if track is None else (track,)

        async def has() -> bool:
            return max([await self.captured_ms(one) for one in tracks]) > called_ms

        await until(has, f"a picture of now ({' or '.join(tracks)}) on {self.page.url}", deadline_s or self._deadline_s)

    async def hears_the_room(self) -> None:
        """Wait until beeps arrive."""
        before = await self.energy()

        async def has() -> bool:
            return await self.energy() > before + 1e-3

        await until(has, f"sound on {self.page.url}", self._deadline_s)


class Attendee(Watcher):
    """The pupil's page, in whichever browser."""

    async def enter(self, name: str) -> None:
        await self.page.fill("#name", name)
        await self.page.click("#enter")

    async def is_in(self, phase: str) -> None:
        """Wait for a phase of the page: ``waiting``, ``class``, ``ended``, ``refused``."""
        await self.page.wait_for_selector(f"html[data-phase={phase}]", timeout=self._deadline_s * 1000)

    async def is_in_class(self) -> None:
        """Wait until both videos show pictures of now."""
        await self.is_in("class")
        await self.sees_the_room("camera")
        # its keep-alive picture is due each few seconds while nobody writes
        await self.sees_the_room("board")


class Viewer(Watcher):
    """Such a page in Chromium."""

    page: Page

    def __init__(self, page: Page, tracks: Sequence[str] = TRACKS) -> None:
        super().__init__(page, tracks)

    async def reads(self, selector: str, words: str) -> None:
        """Wait until an element is visible and says these words."""
        element = self.page.locator(selector, has_text=words)
        await element.wait_for(state="visible", timeout=DEADLINE_S * 1000)


class Pupil(Viewer, Attendee):
    """The pupil's page in Chromium."""


class People:
    """Opens pages for those who take part, and watches what the pages complain of."""

    def __init__(self, rig: Rig, browser: Browser) -> None:
        self.rig = rig
        self.complaints = chromium.Complaints(*(rig.links[page] for page in ("panel", "pupil", "it")))
        self._browser = browser
        self._contexts: list[BrowserContext] = []

    async def page(self, *, bypass_csp: bool = False) -> Page:
        """Return an empty page in a window of its own: in a shared one, only the front page is drawn."""
        context = await chromium.new_context(self._browser, bypass_csp=bypass_csp)
        self._contexts.append(context)
        self.complaints.watch(context)
        return await context.new_page()

    async def teacher(self) -> Page:
        """Return the room's panel."""
        page = await self.page()
        await page.goto(self.rig.links["panel"])
        await page.wait_for_selector("#panel")
        return page

    async def pupil(self, *, code: str | None = None, bypass_csp: bool = False) -> Pupil:
        """Return a page opened with the link, or with a code typed in."""
        page = await self.page(bypass_csp=bypass_csp)
        link = self.rig.links["pupil"]
        if code is None:
            await page.goto(link)
        else:
            await page.goto(link.partition("/j/")[0] + "/")
            await page.locator("#code").press_sequentially(code)
        await page.wait_for_selector("html[data-phase=join]")
        return Pupil(page)

    async def leave(self) -> None:
        """Close all pages."""
        for context in self._contexts:
            await context.close()
