"""One Estrade and one Chromium for the whole folder: starting them takes longer than most tests. Firefox by module."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests import chromium, firefox
from tests.browser.people import PATIENCE, Attendee, People
from tests.firefox import Firefox
from tests.integration.devices.soundserver import sound_server
from tests.peers import need
from tests.rig import Rig

FLASH_AND_BEEP_S = 1.0


@pytest.fixture(scope="session")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A room whose pictures carry the time and whose camera flashes while its microphone beeps."""
    need("mosquitto", "mosquitto")
    settings = {
        "camera.time_strip": True,
        "camera.flash_and_beep_s": FLASH_AND_BEEP_S,
        "board.time_strip": True,
        "microphone.flash_and_beep_s": FLASH_AND_BEEP_S,
        "microphone.voice": "none",  # a beep must be the only thing that is loud
    }
    started = Rig(tmp_path_factory.mktemp("estrade"), settings=settings)
    started.start()
    try:
        yield started
    finally:
        started.end()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    program = need(chromium.PROGRAM, chromium.PACKAGE)
    async with async_playwright() as playwright:
        opened = await chromium.launch(playwright, program)
        yield opened
        await opened.close()


@pytest_asyncio.fixture(loop_scope="session")
async def people(rig: Rig, browser: Browser) -> AsyncIterator[People]:
    """Teacher, pupils and IT; afterwards no page may have complained, and the room is idle again."""
    rig.wait_ready()
    there = People(rig, browser)
    try:
        yield there
        assert not there.complaints.found, "\n".join(there.complaints.found)
    finally:
        await there.leave()
        if (view := rig.panel()) is not None and view["state"] != "idle":
            rig.press("lesson/stop")
        rig.wait_state("idle")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def fox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Firefox]:
    """A Firefox on a computer with a loudspeaker."""
    program = need(firefox.PROGRAM, firefox.PACKAGE)
    folder = tmp_path_factory.mktemp("firefox")
    with sound_server(folder / "sound") as server:
        async with firefox.running(program, folder, server.environment) as opened:
            yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def fox_pupil(people: People, fox: Firefox) -> AsyncIterator[Attendee]:
    """A pupil at the link, in Firefox; afterwards its page has not complained."""
    page = await fox.page()
    await page.goto(people.rig.links["pupil"])
    await page.wait_for_selector("html[data-phase=join]")
    try:
        yield Attendee(page, patience=PATIENCE)
    finally:
        await page.close()
    found = fox.complaints(people.rig.links["pupil"])
    assert not found, "\n".join(found)
