"""The pupil's two pictures and the sound, with real media that the browser itself makes; no room, no network."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.pages.conftest import OpenPage, Serve, assert_accessible

pytestmark = pytest.mark.asyncio(loop_scope="session")

_BEGIN_JS = """async () => {
  const { Stage } = await import('/static/pupil/stage.js');
  const { words } = await import('/static/pupil/page.js');
  while (!words.isLoaded) await new Promise((done) => setTimeout(done, 20));
  // The page's own stage would write into the same elements each second.
  for (let timer = setTimeout(() => {}, 0); timer > 0; timer -= 1) clearInterval(timer);
  document.documentElement.dataset.phase = 'class';
  for (const section of document.querySelectorAll('main > section')) section.hidden = section.id !== 'class';
  window.draw = colour => {
    const canvas = document.createElement('canvas');
    Object.assign(canvas, { width: 320, height: 180 });
    const context = canvas.getContext('2d');
    setInterval(() => { context.fillStyle = colour; context.fillRect(0, 0, 320, 180); }, 50);
    return canvas.captureStream(20).getVideoTracks()[0];
  };
  window.tone = () => {
    const audio = new AudioContext();
    const out = audio.createMediaStreamDestination();
    const source = audio.createOscillator();
    source.connect(out);
    source.start();
    return out.stream.getAudioTracks()[0];
  };
  window.stage = new Stage();
  stage.tick(false);
}"""
_SHOW_JS = "() => stage.show({ sound: tone(), board: draw('#0a0'), camera: draw('#00a') })"
_SHOW_NOTHING_JS = """() => {
  const still = document.createElement('canvas').captureStream(0);
  stage.show({ board: still.getVideoTracks()[0] });
}"""
_REFUSE_JS = """() => {
  const play = HTMLMediaElement.prototype.play;
  HTMLMediaElement.prototype.play = function () {
    if (this.muted || window.touched) return play.call(this);
    return Promise.reject(new DOMException('play() needs a touch', 'NotAllowedError'));
  };
}"""


@pytest.fixture
def url(serve: Serve) -> str:
    return serve("pupil").url


async def stage(open_page: OpenPage, url: str) -> Page:
    page = await open_page(url)
    await expect(page.locator("html[data-phase=join]")).to_be_attached()
    await page.evaluate(_BEGIN_JS)
    return page


async def state(page: Page, tile: str, value: str) -> None:
    await expect(page.locator(f"#tile-{tile}")).to_have_attribute("data-state", value)


async def test_words_until_a_picture_comes_and_then_the_picture(open_page: OpenPage, url: str) -> None:
    page = await stage(open_page, url)
    await expect(page.locator("#tile-board .poster")).to_have_text("Le tableau arrive…")
    await expect(page.locator("#board")).to_be_hidden()
    await page.evaluate(_SHOW_JS)
    for tile in ("board", "camera"):
        await state(page, tile, "playing")
        await expect(page.locator(f"#{tile}")).to_be_visible()
        await expect(page.locator(f"#tile-{tile} .poster")).to_be_hidden()
    assert await page.evaluate("stage.output()") == "playing"
    await assert_accessible(page)


async def test_the_last_picture_stays_while_another_connection_begins(open_page: OpenPage, url: str) -> None:
    page = await stage(open_page, url)
    await page.evaluate(_SHOW_JS)
    await state(page, "board", "playing")
    await page.evaluate(_SHOW_NOTHING_JS)
    await state(page, "board", "last")
    await expect(page.locator("#tile-board canvas.last")).to_be_visible()
    green = "document.querySelector('#tile-board canvas.last').getContext('2d').getImageData(9, 9, 1, 1).data[1]"
    assert await page.evaluate(green) > 100
    await page.evaluate(_SHOW_JS)
    await state(page, "board", "playing")
    await expect(page.locator("#tile-board canvas.last")).to_be_hidden()


async def test_a_refused_sound_is_asked_for_and_the_pictures_play_meanwhile(open_page: OpenPage, url: str) -> None:
    page = await stage(open_page, url)
    await page.evaluate(_REFUSE_JS)
    await page.evaluate(_SHOW_JS)
    await state(page, "camera", "playing")
    assert await page.evaluate("[stage.isBlocked, stage.speaker.muted, stage.output()]") == [True, True, "blocked"]
    await page.evaluate("touched = true; stage.unblock()")
    assert await page.evaluate("[stage.isBlocked, stage.speaker.muted, stage.output()]") == [False, False, "playing"]


async def test_mute_and_volume_are_the_pupils_and_survive_another_connection(open_page: OpenPage, url: str) -> None:
    page = await stage(open_page, url)
    await page.evaluate("stage.setVolume(0.4); stage.setMuted(true)")
    await page.evaluate(_SHOW_JS)
    await state(page, "camera", "playing")
    assert await page.evaluate("[stage.speaker.muted, stage.speaker.volume, stage.output()]") == [True, 0.4, "muted"]
    await page.evaluate("stage.setMuted(false)")
    assert await page.evaluate("[stage.speaker.muted, stage.speaker.volume, stage.output()]") == [False, 0.4, "playing"]


async def test_what_the_teacher_hides_and_what_fails_is_told_in_words(open_page: OpenPage, url: str) -> None:
    page = await stage(open_page, url)
    await page.evaluate(_SHOW_JS)
    await state(page, "camera", "playing")
    notice = "({ paused: false, on_air: { camera: false, board: true, sound: true }, stand_in: ['board'] })"
    await page.evaluate(f"stage.take({notice})")
    await expect(page.locator("#tile-camera .poster")).to_have_text("La caméra est coupée pour l’instant.")
    await expect(page.locator("#tile-camera .poster")).to_be_visible()
    await expect(page.locator("#tile-board .note")).to_have_text(
        "Le tableau de la salle ne répond plus. La classe continue."
    )
    await page.evaluate("stage.take(null)")
    await state(page, "camera", "playing")


async def test_a_picture_that_is_no_longer_sent_keeps_its_last_one_with_its_age(open_page: OpenPage, url: str) -> None:
    page = await stage(open_page, url)
    await page.evaluate(_SHOW_JS)
    await state(page, "board", "playing")

    async def note(act: str) -> str:
        """Act and read at once: the page's own stage, which knows of nothing, writes there once a second."""
        text: str = await page.evaluate(f"{act}, document.querySelector('#tile-board .note').textContent")
        return text

    why = "Le tableau n’est pas envoyé ici. C’est ce que ta connexion laisse passer."
    assert await note("stage.takeSending({ sound: 'voice', board: null, camera: null, why: 'line' })") == why
    assert re.fullmatch(
        f"{why} Cette image a 1\\s?min.", await note("stage.tiles.board.movedAt -= 6e4, stage.tick(false)")
    )
    assert await note("stage.takeSending({ sound: 'voice', board: 'full', camera: '720p', why: 'best' })") != why


async def test_a_tap_on_the_small_picture_makes_it_large(open_page: OpenPage, url: str) -> None:
    page = await stage(open_page, url)
    await page.locator("#tile-camera .swap").click()
    await expect(page.locator("#class")).to_have_attribute("data-main", "camera")
    large = await page.locator("#tile-camera").bounding_box()
    small = await page.locator("#tile-board").bounding_box()
    assert large is not None
    assert small is not None
    assert large["width"] > 2 * small["width"]
    await expect(page.locator("#tile-camera .swap")).to_be_hidden()


async def test_without_newer_interfaces_a_picture_is_still_seen(open_page: OpenPage, url: str) -> None:
    page = await stage(open_page, url)
    await page.evaluate("delete HTMLVideoElement.prototype.requestVideoFrameCallback; delete navigator.mediaSession")
    await page.evaluate(_SHOW_JS)
    await state(page, "board", "playing")
