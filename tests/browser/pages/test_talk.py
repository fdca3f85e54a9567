"""The floor on both pages: what the pupil is asked and told, and what the teacher sees of it."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from protocol import channel
from protocol.panel import PanelAudience, PanelHand, PanelLevel, PanelTalk
from tests.browser.pages.conftest import OpenPage, Serve, assert_accessible, assert_fits
from tests.browser.pages.panel_room import room, sent, shown
from tests.browser.pages.stub import refusal
from tests.browser.pages.test_panel_audience import answering, live
from tests.browser.pages.test_pupil_channel import NOTICE, Room, in_class
from tests.browser.people import until
from tests.chromium import Complaints

pytestmark = pytest.mark.asyncio(loop_scope="session")

TAKEN = channel.You(hand="taken", may_speak=True)

_MICROPHONE_JS = """refusal => {
  window.tracks = [];
  window.asked = [];
  navigator.mediaDevices.getUserMedia = async (wish) => {
    window.asked.push(wish);
    if (refusal) throw new DOMException('no', refusal);
    const audio = new AudioContext();
    const voice = audio.createOscillator();
    const out = audio.createMediaStreamDestination();
    voice.connect(out);
    voice.start();
    window.tracks.push(...out.stream.getTracks());
    return out.stream;
  };
  window.listen = async (sdp) => {
    const pc = (window.listener = new RTCPeerConnection());
    await pc.setRemoteDescription({ type: 'offer', sdp });
    await pc.setLocalDescription(await pc.createAnswer());
    while (pc.iceGatheringState !== 'complete') await new Promise((soon) => setTimeout(soon, 10));
    return pc.localDescription.sdp;
  };
}"""
_HEARS_JS = """async () => [...(await window.listener.getStats()).values()]
  .some((one) => one.type === 'inbound-rtp' && one.packetsReceived > 20)"""


async def true(page: Page, condition: str) -> None:
    """Wait until a condition holds in the page."""
    await until(lambda: page.evaluate(condition), condition)


CONNECTED = "window.listener && window.listener.connectionState === 'connected'"


class Floor:
    """What becomes of the page's offer to speak."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.asked: list[str] = []
        self.refused: str | None = None

    async def open(self, refusal_name: str | None = None) -> None:
        await self.page.evaluate(_MICROPHONE_JS, refusal_name)

        async def whip(route: Route) -> None:
            self.asked.append(route.request.method)
            if route.request.method != "POST":
                await route.fulfill(status=200)
            elif self.refused is not None:
                problem = refusal(self.refused, 409)
                await route.fulfill(status=409, content_type="application/problem+json", body=problem.model_dump_json())
            else:
                answer = await self.page.evaluate("sdp => window.listen(sdp)", route.request.post_data)
                headers = {"Location": "/whip/b12/t-1", "Content-Type": "application/sdp"}
                await route.fulfill(status=201, headers=headers, body=answer)

        await self.page.route("**/whip/b12", whip)
        await self.page.route("**/whip/b12/*", whip)

    async def is_closed(self) -> None:
        """Wait until no microphone is open."""
        await true(self.page, "window.tracks.every((track) => track.readyState === 'ended')")


async def called(serve: Serve, open_page: OpenPage, **how: Any) -> tuple[Page, Room, Floor]:
    """A pupil in class whose hand is taken."""
    page, there = await in_class(serve, open_page, **how)
    floor = Floor(page)
    await floor.open()
    await there.says(TAKEN)
    await expect(page.locator("#talk-title")).to_have_text("C’est à toi de parler")
    return page, there, floor


async def test_the_others_are_told_that_a_pupil_speaks_and_the_one_who_does_is_not(
    serve: Serve, open_page: OpenPage
) -> None:
    page, there, _ = await called(serve, open_page)
    sign = page.locator("#speaks-fact")
    spoken = NOTICE.model_copy(update={"pupil_speaks": True})
    await page.click("#talk-start")
    await there.says(channel.Talk(state="heard"), spoken)
    await expect(page.locator("#talk-title")).to_have_text("On t’entend")
    await expect(sign).to_be_hidden()
    await page.click("#talk-end")
    await there.says(channel.You())  # before the room says that nobody is heard any more
    await expect(page.locator("#talk")).to_be_hidden()
    await expect(sign).to_be_hidden()
    await there.says(NOTICE, spoken)
    await expect(sign).to_have_text("Un élève parle")
    await expect(page.locator("#announce")).to_have_text("Un élève parle")
    await assert_accessible(page)
    await assert_fits(page)
    await there.says(NOTICE)
    await expect(sign).to_be_hidden()


async def test_a_microphone_is_asked_for_on_the_pupils_tap_and_shown_until_it_is_closed(
    serve: Serve, open_page: OpenPage
) -> None:
    page, there, floor = await called(serve, open_page)
    await expect(page.locator("#talk-start")).to_be_focused()
    assert await page.evaluate("window.asked") == []
    await assert_accessible(page)
    await assert_fits(page)
    await page.click("#talk-start")
    await expect(page.locator("#talk")).to_have_attribute("data-open", "true")
    [wish] = await page.evaluate("window.asked")
    assert wish["audio"]["echoCancellation"]
    assert wish["audio"]["noiseSuppression"]
    assert "video" not in wish
    await true(page, CONNECTED)
    await true(page, _HEARS_JS)
    await true(page, "document.querySelector('#talk-meter span').style.transform > 'scaleX(0.1'")
    for state, title in (
        ("waiting", "Ton micro est ouvert"),
        ("no-loudspeaker", "Il n’y a pas de haut-parleur dans la salle"),
        ("paused", "La classe est en pause"),
        ("heard", "On t’entend"),
    ):
        await there.says(channel.Talk.model_validate({"state": state}))
        await expect(page.locator("#talk-title")).to_have_text(title)
    await there.says(channel.Talk(state="heard", is_room_muted=True))
    await expect(page.locator("#talk-more")).to_contain_text("Le son de la salle est coupé")
    await assert_accessible(page)
    await page.click("#talk-end")
    await floor.is_closed()
    await expect(page.locator("#talk")).to_be_hidden()
    assert await there.heard("hand", 1) == [{"type": "hand", "is_raised": False}]
    assert floor.asked == ["POST", "DELETE"]


@pytest.mark.parametrize("dark", [False, True])
async def test_the_teacher_ends_it_and_the_microphone_is_closed_at_once(
    serve: Serve, open_page: OpenPage, dark: bool
) -> None:
    page, there, floor = await called(serve, open_page, width=320, height=640, dark=dark)
    await page.click("#talk-start")
    await true(page, CONNECTED)
    await there.says(channel.Talk(state="heard"))
    await expect(page.locator("#talk-title")).to_have_text("On t’entend")
    await assert_accessible(page)
    await assert_fits(page)
    await there.says(channel.You())
    await floor.is_closed()
    await expect(page.locator("#talk-words")).to_have_text("Le professeur a repris la parole.")
    await expect(page.locator("#talk")).to_be_hidden(timeout=10_000)  # it lies over the board, and goes by itself


async def test_a_floor_that_the_teacher_took_back_is_not_asked_for_again_whatever_is_heard_first(
    serve: Serve, open_page: OpenPage
) -> None:
    page, there, _ = await called(serve, open_page)
    await page.click("#talk-start")
    await there.says(channel.Talk(state="heard"))
    await expect(page.locator("#talk-title")).to_have_text("On t’entend")
    await there.says(channel.Talk(state="ended", reason="teacher"))
    await expect(page.locator("#talk-words")).to_have_text("Le professeur a repris la parole.")
    await expect(page.locator("#talk-start")).to_be_hidden()
    await there.says(channel.You())
    await expect(page.locator("#talk-start")).to_be_hidden()
    await expect(page.locator("#talk")).to_be_hidden(timeout=10_000)
    assert await there.said("hand") == [], "it is the teacher's doing"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NotAllowedError", "Le micro est bloqué pour cette page."),
        ("NotFoundError", "Cet appareil n’a pas de micro."),
        ("NotReadableError", "Une autre application garde le micro."),
    ],
)
async def test_without_a_microphone_it_says_why_and_what_to_do_and_tries_again(
    serve: Serve, open_page: OpenPage, name: str, words: str
) -> None:
    page, _, floor = await called(serve, open_page)
    await page.evaluate(_MICROPHONE_JS, name)
    await page.click("#talk-start")
    await expect(page.locator("#talk-title")).to_have_text("On ne t’entend pas")
    await expect(page.locator("#talk-words")).to_contain_text(words)
    assert floor.asked == []
    await page.evaluate(_MICROPHONE_JS, None)
    await page.click("#talk-start")
    await expect(page.locator("#talk")).to_have_attribute("data-open", "true")
    await true(page, CONNECTED)


async def test_what_the_room_refuses_is_said_and_the_microphone_closed(
    serve: Serve, open_page: OpenPage, complaints: Complaints
) -> None:
    complaints.expected = {409}
    page, _, floor = await called(serve, open_page)
    floor.refused = "somebody-speaks"
    await page.click("#talk-start")
    await expect(page.locator("#talk-words")).to_have_text("Un autre élève parle. Attends ton tour.")
    await floor.is_closed()


async def test_the_panel_shows_who_speaks_how_loud_and_one_press_ends_it(serve: Serve, open_page: OpenPage) -> None:
    hand = PanelHand(pupil="p1", name="Lina", since_s=1, is_taken=True)
    audience = PanelAudience(hands=(hand,))
    server = room(serve, live(audience, talk=PanelTalk(pupil="p1", name="Lina", state="invited")))
    answering(server, live(PanelAudience()))
    page = await open_page(server.url)
    await shown(page)
    await expect(page.locator("#speaking")).to_contain_text("Lina a la parole. Son micro n’est pas encore ouvert.")
    await expect(page.locator("[data-call=called]")).to_have_count(0)
    for state, words in (
        ("waiting", "a le micro ouvert"),
        ("no-loudspeaker", "n’a pas de haut-parleur"),
        ("paused", "En pause"),
        ("heard", "parle dans la salle"),
    ):
        talk = PanelTalk.model_validate({"pupil": "p1", "name": "", "state": state})
        server.push("panel", live(audience, talk=talk))
        await expect(page.locator("#speaking")).to_contain_text("Un élève")
        await expect(page.locator("#speaking")).to_contain_text(words)
    server.push("level", PanelLevel(rms_dbfs=-50, peak_dbfs=-40, pupil_dbfs=-30))
    await expect(page.locator("#speaking [role=meter]")).to_have_attribute("aria-valuenow", "-30")
    await assert_accessible(page, enhanced=True)
    await assert_fits(page)
    await page.click("#talk-end")
    await expect(page.locator("#speaking")).to_have_count(0)
    assert sent(server) == [("/api/audience/lower", {"pupil": "p1"})]
