"""The camera on the room's panel: its views, turning it by hand, looking whether a view is right."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from playwright.async_api import Page, expect

from protocol.messages import OnAir, Problem
from protocol.panel import PanelMasks, PanelPreset, PanelPtz, PanelView
from tests.browser.pages.conftest import OpenPage, Serve, assert_accessible, assert_fits, in_its_own_fonts
from tests.browser.pages.panel_room import IDLE, LIVE, NOW, PIXEL, PUPILS, room, sent, shown
from tests.browser.pages.stub import PageServer, refusal
from tests.chromium import Complaints

pytestmark = pytest.mark.asyncio(loop_scope="session")


def preset(name: str, **more: Any) -> PanelPreset:
    return PanelPreset(**{"name": name, "is_current": False, **more})


VIEWS = (preset("board", is_current=True, picture="1"), preset("teacher", is_heading=True), preset("class"))
PTZ = PanelPtz(is_connected=True, can_turn=True, can_zoom=True, can_store=True, presets=VIEWS, class_preset="offered")
SILENT = PanelPtz(is_connected=False, problem=Problem(code="device-timeout", message="said in English"))


def but(view: PanelView, **changes: Any) -> PanelView:
    return PanelView.model_validate({**view.model_dump(), **changes})


def ptz(**changes: Any) -> PanelPtz:
    return PTZ.model_copy(update=changes)


TURNS = but(LIVE, ptz=PTZ)
STATES = {
    "idle": but(IDLE, ptz=PTZ),
    "live": TURNS,
    "silent": but(LIVE, ptz=SILENT),
    "many": but(LIVE, ptz=ptz(presets=(*VIEWS, preset("laboratory-bench"), preset("door")))),
    "adrift": but(LIVE, ptz=PTZ, masks=PanelMasks(cover="adrift")),
    "class moved": but(LIVE, ptz=ptz(presets=VIEWS[:2], class_preset="moved"), masks=PanelMasks()),
    "class locked": but(LIVE, ptz=ptz(presets=VIEWS[:2], class_preset="locked"), pin="locked", access=None),
    "to check": but(LIVE, ptz=PTZ, masks=PanelMasks(cover="unchecked", to_check="board")),
    "fixed": but(LIVE, masks=PanelMasks(cover="moved", to_check="camera")),
}


def camera_room(serve: Serve, view: PanelView) -> PageServer:
    server = room(serve, view)
    server.answers["POST /api/camera/hold"] = None
    server.answers["POST /api/camera/release"] = None
    server.answers["/api/camera/preset/board.jpg"] = PIXEL
    server.answers["/api/camera/check.jpg"] = PIXEL
    return server


async def open_camera(page: Page) -> None:
    await page.click("#camera-turn")
    await expect(page.locator("dialog.camera-dialog")).to_be_visible()


@pytest.mark.parametrize(("width", "height", "dark"), [(1280, 800, False), (320, 600, True)])
async def test_every_state_is_accessible_and_fits(
    serve: Serve, open_page: OpenPage, width: int, height: int, dark: bool
) -> None:
    server = camera_room(serve, STATES["idle"])
    page = await open_page(server.url, width=width, height=height, dark=dark)
    await shown(page)
    for name, view in STATES.items():
        server.push("panel", but(view, room_name=name))
        await expect(page.locator("h1")).to_have_text(name)
        await assert_fits(page)
        await assert_accessible(page, enhanced=True)
        await open_camera(page)
        await assert_accessible(page, enhanced=True)
        high = await page.evaluate(
            "[...document.querySelectorAll('button')].map(b => b.getBoundingClientRect().height)"
        )
        assert min(one for one in high if one) >= 64, name
        wide = "document.querySelector('dialog').scrollWidth - document.querySelector('dialog').clientWidth"
        assert await page.evaluate(wide) <= 0
        await page.keyboard.press("Escape")
        await expect(page.locator("dialog")).to_have_count(0)


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1366, 768)])
async def test_the_views_find_their_place_in_a_lesson_that_fills_the_screen(
    serve: Serve, open_page: OpenPage, width: int, height: int
) -> None:
    server = camera_room(serve, TURNS)
    page = await open_page(server.url, width=width, height=height)
    await shown(page)
    nobody = but(TURNS, viewers=(), access=None, centre="away", centre_since=NOW, sign="open")
    told = but(TURNS, centre="away", centre_since=NOW, on_air=OnAir(sound=False), missing=("board",))
    unlocked = but(TURNS, pin="open", masks=PanelMasks(cover="adrift"))
    for name, view in {"nobody": nobody, "told": told, "unlocked": unlocked, "live": TURNS}.items():
        server.push("panel", but(view, room_name=name))
        await expect(page.locator("h1")).to_have_text(name)
        await in_its_own_fonts(page)
        names = (".side .picture", ".views", ".pupils", ".access", ".acts")
        boxes = [await page.locator(one).bounding_box() for one in names]
        for above, below in pairwise(boxes):
            assert above is not None
            assert below is not None
            assert above["y"] + above["height"] <= below["y"] + 0.5, name
        assert await page.evaluate("document.documentElement.scrollHeight - innerHeight") <= 0, name
        wide = "[...document.querySelectorAll('.access .button')].map(b => b.scrollWidth - b.clientWidth)"
        assert max(await page.evaluate(wide), default=0) <= 0, name
    await expect(page.locator(".names li").first).to_be_visible()
    await open_camera(page)
    over = "Math.round(document.querySelector('dialog').scrollHeight - document.querySelector('dialog').clientHeight)"
    assert await page.evaluate(over) <= 0


async def test_a_view_is_one_touch_away_and_the_one_at_hand_is_marked(serve: Serve, open_page: OpenPage) -> None:
    server = camera_room(serve, TURNS)
    server.answers["POST /api/camera/recall"] = TURNS
    page = await open_page(server.url)
    views = page.locator(".beside .view")
    await expect(views).to_have_text(["Tableau", "Prof", "Classe"])
    await expect(page.locator(".beside [aria-current=true]")).to_have_text("Tableau")
    await expect(page.locator(".beside [data-preset=board] img")).to_have_attribute(
        "src", "/api/camera/preset/board.jpg?v=1"
    )
    await page.click(".beside [data-preset=teacher]")
    await expect(page.locator(".beside [data-preset=teacher]")).to_have_attribute("aria-disabled", "false")
    assert sent(server) == [("/api/camera/recall", {"preset": "teacher", "to_check": False})]


async def test_a_preset_that_is_not_there_is_told_in_words(
    serve: Serve, open_page: OpenPage, complaints: Complaints
) -> None:
    complaints.expected = {404}
    server = camera_room(serve, TURNS)
    server.answers["POST /api/camera/recall"] = refusal("preset-not-found", 404)
    page = await open_page(server.url)
    await page.click(".beside [data-preset=teacher]")
    await expect(page.locator("#refusal")).to_contain_text("La caméra n’a pas cette vue enregistrée")


async def test_only_what_the_camera_can_do_is_shown(serve: Serve, open_page: OpenPage) -> None:
    server = camera_room(serve, LIVE)
    page = await open_page(server.url)
    await shown(page)
    await expect(page.locator("#camera-turn, .views")).to_have_count(0)
    server.push("panel", but(LIVE, ptz=ptz(can_turn=False, can_store=False, presets=())))
    await open_camera(page)
    await expect(page.locator("[data-turn]")).to_have_count(2)
    await expect(page.locator(".view, #save-view")).to_have_count(0)
    server.push("panel", but(LIVE, ptz=ptz(can_zoom=False)))
    await expect(page.locator("[data-turn]")).to_have_count(8)
    await expect(page.locator("#save-view")).to_be_visible()
    server.push("panel", STATES["silent"])
    await expect(page.locator("dialog")).to_contain_text("ne répond pas quand on veut l’orienter")
    await expect(page.locator("[data-turn], dialog .view")).to_have_count(0)
    await page.keyboard.press("Escape")
    await page.click("#help")
    await expect(page.locator("dialog.help")).to_contain_text("ne répond pas quand on veut l’orienter")
    await expect(page.locator("dialog.help")).to_contain_text("device-timeout")


async def test_before_a_lesson_it_turns_and_says_that_there_is_no_picture(serve: Serve, open_page: OpenPage) -> None:
    server = camera_room(serve, STATES["idle"])
    page = await open_page(server.url)
    await open_camera(page)
    await expect(page.locator("dialog .instead")).to_contain_text("La caméra est fermée")
    await expect(page.locator("[data-turn]")).to_have_count(10)


# --- turning by hand --------------------------------------------------------------------------------------------------


def held(server: PageServer) -> list[dict[str, Any]]:
    return [body for path, body in sent(server) if path == "/api/camera/hold"]


def released(server: PageServer) -> list[str]:
    return [body["press"] for path, body in sent(server) if path == "/api/camera/release"]


async def was_let_go(server: PageServer, page: Page, times: int = 1) -> None:
    """Wait until the camera was let go so often, and no oftener."""
    for _ in range(60):
        if len(released(server)) >= times:
            break
        await page.wait_for_timeout(50)
    assert len(released(server)) == times


async def test_a_button_is_said_again_while_it_is_held_and_let_go_with_the_finger(
    serve: Serve, open_page: OpenPage
) -> None:
    server = camera_room(serve, TURNS)
    page = await open_page(server.url)
    await open_camera(page)
    await page.hover("[data-turn=up-right]")
    await page.mouse.down()
    await page.wait_for_timeout(1100)
    await page.mouse.move(5, 5)  # the finger slips off, and is still down
    await page.wait_for_timeout(300)
    assert not released(server)
    await page.mouse.up()
    await was_let_go(server, page)
    await page.wait_for_timeout(400)
    holds = held(server)
    assert 4 <= len(holds) <= 9
    assert len({hold["press"] for hold in holds}) == 1
    assert released(server) == [holds[0]["press"]]
    assert all(0 < hold["pan"] == hold["tilt"] and hold["zoom"] == 0 for hold in holds)
    assert holds[0]["pan"] < holds[-1]["pan"] == 1
    assert [path for path, _ in sent(server)][-1] == "/api/camera/release"
    await page.mouse.move(600, 300)
    await page.hover("[data-turn=wide]")
    await page.mouse.down()
    await expect(page.locator("[data-turn=wide]")).to_have_attribute("data-held", "true")
    await page.mouse.up()
    assert held(server)[-1]["zoom"] < 0
    assert held(server)[-1]["press"] != holds[0]["press"]


async def test_the_camera_is_let_go_on_every_way_out(serve: Serve, open_page: OpenPage, complaints: Complaints) -> None:
    complaints.expected = {503}
    server = camera_room(serve, TURNS)
    page = await open_page(server.url)
    for way in ("blur", "pagehide", "closed", "gone", "line", "hidden"):
        server.push("panel", TURNS)
        if not await page.locator("[data-turn=left]").count():
            await page.keyboard.press("Escape")
            await open_camera(page)
        await leaves(server, page, way)
        await page.mouse.up()


async def leaves(server: PageServer, page: Page, way: str) -> None:
    server.asked.clear()
    await page.hover("[data-turn=left]")
    await page.mouse.down()
    await expect(page.locator("[data-turn=left]")).to_have_attribute("data-held", "true")
    if way in ("blur", "pagehide"):
        await page.evaluate(f"dispatchEvent(new Event('{way}'))")
    elif way == "hidden":
        await page.evaluate(
            "Object.defineProperty(document, 'visibilityState', {value: 'hidden', configurable: true});"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )
    elif way == "line":
        server.events_path = ""
        server.answers["/api/events"] = refusal("internal", 503)
        server.cut_lines()
    elif way == "closed":
        await page.keyboard.press("Escape")
    else:
        server.push("panel", but(LIVE, ptz=SILENT))
    await was_let_go(server, page)
    assert released(server) == [held(server)[0]["press"]], way
    count = len(held(server))
    await page.wait_for_timeout(450)
    assert len(held(server)) == count, way
    if way == "line":
        server.events_path = "/api/events"
        await expect(page.locator("#panel")).to_have_attribute("data-stale", "false")


async def test_the_keyboard_turns_it_too(serve: Serve, open_page: OpenPage) -> None:
    server = camera_room(serve, TURNS)
    page = await open_page(server.url)
    await open_camera(page)
    await page.focus("[data-turn=up]")
    await page.keyboard.down("ArrowLeft")
    await page.keyboard.down("ArrowDown")
    await page.wait_for_timeout(300)
    await page.keyboard.up("ArrowLeft")
    await page.wait_for_timeout(300)
    await page.keyboard.up("ArrowDown")
    await was_let_go(server, page)
    signs = list(dict.fromkeys((hold["pan"] < 0, hold["tilt"] < 0) for hold in held(server)))
    assert signs[-2:] == [(True, True), (False, True)]
    await page.keyboard.down("+")
    await page.wait_for_timeout(100)
    await page.keyboard.press("Tab")  # the focus goes elsewhere
    await page.keyboard.up("+")
    await was_let_go(server, page, 2)
    assert held(server)[-1]["zoom"] > 0
    await page.focus("[data-turn=up]")
    await page.keyboard.down("Enter")
    await page.wait_for_timeout(250)
    await page.keyboard.up("Enter")
    await was_let_go(server, page, 3)
    assert held(server)[-1]["tilt"] > 0
    before = len(held(server))
    await page.locator("[data-turn=right]").evaluate("one => one.click()")  # as a screen reader does
    await was_let_go(server, page, 4)
    assert {hold["pan"] > 0 for hold in held(server)[before:]} == {True}


async def test_a_refused_hold_is_told_once_and_not_said_again(
    serve: Serve, open_page: OpenPage, complaints: Complaints
) -> None:
    complaints.expected = {503}
    server = camera_room(serve, TURNS)
    server.answers["POST /api/camera/hold"] = refusal("device-lost", 503)
    page = await open_page(server.url)
    await open_camera(page)
    await page.hover("[data-turn=left]")
    await page.mouse.down()
    await page.wait_for_timeout(700)
    await page.mouse.up()
    assert len(held(server)) == 1
    await expect(page.locator("#refusal")).to_contain_text("Un appareil s’est arrêté")


# --- views that are stored, and looked at -----------------------------------------------------------------------------


_TOUCHED_TWICE_JS = """async () => {
  document.querySelector('dialog [data-preset=teacher]').click();
  while (!document.querySelector('#save-yes')) await new Promise(requestAnimationFrame);
  document.querySelector('#save-yes').click();
}"""


async def test_a_view_is_stored_after_a_second_deliberate_touch(serve: Serve, open_page: OpenPage) -> None:
    server = camera_room(serve, TURNS)
    server.answers["POST /api/camera/store"] = TURNS
    page = await open_page(server.url)
    await open_camera(page)
    await page.click("#save-view")
    await assert_accessible(page, enhanced=True)
    await page.evaluate(_TOUCHED_TWICE_JS)  # the same touch, a moment later
    await expect(page.locator("#save-no")).to_be_focused()
    await assert_accessible(page, enhanced=True)
    await page.click("#save-no")
    assert sent(server) == []
    await page.click("dialog [data-preset=board]")
    await page.wait_for_timeout(600)  # longer than one touch takes
    await page.click("#save-yes")
    await expect(page.locator("#save-view")).to_be_visible()
    assert sent(server) == [("/api/camera/store", {"preset": "board"})]


async def test_behind_the_pin_nothing_is_stored_and_the_class_asks_for_it(serve: Serve, open_page: OpenPage) -> None:
    server = camera_room(serve, STATES["class locked"])
    page = await open_page(server.url)
    await open_camera(page)
    await expect(page.locator("#save-view, [data-preset=class]")).to_have_count(0)
    await page.click("dialog .class-words button")
    await expect(page.locator("dialog.pin")).to_be_visible()
    await expect(page.locator("dialog")).to_have_count(1)


async def test_a_view_is_shown_after_somebody_looked_at_it(serve: Serve, open_page: OpenPage) -> None:
    server = camera_room(serve, STATES["to check"])
    server.answers["POST /api/camera/confirm"] = TURNS
    page = await open_page(server.url)
    await expect(page.locator(".facts")).to_contain_text("La vue Tableau n’a pas encore été vérifiée")
    await expect(page.locator(".facts")).to_contain_text(
        await page.locator("#camera-turn").inner_text()
    )  # what to touch
    server.answers["/api/camera/check.jpg"] = None
    await open_camera(page)
    await expect(page.locator("#check-yes")).to_have_attribute("aria-disabled", "true")
    await page.wait_for_timeout(600)
    await page.locator("#check-yes").dispatch_event("click")  # nothing was seen yet
    assert sent(server) == []
    server.answers["/api/camera/check.jpg"] = PIXEL
    await expect(page.locator("#check-yes")).to_have_attribute("aria-disabled", "false")
    await assert_accessible(page, enhanced=True)
    await page.click("#check-no")
    await page.click("#check")
    await expect(page.locator("#check-yes")).to_have_attribute("aria-disabled", "false")
    await page.wait_for_timeout(600)
    await page.click("#check-yes")
    await expect(page.locator("[data-turn=up]")).to_be_focused()
    assert sent(server) == [("/api/camera/confirm", {"view": "board"})]


async def test_a_class_that_was_moved_is_told_and_can_be_checked(serve: Serve, open_page: OpenPage) -> None:
    server = camera_room(serve, STATES["class moved"])
    server.answers["POST /api/camera/recall"] = STATES["class moved"]
    page = await open_page(server.url)
    await expect(page.locator(".facts")).to_contain_text("la vue Classe n’est plus proposée")
    await expect(page.locator(".beside .view")).to_have_text(["Tableau", "Prof"])
    await open_camera(page)
    await page.click("#class-check")
    await expect(page.locator("#class-check")).to_have_attribute("aria-disabled", "false")
    assert sent(server) == [("/api/camera/recall", {"preset": "class", "to_check": True})]
    server.push("panel", but(LIVE, ptz=PTZ, masks=PanelMasks(cover="moved", to_check="class")))
    await expect(page.locator("dialog h2")).to_have_text("La vue Classe est-elle bonne ?")


async def test_a_camera_that_does_not_turn_is_checked_too(serve: Serve, open_page: OpenPage) -> None:
    server = camera_room(serve, STATES["fixed"])
    server.answers["POST /api/camera/confirm"] = but(LIVE, masks=PanelMasks(), viewers=PUPILS)
    page = await open_page(server.url)
    await open_camera(page)
    await expect(page.locator("#check-yes")).to_have_attribute("aria-disabled", "false")
    await page.wait_for_timeout(600)
    await page.click("#check-yes")
    await expect(page.locator("dialog")).to_have_count(0)
    assert sent(server) == [("/api/camera/confirm", {"view": "camera"})]
