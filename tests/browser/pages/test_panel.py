"""What the room's panel keeps in each state and on each screen: contrast, size, place, language."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from playwright.async_api import expect

from agent.selftest.outcome import Outcome
from protocol.messages import (
    OnAir,
    Text,
)
from protocol.panel import PanelFraming, PanelPtz, PanelScreen, PanelSummary
from tests.browser.pages.conftest import OpenPage, Serve, assert_accessible, assert_fits, in_its_own_fonts
from tests.browser.pages.panel_room import (
    BUSY,
    IDLE,
    LIVE,
    STATES,
    WRONG,
    a_test,
    but,
    microphones,
    pupil,
    room,
    shown,
)
from tests.browser.pages.stub import refusal
from tests.chromium import Complaints

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("dark", [False, True])
async def test_every_state_is_accessible_with_contrast_of_seven(serve: Serve, open_page: OpenPage, dark: bool) -> None:
    server = room(serve, IDLE)
    page = await open_page(server.url, dark=dark)
    await shown(page)
    for name, view in STATES.items():
        server.push("panel", view.model_copy(update={"room_name": name}))
        await expect(page.locator("h1")).to_have_text(name)
        if view.proposal or view.interrupted:
            await expect(page.locator("dialog")).to_be_visible()
        await assert_accessible(page, enhanced=True)


@pytest.mark.parametrize("has_font", [True, False])
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (640, 400), (320, 600)])
async def test_no_size_of_screen_loses_anything(
    serve: Serve, open_page: OpenPage, width: int, height: int, has_font: bool
) -> None:
    """Nor with the fallback font, which is wider and shown until ours has come."""
    server = room(serve, IDLE)
    page = await open_page(server.url, width=width, height=height, has_font=has_font)
    await shown(page)
    for name, view in STATES.items():
        server.push("panel", view.model_copy(update={"room_name": name}))
        await expect(page.locator("h1")).to_have_text(name)  # several views have the same state
        await assert_fits(page)


_BOXES_JS = """() => Object.fromEntries(
  ['board', 'camera'].map(track => [track, document.querySelector(`[data-track=${track}]`)])
    .concat([...document.querySelectorAll('.sent, .facts, .calls, .meter-row, .pupils, .access, .acts, .banners')]
      .map(one => [one.classList[0], one]))
    .map(([name, one]) => [name, one.getBoundingClientRect().toJSON()]))"""


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1366, 768), (1920, 1080), (3840, 2160)])
async def test_a_lesson_fills_the_screen_and_nothing_of_it_is_below(
    serve: Serve, open_page: OpenPage, complaints: Complaints, width: int, height: int
) -> None:
    """The board is as large as it can be beside camera and names; sentences and banners take their room from it."""
    complaints.expected = {409}
    many = tuple(
        pupil(number, f"Anaëlle-Marguerite {number}", deaf=None if number % 3 else "other-sound")
        for number in range(30)
    )
    framing = PanelFraming(mode="crop", is_on=False, doing="off")
    full = but(**{**LIVE.model_dump(), "viewers": many, "framing": framing})
    nothing = OnAir(camera=False, board=False, sound=False)
    worst = {**STATES["incomplete"].model_dump(), "viewers": many, "missing": ("microphone",), "on_air": nothing}
    server = room(serve, full)
    server.answers["POST /api/lesson/pause"] = refusal("lesson-transition", 409)
    page = await open_page(server.url, width=width, height=height)
    await shown(page)

    async def boxes() -> dict[str, Any]:
        await in_its_own_fonts(page)
        found: dict[str, Any] = await page.evaluate(_BOXES_JS)
        for name in ("board", "camera"):
            assert found[name]["width"] == pytest.approx(found[name]["height"] * 16 / 9, abs=2), name
        for name in ("board", "facts", "calls", "camera", "meter-row", "pupils", "access"):
            assert found[name]["bottom"] <= found["acts"]["top"], name
        column = [found[name] for name in ("camera", "pupils", "access")]
        assert all(above["bottom"] <= below["top"] for above, below in pairwise(column))
        assert found["board"]["bottom"] <= found["facts"]["top"]
        assert found["facts"]["bottom"] <= found["calls"]["top"] + 17  # nothing called: it takes no gap
        assert await page.evaluate("document.documentElement.scrollHeight - innerHeight") <= 0
        return found

    found = await boxes()
    board, place = found["board"], found["sent"]
    assert board["width"] > 0.98 * place["width"] or board["height"] > 0.95 * place["height"]
    assert board["height"] > 0.56 * height

    server.push("panel", but(**{**full.model_dump(), "audience": BUSY}))
    await expect(page.locator(".call")).to_have_count(4)
    assert (await boxes())["board"]["height"] > 0.33 * height

    server.push("panel", but(**{**full.model_dump(), "checks": WRONG}))
    await expect(page.locator(".banner.check")).to_have_count(3)
    await boxes()

    late = Outcome("failed", "late")
    at_start = a_test("done", "start", "quiet", uplink=late, clock=late)
    server.push("panel", but(**{**full.model_dump(), "checks": WRONG[:1], "selftest": at_start}))
    await expect(page.locator("#start-findings")).to_be_visible()
    await boxes()
    await page.click("#pause")
    await expect(page.locator("#refusal")).to_be_visible()
    await boxes()
    await page.click("#refusal .button")
    server.push("panel", but(**{**full.model_dump(), "checks": WRONG, "selftest": at_start}))
    await expect(page.locator(".banner.check")).to_have_count(3)
    await boxes()

    server.push("panel", but(**worst))
    await expect(page.locator(".facts li")).to_have_count(5)
    await page.click("#pause")
    await expect(page.locator(".banner")).to_have_count(2)
    assert (await boxes())["board"]["height"] > 0.2 * height


_CODE_JS = """() => {
  const range = document.createRange();
  range.selectNodeContents(document.querySelector('#code'));
  return range.getBoundingClientRect().right;
}"""
_LIST_JS = """() => {
  const list = document.querySelector('.names').getBoundingClientRect();
  const whole = [...document.querySelectorAll('.names li')].filter(
    (one) => one.getBoundingClientRect().bottom <= list.bottom + 1);
  const parts = ['.top', '.banners', '[data-track=board]', '#screen', '.calls', '.side', '.pupils', '.access', '.acts']
    .map((name) => [name, document.querySelector(name)])
    .filter(([, one]) => one && one.getBoundingClientRect().height > 0)
    .map(([name, one]) => [name, one.getBoundingClientRect()]);
  const isOver = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1;
  const over = parts.flatMap(([name, a], n) =>
    parts.slice(n + 1).filter(([, b]) => isOver(a, b)).map(([other]) => name + ' over ' + other));
  return [whole.length, document.documentElement.scrollHeight - innerHeight, over];
}"""


@pytest.mark.parametrize("locale", ["fr-FR", "en-GB"])
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1024, 768), (1920, 1080)])
async def test_three_pupils_are_in_sight_and_nothing_lies_over_anything(
    serve: Serve, open_page: OpenPage, width: int, height: int, locale: str
) -> None:
    """A notice, the code or a shared screen take their room from sentences and pictures, not from the pupils' list."""
    some = tuple(pupil(n, f"Lina {n}", deaf="muted" if n == 2 else None) for n in range(1, 13))
    live = {**LIVE.model_dump(), "viewers": some}
    views = {
        "live": but(**live),
        "three": but(**{**live, "viewers": some[:3]}),
        "notice": but(**{**live, "checks": WRONG[:1]}),
        "two": but(**{**live, "checks": WRONG[:2]}),
        "unlocked": but(**{**live, "pin": "open"}),
        "locked": but(**{**live, "pin": "locked", "access": None}),
        "no code": but(**{**live, "access": None}),
        "shared": but(**{**live, "screen": PanelScreen(state="shown"), "checks": WRONG[:1]}),
    }
    server = room(serve, LIVE)
    page = await open_page(server.url, width=width, height=height, locale=locale)
    await shown(page)
    for name, told in views.items():
        server.push("panel", told.model_copy(update={"room_name": name}))
        await expect(page.locator("h1")).to_have_text(name)
        await in_its_own_fonts(page)
        whole, below, over = await page.evaluate(_LIST_JS)
        assert (over, below) == ([], 0), name
        assert whole >= 3, name
        code, button = await page.locator("#code").all(), page.locator("#qr-large")
        if code and height < 1000 and name != "unlocked":  # beside each other in one line
            ends, begins = await page.evaluate(_CODE_JS), await button.evaluate("b => b.getBoundingClientRect().left")
            assert ends + 6 <= begins, name


async def test_what_is_touched_and_read_is_large(serve: Serve, open_page: OpenPage) -> None:
    server = room(serve, LIVE)
    page = await open_page(server.url)
    await shown(page)
    small = "() => [...document.querySelectorAll('button')].map(one => one.getBoundingClientRect())"
    boxes = await page.evaluate(f"({small})().filter(b => b.height).map(b => [b.width, b.height])")
    assert min(high for _, high in boxes) >= 64
    assert min(wide for wide, _ in boxes) >= 48
    assert await page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)") >= 20
    # in a lesson nothing that must be touched is out of sight
    stop = await page.locator("#stop").bounding_box()
    assert stop is not None
    assert stop["y"] + stop["height"] <= 800


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1366, 768), (1920, 1080), (3840, 2160)])
async def test_nobody_scrolls_for_start_nor_for_what_is_wrong(
    serve: Serve, open_page: OpenPage, width: int, height: int
) -> None:
    problems = [Text(fr=f"{what} a manqué.", en="x") for what in ("La caméra", "Le micro", "Le tableau", "Le son")]
    problems.append(Text(fr="Le micro s’est arrêté ; un autre a pris sa place.", en="x"))
    summary = PanelSummary(lesson="l-0", duration_s=2540, viewers_most=8, problems=tuple(problems))
    turning = PanelPtz(is_connected=True, can_turn=True, can_zoom=True)
    server = room(serve, IDLE)
    page = await open_page(server.url, width=width, height=height)
    await shown(page)
    for name in ("idle", "after", "being tested", "tested"):
        after = None if name == "idle" else summary
        full = {**STATES[name].model_dump(), "room_name": name, "ptz": turning, "summary": after}
        server.push("panel", but(**full))
        await expect(page.locator("h1")).to_have_text(name)
        await in_its_own_fonts(page)
        assert await page.evaluate("document.documentElement.scrollHeight - innerHeight") <= 0, name
        for wanted in ("#start", "#copy", *(("#test",) if name in ("idle", "after") else (".test-steps li",))):
            box = await page.locator(wanted).first.bounding_box()
            assert box is not None, (name, wanted)
            assert box["y"] + box["height"] <= height, (name, wanted)
    ill = await page.locator(".test-steps li[data-state=warning]").bounding_box()
    steps = await page.locator(".test-steps").bounding_box()
    assert ill is not None
    assert steps is not None
    assert ill["y"] + ill["height"] <= steps["y"] + steps["height"]


_AIR_JS = """() => Object.fromEntries([...document.querySelectorAll('.acts .button')].map(one => {
  const [edge, words] = [one.getBoundingClientRect(), one.querySelector('span').getBoundingClientRect()];
  return [one.id, Math.min(words.left - edge.left, edge.right - words.right)];
}))"""


@pytest.mark.parametrize("framed", [False, True])
@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1920, 1080)])
async def test_a_room_with_everything_has_its_acts_in_one_row_and_air_beside_each_word(
    serve: Serve, open_page: OpenPage, width: int, height: int, language: str, framed: bool
) -> None:
    framing = PanelFraming(mode="crop", is_on=framed, doing="following" if framed else "off")
    turning = PanelPtz(is_connected=True, can_turn=True, can_zoom=True)
    everything = {"framing": framing, "microphones": microphones("desk"), "ptz": turning, "frozen": True}
    page = await open_page(room(serve, but(**{**LIVE.model_dump(), **everything})).url, width=width, height=height)
    await expect(page.locator("#framing")).to_be_visible()
    if language == "en":
        await page.click("text=English")
        await expect(page.locator("#framing")).to_have_text("Stop the framing" if framed else "Automatic framing")
    await page.evaluate("document.fonts.ready.then(() => null)")  # the font that stands in meanwhile is wider
    air = await page.evaluate(_AIR_JS)
    assert len(air) == 11
    assert min(air.values()) >= 6, air
    tops = await page.evaluate("new Set([...document.querySelectorAll('.acts .button')].map(b => b.offsetTop)).size")
    assert tops == 1
    await assert_fits(page)


_CUT_JS = """() => {
  const [frame, words] = ['.side .preview', '.side .preview .brief'].map(one => document.querySelector(one));
  const range = document.createRange();
  range.selectNodeContents(words);
  const [edge, text] = [frame.getBoundingClientRect(), range.getBoundingClientRect()];
  const beside = Math.min(text.left - edge.left, edge.right - text.right);
  return [text.height, Math.min(beside, text.top - edge.top, edge.bottom - text.bottom)];
}"""


@pytest.mark.parametrize("locale", ["fr-FR", "en-GB"])
async def test_a_small_picture_that_is_not_there_has_few_words_and_all_of_them(
    serve: Serve, open_page: OpenPage, locale: str
) -> None:
    live = LIVE.model_dump()
    views = {
        "waiting": LIVE,
        "paused": but(**{**live, "paused": True}),
        "off": but(**{**live, "on_air": OnAir(camera=False)}),
        "missing": but(**{**live, "missing": ("camera",)}),
    }
    server = room(serve, LIVE)
    page = await open_page(server.url, locale=locale)
    await shown(page)
    for name, view in views.items():
        server.push("panel", but(**{**view.model_dump(), "room_name": name, "checks": WRONG[:1]}))
        await expect(page.locator("h1")).to_have_text(name)
        height, air = await page.evaluate(_CUT_JS)
        assert height > 0, name
        assert air >= 0, name


async def test_help_closes_without_scrolling_however_much_is_wrong(serve: Serve, open_page: OpenPage) -> None:
    page = await open_page(room(serve, STATES["unwell"]).url)
    await page.click("#help")
    await expect(page.locator("#help-close")).to_be_visible()
    close = await page.locator("#help-close").bounding_box()
    assert close is not None
    assert close["y"] + close["height"] <= 800
    assert await page.evaluate("document.querySelector('dialog.help').scrollTop") == 0  # whom to call comes first


async def test_colours_and_language_can_be_chosen_and_are_kept(serve: Serve, open_page: OpenPage) -> None:
    page = await open_page(room(serve, IDLE).url, locale="en-GB")
    await expect(page.locator("#start")).to_have_text("Start the class")
    for _ in range(2):
        await page.click("#theme")
    assert await page.locator("html").get_attribute("data-theme") == "dark"
    await page.click("#lang")
    await page.reload()
    await expect(page.locator("#start")).to_have_text("Démarrer la classe")
    assert await page.locator("html").get_attribute("data-theme") == "dark"
