"""What a pupil says and is told over the lesson channel: a real connection, whose other end is in the page as well."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from protocol import channel
from protocol.lesson import LessonState
from protocol.messages import OnAir
from tests.browser.pages.conftest import OpenPage, Serve, assert_accessible, assert_fits
from tests.browser.pages.test_pupil import PHONE, centre, phase, view
from tests.browser.people import until
from tests.chromium import Complaints

pytestmark = pytest.mark.asyncio(loop_scope="session")

_ROOM_JS = """() => {
  const audio = new AudioContext();
  const out = audio.createMediaStreamDestination();
  const source = audio.createOscillator();
  source.connect(out);
  source.start();
  const room = (window.room = { said: [], isLobby: false, answers: 0, you: null, notice: null });
  room.answer = async (sdp) => {
    const pc = (room.pc = new RTCPeerConnection());
    room.answers += 1;
    pc.ondatachannel = ({ channel }) => {
      room.channel = channel;
      channel.onmessage = ({ data }) => {
        const message = JSON.parse(data);
        room.said.push(message);
        if (message.type === 'hello') [room.notice, room.you].forEach((one) => room.say(one));
      };
    };
    await pc.setRemoteDescription({ type: 'offer', sdp });
    const [sound] = pc.getTransceivers();
    sound.direction = 'sendonly';
    room.admit = () => sound.sender.replaceTrack(out.stream.getAudioTracks()[0]);
    if (!room.isLobby) await room.admit();
    await pc.setLocalDescription(await pc.createAnswer());
    while (pc.iceGatheringState !== 'complete') await new Promise((soon) => setTimeout(soon, 10));
    return pc.localDescription.sdp;
  };
  room.say = (message) => room.channel.send(JSON.stringify(message));
}"""

NOTICE = channel.Notice(room="Salle B12", state=LessonState.LIVE, paused=False, on_air=OnAir(), elapsed_s=60, viewers=1)


class Room:
    """The other end of the page's connection."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def take_offers(self, *, you: channel.You, is_lobby: bool = False) -> None:
        await self.page.evaluate(_ROOM_JS)
        known = {"you": you.model_dump(), "notice": NOTICE.model_dump(mode="json"), "isLobby": is_lobby}
        await self.page.evaluate("known => void Object.assign(room, known)", known)

        async def whep(route: Route) -> None:
            if route.request.method != "POST":
                await route.fulfill(status=204)
                return
            answer = await self.page.evaluate("sdp => room.answer(sdp)", route.request.post_data)
            headers = {"Location": "/whep/b12/v-1", "ETag": '"v-1"', "Content-Type": "application/sdp"}
            await route.fulfill(status=201, headers=headers, body=answer)

        await self.page.route("**/whep/b12", whep)
        await self.page.route("**/whep/b12/*", whep)

    async def says(self, *messages: channel.FromRoom) -> None:
        await self.page.evaluate("all => all.forEach(room.say)", [one.model_dump(mode="json") for one in messages])

    async def said(self, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self.page.evaluate(
            "kind => room.said.filter(one => one.type === kind)", kind
        )
        return found

    async def heard(self, kind: str, count: int) -> list[dict[str, Any]]:
        """Wait until so many messages of a kind have come; return them."""

        async def has() -> bool:
            return len(await self.said(kind)) >= count

        await until(has, f"{count} {kind}")
        return await self.said(kind)


async def in_class(
    serve: Serve, open_page: OpenPage, *, you: channel.You | None = None, is_lobby: bool = False, **how: Any
) -> tuple[Page, Room]:
    page = await open_page(f"{centre(serve, view('open')).url}/j/good", **(how or PHONE))
    await expect(page.locator("html[data-phase=join]")).to_be_attached()
    room = Room(page)
    await room.take_offers(you=you or channel.You(), is_lobby=is_lobby)
    await page.fill("#name", "Lina")
    await page.click("#enter")
    await phase(page, "lobby" if is_lobby else "class")
    if not is_lobby:
        await expect(page.locator("html[data-line=connected]")).to_be_attached()
    return page, room


async def test_a_hand_is_one_tap_and_says_its_place(serve: Serve, open_page: OpenPage) -> None:
    page, room = await in_class(serve, open_page)
    hand, told = page.locator("#hand"), page.locator("#hand-words")
    await expect(hand).to_have_text("Lever la main")
    await expect(told).to_be_hidden()
    await hand.click()
    await expect(told).to_have_text("Main levée.")
    await expect(hand).to_have_attribute("aria-pressed", "true")
    assert await room.heard("hand", 1) == [{"type": "hand", "is_raised": True}]
    await room.says(channel.You(hand="raised", place=2))
    await expect(told).to_have_text("Main levée\xa0: tu es 2e.")
    await expect(hand).to_have_text("Baisser la main")
    await room.says(channel.You(hand="raised", place=1))
    await expect(told).to_have_text("Main levée\xa0: c’est ensuite à toi.")
    await assert_accessible(page)
    await room.says(channel.You(hand="taken"))
    await expect(told).to_contain_text("C’est à toi\xa0!")
    await expect(page.locator("#announce")).to_contain_text("C’est à toi\xa0!")
    await hand.click()
    assert (await room.heard("hand", 2))[1] == {"type": "hand", "is_raised": False}
    await room.says(channel.You())
    await expect(hand).to_have_text("Lever la main")
    await hand.click()  # the room says nothing: what it says is the truth
    await expect(hand).to_have_attribute("aria-pressed", "true")
    await expect(hand).to_have_attribute("aria-pressed", "false", timeout=8_000)


async def test_hand_and_questions_are_said_again_after_a_loss_under_the_same_id(
    serve: Serve, open_page: OpenPage
) -> None:
    page, room = await in_class(serve, open_page)
    await page.click("#question")
    await page.fill("#question-text", "Page 42 ou 43 ?")
    await page.click("#question-send")
    (asked,) = await room.heard("question", 1)
    assert asked["text"] == "Page 42 ou 43 ?"
    await expect(page.locator("#question-list li")).to_contain_text("Part dès que la connexion est là")
    await room.says(channel.QuestionState(id=asked["id"], state="received"))
    await expect(page.locator("#question-list strong")).to_have_text("Reçue")
    await expect(page.locator("#question-told")).to_have_text("Le professeur a ta question.")
    await assert_accessible(page)

    await page.evaluate("room.isLobby = true, room.pc.close()")  # the next connection brings nothing for now
    await expect(page.locator("html[data-line=lost]")).to_be_attached()
    await page.fill("#question-text", "Et le cahier ?")
    await page.keyboard.press("Control+Enter")
    await page.keyboard.press("Escape")
    await page.evaluate("room.isLobby = false")
    back = await room.heard("question", 3)  # also what a room that fell may have forgotten
    assert [one["text"] for one in back[-2:]] == ["Page 42 ou 43 ?", "Et le cahier ?"]
    assert back[-2]["id"] == asked["id"]
    await room.says(channel.QuestionState(id=asked["id"], state="answered"))
    await room.says(channel.QuestionState(id=back[-1]["id"], state="refused"))
    await page.click("#question")
    rows = page.locator("#question-list strong")
    await expect(rows).to_have_text(["Pas prise\xa0: trop de questions attendent. Réessaie plus tard.", "Répondue"])


async def test_a_raised_hand_is_up_again_by_the_rooms_word(serve: Serve, open_page: OpenPage) -> None:
    page, room = await in_class(serve, open_page, you=channel.You(hand="raised", place=3))
    await expect(page.locator("#hand-words")).to_have_text("Main levée\xa0: tu es 3e.")
    await expect(page.locator("#hand")).to_have_attribute("aria-pressed", "true")
    assert await room.said("hand") == []


async def test_a_reaction_is_one_tap_and_not_hearing_is_told_to_the_room(serve: Serve, open_page: OpenPage) -> None:
    page, room = await in_class(serve, open_page)
    await page.click("#react")
    buttons = page.locator("[data-react]")
    await expect(buttons).to_have_count(5)
    await assert_accessible(page)
    await page.click("[data-react=slower]")
    await expect(page.locator("#react-sheet")).to_be_hidden()
    await expect(page.locator("#announce")).to_have_text("C’est envoyé.")
    assert await room.heard("reaction", 1) == [{"type": "reaction", "kind": "slower"}]
    await page.click("#mute")
    await page.click("#cannot-hear")
    await expect(page.locator("#hear-found")).to_contain_text("coupé")
    assert await room.heard("cannot-hear", 1) == [{"type": "cannot-hear", "found": "muted"}]


async def test_not_hearing_is_taken_back_by_a_tap_or_once_what_was_found_is_over(
    serve: Serve, open_page: OpenPage
) -> None:
    page, room = await in_class(serve, open_page)
    await page.click("#cannot-hear")
    assert await room.heard("cannot-hear", 1) == [{"type": "cannot-hear", "found": "fine"}]
    await expect(page.locator("#hear-again")).to_be_visible()
    await page.wait_for_timeout(3000)
    assert await room.said("can-hear") == [], "where all was well the pupil alone can tell"
    await assert_accessible(page)
    await page.click("#hear-again")
    await expect(page.locator("#hear-found p")).to_have_text(["Tu entends de nouveau.", "La salle le sait."])
    await expect(page.locator("#hear-again")).to_be_hidden()
    assert await room.heard("can-hear", 1) == [{"type": "can-hear"}]
    await page.keyboard.press("Escape")
    await page.click("#mute")
    await page.click("#cannot-hear")
    assert (await room.heard("cannot-hear", 2))[1] == {"type": "cannot-hear", "found": "muted"}
    await page.click("#hear-act")
    assert len(await room.heard("can-hear", 2)) == 2
    await expect(page.locator("#announce")).to_have_text("Tu entends de nouveau.")


_CLOSED_JS = """isClosed => {
  window.state = window.state || Object.getOwnPropertyDescriptor(RTCDataChannel.prototype, 'readyState');
  const state = isClosed ? Object.assign({}, window.state, { get: () => 'closing' }) : window.state;
  Object.defineProperty(RTCDataChannel.prototype, 'readyState', state);
}"""


async def test_what_is_taken_back_without_a_line_is_said_once_it_is_there(serve: Serve, open_page: OpenPage) -> None:
    page, room = await in_class(serve, open_page)
    await page.click("#cannot-hear")
    assert await room.heard("cannot-hear", 1) == [{"type": "cannot-hear", "found": "fine"}]
    await page.evaluate(_CLOSED_JS, True)
    await page.click("#hear-again")
    assert await room.said("can-hear") == []
    await page.evaluate(_CLOSED_JS, False)
    assert await room.heard("can-hear", 1) == [{"type": "can-hear"}]
    await expect(page.locator("#hear-again")).to_be_hidden()


async def test_a_reaction_that_was_sent_is_seen_on_its_button_for_a_moment(serve: Serve, open_page: OpenPage) -> None:
    page, _ = await in_class(serve, open_page)
    react, sent = page.locator("#react"), page.locator("#react .icon.sent")
    await expect(sent).to_be_hidden()
    await page.click("#react")
    await page.click("[data-react=applause]")
    await expect(react).to_have_text("Envoyé")
    await expect(sent).to_be_visible()
    await assert_accessible(page)
    await page.click("#lang")
    await expect(react).to_have_text("Sent")
    await page.click("#lang")
    await expect(react).to_have_text("Réagir", timeout=8_000)
    await expect(sent).to_be_hidden()


async def test_in_a_pause_no_sound_is_said_to_come(serve: Serve, open_page: OpenPage) -> None:
    page, room = await in_class(serve, open_page)
    sound = page.locator("#sound-fact")
    await expect(sound).to_have_text("Son ok")
    await room.says(NOTICE.model_copy(update={"paused": True, "on_air": OnAir(sound=False)}))
    await expect(sound).to_have_text("Son en pause")
    await expect(sound).to_have_attribute("data-state", "off")
    await expect(page.locator("#class-words")).to_contain_text("en pause")
    await assert_accessible(page)
    await page.click("#mute")
    await expect(sound).to_have_text("Son coupé ici")
    await page.click("#mute")
    await room.says(NOTICE)
    await expect(sound).to_have_text("Son ok")


async def test_a_picture_that_is_not_sent_says_why_and_no_fault(serve: Serve, open_page: OpenPage) -> None:
    page, room = await in_class(serve, open_page)
    poster, note = page.locator("#tile-camera .poster"), page.locator("#tile-camera .note")
    await room.says(channel.Sending(sound="voice", board="full", camera=None, why="wish"))
    await expect(poster).to_have_text("La caméra n’est pas envoyée ici. C’est ce que tu as choisi.")
    await expect(note).to_be_hidden()
    await expect(page.locator("#tile-board .poster")).not_to_contain_text("n’est pas envoyé")
    await assert_accessible(page)
    await room.says(channel.Sending(sound="voice", board="full", camera="720p", why="best"))
    await expect(poster).not_to_contain_text("n’est pas envoyée")


async def test_captions_come_as_the_last_two_lines_and_can_be_put_away(serve: Serve, open_page: OpenPage) -> None:
    page, room = await in_class(serve, open_page)
    box, toggle = page.locator("#captions"), page.locator("#captions-toggle")
    await expect(toggle).to_be_hidden()
    await room.says(channel.Caption(id=1, text="Bonjour à tous.", is_final=True))
    await room.says(channel.Caption(id=2, text="Prenez", is_final=False))
    await room.says(channel.Caption(id=2, text="Prenez vos cahiers."))
    await expect(box.locator("p")).to_have_text(["Bonjour à tous.", "Prenez vos cahiers."])
    await room.says(channel.Caption(id=3, text="Open your books.", language="en"))
    await expect(box.locator("p")).to_have_text(["Prenez vos cahiers.", "Open your books."])
    await expect(box.locator("p").last).to_have_attribute("lang", "en")
    assert await box.get_attribute("aria-live") is None
    await assert_accessible(page)
    await toggle.click()
    await expect(box).to_be_hidden()
    await room.says(channel.Caption(id=4, text="Page 42."))
    await expect(box).to_be_hidden()
    await toggle.click()
    await expect(box).to_contain_text("Page 42.")


async def test_in_the_lobby_the_page_waits_in_words_and_comes_in_by_itself(serve: Serve, open_page: OpenPage) -> None:
    page, room = await in_class(serve, open_page, you=channel.You(is_admitted=False), is_lobby=True)
    await expect(page.locator("#lobby")).to_contain_text("Le professeur va te faire entrer.")
    await assert_accessible(page)
    await assert_fits(page)
    await page.wait_for_timeout(7_000)  # a connection that brings no packet is given up after six
    await phase(page, "lobby")
    await expect(page.locator("#lobby-line")).to_have_text("")
    assert await page.evaluate("room.answers") == 1
    await page.evaluate("room.admit()")
    await room.says(channel.You())
    await phase(page, "class")
    await expect(page.locator("html[data-line=connected]")).to_be_attached()
    assert await page.evaluate("room.answers") == 1


@pytest.mark.parametrize(
    ("reason", "words"),
    [("refused", "ne t’a pas fait entrer"), ("removed", "t’a fait sortir"), ("misused", "Recharge-la")],
)
async def test_who_is_shown_out_is_told_and_does_not_come_back_by_itself(
    serve: Serve, open_page: OpenPage, complaints: Complaints, reason: Any, words: str
) -> None:
    page, room = await in_class(serve, open_page)
    await room.says(channel.Ended(reason=reason))
    await phase(page, "ended")
    await expect(page.locator("#ended")).to_contain_text(words)
    await page.wait_for_timeout(500)
    assert await page.evaluate("room.answers") == 1


@pytest.mark.parametrize(
    ("width", "height"), [(320, 568), (390, 844), (844, 390), (640, 400), (1000, 700), (1920, 1080)]
)
async def test_no_size_of_screen_loses_any_of_it(serve: Serve, open_page: OpenPage, width: int, height: int) -> None:
    page, room = await in_class(
        serve, open_page, you=channel.You(hand="raised", place=2), width=width, height=height, phone=True
    )
    await room.says(channel.Caption(id=1, text="Prenez vos cahiers, et la page quarante-deux du livre."))
    await expect(page.locator("#captions")).to_be_visible()
    await assert_fits(page)
    buttons = page.locator(".bar .button:visible")
    for index in range(await buttons.count()):
        await buttons.nth(index).scroll_into_view_if_needed()
        box = await buttons.nth(index).bounding_box()
        assert box is not None
        assert box["height"] >= 44
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= height + 1
    for name in ("question", "react"):
        await page.click(f"#{name}")
        await assert_fits(page)
        await page.keyboard.press("Escape")
