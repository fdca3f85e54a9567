"""A teacher's own computer in the board's place: a real browser captures a page, and pupils see that very picture."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest
from playwright.async_api import Page, async_playwright

from tests import chromium
from tests.browser.people import People, Pupil, until
from tests.browser.test_lesson import start, stop
from tests.peers import need
from tests.rig import Rig

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120), pytest.mark.alone]

log = logging.getLogger(__name__)

TITLE = "Planisphere"
FLAGS = (f"--auto-select-tab-capture-source-by-title={TITLE}",)

Colours = tuple[tuple[int, int, int], ...]
LESSON: Colours = ((200, 30, 40), (30, 160, 60), (40, 60, 200), (230, 220, 60))
NEXT: Colours = (LESSON[3], LESSON[2], LESSON[1], LESSON[0])
NEAR = 24
"""By so much a colour may change on its way through two codecs at half the colours' size."""

CAMERA = "Permissions policy violation: camera is not allowed in this document"
"""Chromium says so wherever a screen is captured, though no camera is asked for. The page goes without that right."""

_STATES_JS = """() => {
  window.states = [];
  const told = () => window.states.push(document.documentElement.dataset.state);
  new MutationObserver(told).observe(document.documentElement, { attributeFilter: ['data-state'] });
}"""

_CORNERS_JS = """() => {
  const video = document.querySelector('#board');
  if (!video.videoWidth) return null;
  const canvas = Object.assign(document.createElement('canvas'), { width: 64, height: 36 });
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.drawImage(video, 0, 0, 64, 36);
  return [[16, 9], [48, 9], [16, 27], [48, 27]].map(([x, y]) => [...context.getImageData(x, y, 1, 1).data].slice(0, 3));
}"""


_SENT_JS = """async () => [...(await window.estrade.connection.pc.getStats()).values()]
  .find((one) => one.type === 'outbound-rtp').framesSent"""


async def show(page: Page, colours: Colours) -> None:
    """Fill a page's four quarters with colours."""
    boxes = "".join(f"<div style='background:rgb{colour}'></div>" for colour in colours)
    grid = "display:grid;grid-template:1fr 1fr/1fr 1fr;height:100vh;margin:0"
    await page.set_content(f"<!doctype html><title>{TITLE}</title><body style='{grid}'>{boxes}</body>")


async def sees(pupil: Pupil, colours: Colours) -> float:
    """Wait until the pupil's board has these colours in its quarters; return after how many seconds."""
    began_s = time.monotonic()

    async def are_there() -> bool:
        corners = await pupil.page.evaluate(_CORNERS_JS)
        return corners is not None and all(
            abs(got - wanted) <= NEAR
            for corner, colour in zip(corners, colours, strict=True)
            for got, wanted in zip(corner, colour, strict=True)
        )

    await until(are_there, f"{colours} on the pupil's board")
    return time.monotonic() - began_s


async def is_in(page: Page, state: str) -> None:
    async def is_so() -> bool:
        return await page.get_attribute("html", "data-state") == state

    try:
        await until(is_so, f"the page that shares to be {state}")
    except AssertionError as error:
        shown = await page.inner_text("#main")
        raise AssertionError(f"{error}; it says: {shown}") from None


async def test_a_computer_is_the_board_until_it_or_the_room_ends_it(rig: Rig, people: People) -> None:
    panel, noe = await people.teacher(), await people.pupil()
    await noe.enter("Noé")
    await start(panel)
    await noe.is_in_class()
    async with async_playwright() as playwright:
        browser = await chromium.launch(playwright, need(chromium.PROGRAM, chromium.PACKAGE), *FLAGS)
        at_desk = People(rig, browser)
        page = await at_desk.page()
        lesson = await page.context.new_page()  # a browser captures tabs of its own profile alone
        await page.bring_to_front()
        await show(lesson, LESSON)
        await panel.click("#screen-offer")
        code = await panel.inner_text("#screen-code")
        address = await panel.inner_text("#screen-address")
        centre = rig.links["pupil"].partition("/j/")[0]
        assert f"{centre.partition('://')[0]}://{address}" == f"{centre}/screen"

        await page.goto(f"{centre}/screen#{code}")
        await page.click("#go")
        await is_in(page, "ready")
        assert "Salle" in await page.inner_text("#title")
        await page.click("#share")
        await is_in(page, "live")
        log.info("the screen is there after %.2f s", await sees(noe, LESSON))
        await panel.wait_for_selector("#screen[data-screen=shown]")
        await panel.get_by_text("Votre ordinateur est montré aux élèves").wait_for()
        await show(lesson, NEXT)
        log.info("a change is there after %.2f s", await sees(noe, NEXT))
        before = await page.evaluate(_SENT_JS)
        await asyncio.sleep(4)  # on a screen that stands still
        log.info(
            "of a screen that stands still come %.1f pictures a second", (await page.evaluate(_SENT_JS) - before) / 4
        )
        assert await panel.get_attribute("#screen", "data-screen") == "shown"
        await sees(noe, NEXT)

        at_desk.complaints.expected.add(409)
        await page.evaluate(_STATES_JS)
        await panel.click("#screen-end")
        await noe.sees_the_room("board")
        ended_s = time.monotonic()
        await is_in(page, "over")
        log.info("the computer knows of the end after %.2f s", time.monotonic() - ended_s)
        assert "La salle est revenue à son tableau" in await page.inner_text("#problem")
        assert await page.evaluate("window.states") == ["asking", "over"], "no fault of the network"

        await page.click("#again")
        await page.fill("#code", code)
        await page.click("#go")
        await page.locator("#problem", has_text="déjà servi").wait_for()
        await panel.click("#screen-offer")
        await panel.wait_for_function("code => document.querySelector('#screen-code')?.textContent !== code", arg=code)
        await page.fill("#code", await panel.inner_text("#screen-code"))
        await page.click("#go")
        await is_in(page, "ready")
        await page.click("#share")
        await is_in(page, "live")
        await sees(noe, NEXT)
        await page.click("#stop")
        await is_in(page, "over")
        await panel.wait_for_selector("#screen", state="detached")
        await noe.sees_the_room("board")

        await stop(panel)
        await noe.is_in("ended")
        await at_desk.leave()
        await browser.close()
        assert not [one for one in at_desk.complaints.found if CAMERA not in one]
