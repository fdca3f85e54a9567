"""The page that shares a screen in each of its states, and what the panel shows of it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from protocol.messages import OnAir
from protocol.pages import ScreenAnswer
from protocol.panel import PanelScreen, PanelView
from tests.browser.pages.conftest import OpenPage, Serve, assert_accessible, assert_fits
from tests.browser.pages.panel_room import LIVE, room, sent
from tests.browser.pages.stub import PageServer, refusal
from tests.browser.people import until
from tests.chromium import Complaints

pytestmark = pytest.mark.asyncio(loop_scope="session")

CODE = "K7QF-92MX"
TICKET = ScreenAnswer(token="t", whip="/whip/b12", room_name="Salle B12")

_SCREEN_JS = """refusal => {
  window.asked = [];
  window.tracks = [];
  navigator.mediaDevices.getDisplayMedia = async (wish) => {
    window.asked.push(wish);
    if (window.refusal) throw new DOMException('no', window.refusal);
    const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 360 });
    const context = canvas.getContext('2d');
    let number = 0;
    setInterval(() => {
      context.fillStyle = (number += 1) % 2 ? '#246' : '#642';
      context.fillRect(0, 0, 640, 360);
    }, 100);
    const stream = canvas.captureStream(10);
    window.tracks.push(...stream.getTracks());
    return stream;
  };
  window.refusal = refusal;
  window.receivers = [];
  window.receive = async (sdp) => {
    const pc = new RTCPeerConnection();
    window.receivers.push(pc);
    await pc.setRemoteDescription({ type: 'offer', sdp });
    await pc.setLocalDescription(await pc.createAnswer());
    while (pc.iceGatheringState !== 'complete') await new Promise((soon) => setTimeout(soon, 10));
    return pc.localDescription.sdp;
  };
}"""
_DECODED_JS = """async () => [...(await window.receivers.at(-1).getStats()).values()]
  .some((one) => one.type === 'inbound-rtp' && one.kind === 'video' && one.framesDecoded > 2)"""


class Share:
    """The page, and what becomes of its offers."""

    def __init__(self, page: Page, server: PageServer) -> None:
        self.page = page
        self.server = server
        self.asked: list[str] = []
        self.refused: tuple[str, int] | None = None
        self.may_answer: asyncio.Event | None = None
        """What an offer waits for."""

    async def prepare(self) -> None:
        await self.page.evaluate(_SCREEN_JS, None)

        async def whip(route: Route) -> None:
            self.asked.append(route.request.method)
            if self.may_answer is not None and route.request.method == "POST":
                await self.may_answer.wait()
            if route.request.method != "POST":
                await route.fulfill(status=200)
            elif self.refused is not None:
                problem = refusal(*self.refused).model_dump_json()
                await route.fulfill(status=self.refused[1], content_type="application/problem+json", body=problem)
            else:
                answer = await self.page.evaluate("sdp => window.receive(sdp)", route.request.post_data)
                headers = {"Location": "/whip/b12/s-1", "Content-Type": "application/sdp"}
                await route.fulfill(status=201, headers=headers, body=answer)

        await self.page.route("**/whip/**", whip)

    async def is_in(self, state: str) -> None:
        await expect(self.page.locator("html")).to_have_attribute("data-state", state)

    async def to_ready(self) -> None:
        await self.page.fill("#code", CODE)
        await self.page.click("#go")
        await self.is_in("ready")

    async def to_live(self) -> None:
        await self.to_ready()
        await self.page.click("#share")
        await self.is_in("live")

    async def looks_right(self) -> None:
        """Assert what holds in every state."""
        await assert_accessible(self.page, enhanced=True)
        await assert_fits(self.page)


async def opened(serve: Serve, open_page: OpenPage, path: str = "/", **how: Any) -> Share:
    server = serve("screen")
    server.answers["POST /api/v1/screen"] = TICKET
    share = Share(await open_page(server.url + path, **how), server)
    await share.prepare()
    await share.is_in("code")
    return share


@pytest.mark.parametrize(
    "how", [{}, {"dark": True}, {"locale": "en-GB"}, {"width": 360, "height": 640, "phone": True}], ids=str
)
async def test_from_the_code_to_the_end_it_says_who_sees_what(
    serve: Serve, open_page: OpenPage, how: dict[str, Any]
) -> None:
    share = await opened(serve, open_page, f"/#{CODE.lower()}", **how)
    page, is_french = share.page, "locale" not in how
    await expect(page.locator("#code")).to_have_value(CODE)
    assert "#" not in page.url, "a code stays in no history"
    await share.looks_right()
    await page.click("#go")
    await share.is_in("ready")
    assert json.loads(share.server.asked[-1][2]) == {"code": CODE}
    await expect(page.locator("#words")).to_contain_text("Salle B12")
    await expect(page.locator("#share")).to_be_focused()
    await expect(page.locator("#sign")).to_be_hidden()
    await share.looks_right()

    await page.click("#share")
    await share.is_in("live")
    [wish] = await page.evaluate("window.asked")
    assert wish["audio"] is False
    assert wish["video"]["width"]["max"] == 1920
    await expect(page.locator("#sign")).to_have_text("En direct" if is_french else "Live")
    await until(lambda: page.evaluate(_DECODED_JS), "pictures arrive")
    parameters = await page.evaluate("window.estrade.connection.pc.getSenders()[0].getParameters().encodings[0]")
    assert (parameters["maxBitrate"], parameters["maxFramerate"]) == (3_000_000, 15)
    assert await page.evaluate("window.tracks[0].contentHint") == "detail"
    await until(lambda: page.evaluate("document.querySelector('#preview').videoWidth > 0"), "its own picture")
    await share.looks_right()

    await page.click("#other")
    await until(lambda: page.evaluate("window.tracks.length === 2"), "another choice")
    await until(lambda: page.evaluate("window.tracks[0].readyState === 'ended'"), "the first is closed")
    await share.is_in("live")
    assert share.asked.count("POST") == 1, "over the same connection"

    await page.click("#stop")
    await share.is_in("over")
    await expect(page.locator("#sign")).to_be_hidden()
    await expect(page.locator("#preview")).to_be_hidden()
    assert await page.evaluate("window.tracks.every((one) => one.readyState === 'ended')")
    await until(lambda: share_deleted(share), "the room is told")
    await share.looks_right()
    await page.click("#again")
    await share.is_in("code")
    await expect(page.locator("#code")).to_have_value("")
    await expect(page.locator("#code")).to_be_focused()


async def share_deleted(share: Share) -> bool:
    return "DELETE" in share.asked


async def test_the_browsers_own_stop_ends_it_and_a_second_choice_that_is_refused_does_not(
    serve: Serve, open_page: OpenPage
) -> None:
    share = await opened(serve, open_page)
    await share.to_live()
    await share.page.evaluate("window.refusal = 'NotAllowedError'")
    await share.page.click("#other")
    await until(lambda: share.page.evaluate("window.asked.length === 2"), "it was asked for")
    await share.is_in("live")
    await share.page.evaluate("window.tracks[0].stop(); window.tracks[0].dispatchEvent(new Event('ended'))")
    await share.is_in("over")
    await expect(share.page.locator("#problem")).to_contain_text("ne voient plus votre écran")


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        ("screen-code-wrong", 404, "Ce n’est pas le code des élèves"),
        ("screen-code-used", 409, "a déjà servi"),
        ("lesson-ended", 410, "terminée"),
        ("code-throttled", 429, "Il faut attendre 42 s"),
        ("broker-unavailable", 503, ""),
    ],
)
async def test_a_code_that_is_not_taken_says_why_and_may_be_typed_again(
    serve: Serve, open_page: OpenPage, complaints: Complaints, code: str, status: int, words: str
) -> None:
    share = await opened(serve, open_page)
    complaints.expected.add(status)
    share.server.answers["POST /api/v1/screen"] = refusal(code, status, retry_after_s=42)
    await share.page.fill("#code", "K7QF")
    await share.page.click("#go")
    await expect(share.page.locator("#problem")).to_contain_text("huit lettres")
    assert not share.server.asked, "what cannot be a code is no guess"
    await share.page.fill("#code", CODE)
    await share.page.click("#go")
    await expect(share.page.locator("#problem")).to_contain_text(words)
    await share.is_in("code")
    await share.looks_right()
    share.server.answers["POST /api/v1/screen"] = TICKET
    await share.page.click("#go")
    await share.is_in("ready")
    await expect(share.page.locator("#problem")).to_be_hidden()


@pytest.mark.parametrize(
    ("name", "words"), [("NotAllowedError", "Rien n’a été choisi"), ("NotReadableError", "autre fenêtre")]
)
async def test_a_choice_that_is_refused_may_be_made_again(
    serve: Serve, open_page: OpenPage, name: str, words: str
) -> None:
    share = await opened(serve, open_page)
    await share.to_ready()
    await share.page.evaluate("name => (window.refusal = name)", name)
    await share.page.click("#share")
    await expect(share.page.locator("#problem")).to_contain_text(words)
    await share.is_in("ready")
    await share.looks_right()
    await share.page.evaluate("window.refusal = null")
    await share.page.click("#share")
    await share.is_in("live")


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        ("screen-stopped", 409, "La salle est revenue à son tableau"),
        ("screen-replaced", 409, "pris la place"),
        ("screen-not-granted", 409, "nouveau code"),
        ("screen-too-large", 409, "trop grande"),
        ("lesson-ended", 410, "terminée"),
        ("token-invalid", 401, "nouveau code"),
        ("no-common-codec", 406, "VP8"),
    ],
)
async def test_a_line_that_breaks_is_made_anew_until_the_room_says_that_it_is_over(
    serve: Serve, open_page: OpenPage, complaints: Complaints, code: str, status: int, words: str
) -> None:
    share = await opened(serve, open_page)
    await share.to_live()
    complaints.expected |= {409, status}
    share.refused = "room-offline", 409
    await share.page.evaluate("window.receivers[0].close()")
    await share.is_in("lost")
    await expect(share.page.locator("#problem")).to_contain_text("La salle est éteinte")
    await expect(share.page.locator("#sign")).to_be_hidden()
    assert await share.page.evaluate("window.tracks[0].readyState") == "live", "nobody is asked again what to show"
    assert "DELETE" not in share.asked, "it has not ended"
    await share.looks_right()
    share.refused = None
    await share.is_in("live")
    share.refused = code, status
    await share.page.evaluate("window.receivers.at(-1).close()")
    await share.is_in("over")
    await expect(share.page.locator("#problem")).to_contain_text(words)
    assert await share.page.evaluate("window.tracks.every((one) => one.readyState === 'ended')")
    await share.looks_right()


@pytest.mark.parametrize("how", [{}, {"dark": True}, {"locale": "en-GB"}], ids=str)
async def test_a_room_that_goes_back_to_its_board_is_no_fault_of_the_network(
    serve: Serve, open_page: OpenPage, complaints: Complaints, how: dict[str, Any]
) -> None:
    share = await opened(serve, open_page, **how)
    page, is_french = share.page, "locale" not in how
    await share.to_live()
    await page.mouse.move(0, 0)  # the next button comes where this one was
    complaints.expected.add(409)
    may_answer = asyncio.Event()
    share.refused, share.may_answer = ("screen-stopped", 409), may_answer
    await page.evaluate("window.receivers[0].close()")
    await share.is_in("asking")
    await expect(page.locator("#title")).to_have_text(
        "Vos élèves ne voient plus votre écran" if is_french else "Your pupils no longer see your screen"
    )
    await expect(page.locator("#problem")).to_be_hidden()
    await expect(page.locator("#sign")).to_be_hidden()
    await share.looks_right()
    may_answer.set()
    await share.is_in("over")
    await expect(page.locator("#problem")).to_contain_text("nouveau code" if is_french else "a new code")
    await expect(page.locator("#problem")).to_have_attribute("data-sort", "fine")
    await share.looks_right()


async def test_a_phone_is_told_that_it_cannot(serve: Serve, open_page: OpenPage) -> None:
    server = serve("screen")
    page = await open_page(server.url, width=360, height=640, phone=True)
    await page.add_init_script("delete MediaDevices.prototype.getDisplayMedia")
    await page.reload()
    await expect(page.locator("html")).to_have_attribute("data-state", "unsupported")
    await expect(page.locator("#words")).to_contain_text("sur un ordinateur")
    await expect(page.locator("#code")).to_be_hidden()
    await assert_accessible(page, enhanced=True)
    await assert_fits(page)


def screen(**state: Any) -> PanelView:
    return LIVE.model_copy(update={"screen": PanelScreen.model_validate(state)})


OFFERED = {
    "state": "offered",
    "code": CODE,
    "address": "https://estrade.academie.example/screen",
    "remaining_s": 540.0,
}


@pytest.mark.parametrize("how", [{}, {"dark": True}, {"locale": "en-GB"}, {"width": 1920, "height": 1080}], ids=str)
async def test_the_panel_shows_code_state_and_the_way_back(
    serve: Serve, open_page: OpenPage, how: dict[str, Any]
) -> None:
    server = room(serve, LIVE)
    server.answers["POST /api/screen"] = screen(**OFFERED)
    server.answers["POST /api/screen/end"] = LIVE
    page = await open_page(server.url, **how)
    await expect(page.locator("#screen")).to_have_count(0)
    await page.click("#screen-offer")
    await expect(page.locator("#screen-code")).to_have_text(CODE)
    await expect(page.locator("#screen-address")).to_have_text("estrade.academie.example/screen")
    await expect(page.locator("#screen [role=timer]")).to_have_text("9:00")
    await expect(page.locator("#screen-offer")).to_have_attribute("aria-disabled", "true")
    await assert_accessible(page, enhanced=True)
    await assert_fits(page)
    assert await page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    for state in ("waiting", "shown", "silent", "lost"):
        server.push("panel", screen(state=state))
        await expect(page.locator("#screen")).to_have_attribute("data-screen", state)
        await assert_accessible(page, enhanced=True)
        assert await page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    await page.click("#screen-end")
    await expect(page.locator("#screen")).to_have_count(0)
    assert [path for path, _ in sent(server)] == ["/api/screen", "/api/screen/end"]


async def test_what_pupils_see_of_a_shared_screen_is_said_once(serve: Serve, open_page: OpenPage) -> None:
    server = room(serve, screen(state="shown"))
    page = await open_page(server.url)
    words, hidden = page.locator("#screen [role=status]"), {"on_air": OnAir(board=False)}
    await expect(words).to_have_text("Votre ordinateur est montré aux élèves, à la place du tableau.")
    await expect(page.locator("#board-off")).to_have_text("Masquer l’écran")
    for changes, expected in (
        (hidden, "Votre ordinateur est relié et masqué\xa0: les élèves ne le voient pas."),
        ({"paused": True}, "Votre ordinateur est relié\xa0; en pause, les élèves ne le voient pas."),
        ({"frozen": True}, "Votre ordinateur est relié et figé\xa0: les élèves gardent la dernière image."),
    ):
        server.push("panel", screen(state="shown").model_copy(update=changes))
        await expect(words).to_have_text(expected)
        await expect(page.locator(".facts li")).to_have_count(1 if "paused" in changes else 0)
    server.push("panel", screen(state="shown").model_copy(update=hidden))
    await expect(page.locator("#board-off")).to_have_text("Montrer l’écran")
    await expect(page.locator("[data-track=board] .instead")).to_have_text(
        "Écran masqué\xa0: les élèves ne le voient pas."
    )
    await assert_accessible(page, enhanced=True)
    for state in ("waiting", "silent", "lost"):
        server.push("panel", screen(state=state).model_copy(update=hidden))
        await expect(words).to_contain_text("masqué")
        await expect(page.locator(".facts li")).to_have_count(0)


async def test_behind_the_pin_the_code_is_hidden_and_asked_for_after_the_pin(serve: Serve, open_page: OpenPage) -> None:
    locked = LIVE.model_copy(update={"pin": "locked", "access": None})
    server = room(serve, locked)
    page = await open_page(server.url)
    await page.click("#screen-offer")
    await expect(page.locator("#pin")).to_be_visible()
    await page.keyboard.press("Escape")
    hidden = screen(**{**OFFERED, "code": None}).model_copy(update={"pin": "locked", "access": None})
    server.push("panel", hidden)
    await expect(page.locator("#screen")).to_contain_text("il est caché")
    assert not sent(server)


async def test_a_centre_that_is_away_is_said(serve: Serve, open_page: OpenPage, complaints: Complaints) -> None:
    server = room(serve, LIVE)
    complaints.expected.add(503)
    server.answers["POST /api/screen"] = refusal("broker-unavailable", 503)
    page = await open_page(server.url)
    await page.click("#screen-offer")
    await expect(page.locator("#refusal")).to_be_visible()
