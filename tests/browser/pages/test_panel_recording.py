"""The panel where a room records: the two presses, the red sign, the list, and nothing of it elsewhere."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import expect

from protocol.lesson import LessonState
from protocol.messages import Problem
from protocol.panel import PanelRecorded, PanelRecording, PanelRemoved, PanelView
from tests.browser.pages.conftest import OpenPage, Serve, assert_accessible, assert_fits
from tests.browser.pages.panel_room import IDLE, LIVE, NOW, room
from tests.chromium import Complaints

pytestmark = pytest.mark.asyncio(loop_scope="session")


_TIRED_FINGER_JS = """async () => {
  document.querySelector('#record').click();
  while (!document.querySelector('#record-yes')) await Promise.resolve();
  document.querySelector('#record-yes').click();
}"""


def recorded(name: str, **changes: Any) -> PanelRecorded:
    return PanelRecorded.model_validate(
        {
            "id": name,
            "began_at": NOW,
            "duration_s": 2580.0,
            "size_bytes": 1_240_000_000,
            "is_whole": True,
            "deleted_at": NOW + timedelta(days=30_000),
            **changes,
        }
    )


def view(base: PanelView, **state: Any) -> PanelView:
    return base.model_copy(update={"recording": PanelRecording.model_validate({"is_running": False, **state})})


READY = {
    "state": "ready",
    "percent": 100,
    "link": "https://estrade.example/r/" + "a" * 22 + "#" + "k" * 43,
    "expires_at": NOW,
}
LIST = view(
    IDLE,
    all=[
        recorded("aaaa"),
        recorded("bbbb", is_whole=False, size_bytes=4_300_000, duration_s=65.0, deleted_at=NOW),
        recorded("cccc", began_at=None, is_whole=False),
    ],
    removed=[PanelRemoved(began_at=NOW, reason="disk")],
)


def asked(server: Any) -> list[tuple[str, Any]]:
    return [(path, json.loads(body)) for method, path, body in server.asked if method == "POST"]


async def test_a_room_that_does_not_record_shows_nothing_of_it(serve: Serve, open_page: OpenPage) -> None:
    server = room(serve, IDLE)
    page = await open_page(server.url)
    await expect(page.locator("#start")).to_be_visible()
    server.push("panel", LIVE)
    await expect(page.locator("#pause")).to_be_visible()
    for name in ("#record", "#recordings", "#recording-sign"):
        await expect(page.locator(name)).to_have_count(0)


@pytest.mark.parametrize("dark", [False, True])
async def test_recording_takes_two_presses_and_shows_its_sign(serve: Serve, open_page: OpenPage, dark: bool) -> None:
    server = room(serve, view(LIVE))
    server.answers["POST /api/recording"] = view(LIVE, is_running=True, elapsed_s=0.0)
    page = await open_page(server.url, dark=dark)
    await expect(page.locator("#record")).to_be_visible()
    await page.evaluate(_TIRED_FINGER_JS)
    assert asked(server) == []
    await assert_accessible(page, enhanced=True)
    await page.wait_for_timeout(600)  # the time that makes it deliberate
    await page.click("#record-yes")
    await expect(page.locator("#recording-sign")).to_be_visible()
    await expect(page.locator("dialog")).to_have_count(0)
    await assert_accessible(page, enhanced=True)
    await assert_fits(page)
    server.answers["POST /api/recording"] = view(LIVE)
    await page.click("#record")
    await expect(page.locator("#recording-sign")).to_have_count(0)
    assert asked(server) == [("/api/recording", {"on": True}), ("/api/recording", {"on": False})]


async def test_a_recording_that_ended_by_itself_is_told_and_the_lesson_goes_on(
    serve: Serve, open_page: OpenPage
) -> None:
    server = room(serve, view(LIVE, problem=Problem(code="recording-disk-full", message="x")))
    page = await open_page(server.url)
    await expect(page.locator(".facts")).to_contain_text("Le disque n’a plus de place pour enregistrer.")
    await expect(page.locator("#panel")).to_have_attribute("data-state", LessonState.LIVE.value)


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (320, 600)])
async def test_the_list_says_how_long_each_stays_and_deletes_in_two_presses(
    serve: Serve, open_page: OpenPage, complaints: Complaints, width: int, height: int
) -> None:
    server = room(serve, LIST)
    server.answers["POST /api/recording/delete"] = view(IDLE)
    page = await open_page(server.url, width=width, height=height)
    await page.click("#recordings")
    rows = page.locator("[data-recording]")
    await expect(rows).to_have_count(3)
    await expect(rows.nth(0)).to_contain_text("43 min, 1,2 Go")
    await expect(rows.nth(1)).to_contain_text("coupé avant sa fin")
    await expect(rows.nth(2)).to_contain_text("illisible")
    await expect(page.locator("dialog")).to_contain_text("la classe avait besoin de place")
    await assert_accessible(page, enhanced=True)
    await assert_fits(page)
    await rows.nth(0).locator("[data-delete]").click()
    await page.wait_for_timeout(600)
    await rows.nth(0).locator("[data-delete-yes]").click()
    await expect(rows).to_have_count(0)
    assert asked(server) == [("/api/recording/delete", {"id": "aaaa"})]


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (320, 600)])
async def test_a_link_is_asked_for_and_shown_with_its_end(
    serve: Serve, open_page: OpenPage, width: int, height: int
) -> None:
    server = room(serve, view(IDLE, all=[recorded("aaaa"), recorded("bbbb", share=READY)]))
    sending = recorded("aaaa", share={"state": "sending", "percent": 42})
    server.answers["POST /api/recording/share"] = view(IDLE, all=[sending, recorded("bbbb", share=READY)])
    server.answers["/api/recording/bbbb.svg"] = None
    page = await open_page(server.url, width=width, height=height)
    await page.click("#recordings")
    rows = page.locator("[data-recording]")
    await expect(rows.nth(1)).to_contain_text("https://estrade.example/r/")
    await expect(rows.nth(1)).to_contain_text("jusqu’au mardi 24 novembre")
    await rows.nth(0).locator("[data-share]").click()
    await expect(rows.nth(0)).to_contain_text("42\u202f%")
    await assert_accessible(page, enhanced=True)
    await assert_fits(page)
    assert asked(server) == [("/api/recording/share", {"id": "aaaa", "language": "fr"})]


async def test_behind_the_pin_the_list_asks_for_it(serve: Serve, open_page: OpenPage) -> None:
    server = room(serve, view(IDLE).model_copy(update={"pin": "locked", "access": None}))
    page = await open_page(server.url)
    await page.click("#recordings")
    await page.click("#recordings-unlock")
    await expect(page.locator("dialog")).to_contain_text("Code PIN de la salle")
