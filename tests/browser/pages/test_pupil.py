"""The pupil's page before, around and without media; with media it is tested on a real room elsewhere."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest
from playwright.async_api import Page, expect

from protocol.lesson import LessonState
from protocol.pages import JoinAnswer, LessonView
from tests.browser.pages.conftest import OpenPage, Serve, assert_accessible, assert_fits
from tests.browser.pages.stub import Answer, PageServer, refusal
from tests.browser.people import until
from tests.chromium import Complaints

pytestmark = pytest.mark.asyncio(loop_scope="session")

PHONE = {"width": 390, "height": 844, "phone": True}
EVENTS = "/api/v1/lessons/l-1/events"


def view(phase: str = "waiting", *, online: bool = True) -> LessonView:
    state = LessonState.LIVE if phase == "open" else LessonState.IDLE
    return LessonView.model_validate(
        {
            "lesson": "l-1",
            "room": "b12",
            "room_name": "Salle B12",
            "room_online": online,
            "phase": phase,
            "state": state,
        }
    )


def centre(serve: Serve, now: LessonView) -> PageServer:
    """A centre that knows one code and one link, and whose room takes no offer."""
    server = serve("pupil")
    server.events_path = EVENTS

    def join(body: bytes) -> Answer:
        key = json.loads(body)
        if key.get("code") == "22222222":
            return refusal("code-throttled", 429, retry_after_s=42)
        if key.get("code", "K7QF92MX") != "K7QF92MX":
            return refusal("code-wrong", 404)
        if key.get("link", "good") != "good":
            return refusal("link-wrong", 404)
        paths = {"whep": "/whep/b12", "whip": "/whip/b12", "events": EVENTS}
        return JoinAnswer(token="t", expires_at=datetime.now(UTC), view=now, **paths)

    server.answers["POST /api/v1/join"] = join
    server.answers["POST /whep/b12"] = refusal("room-offline", 503)
    return server


async def phase(page: Page, name: str) -> None:
    await expect(page.locator(f"html[data-phase={name}]")).to_be_attached()


def offers(server: PageServer) -> list[str]:
    return [body.decode() for method, path, body in server.asked if (method, path) == ("POST", "/whep/b12")]


async def offered_since(server: PageServer, count: int) -> bool:
    return len(offers(server)) > count


async def test_a_code_is_taken_in_lower_case_and_with_spaces(serve: Serve, open_page: OpenPage) -> None:
    server = centre(serve, view())
    page = await open_page(server.url, **PHONE)
    await page.locator("#code").press_sequentially("k7qf 92mx")
    await expect(page.locator("#code")).to_have_value("K7QF-92MX")
    await page.click("#enter")
    await phase(page, "waiting")
    assert [json.loads(body) for _, path, body in server.asked if path == "/api/v1/join"] == [{"code": "K7QF92MX"}]


@pytest.mark.parametrize("dark", [False, True])
async def test_a_wrong_code_is_told_in_words_with_a_code_for_the_help_desk(
    serve: Serve, open_page: OpenPage, complaints: Complaints, dark: bool
) -> None:
    complaints.expected = {404, 429}
    page = await open_page(centre(serve, view()).url, **PHONE, dark=dark)
    await assert_accessible(page)
    await page.fill("#code", "zzzz-zzzz")
    await page.click("#enter")
    told = page.locator("#code-problem")
    await expect(told).to_contain_text("Aucune classe n’a ce code")
    await expect(told).to_contain_text("code-wrong")
    await expect(page.locator("#code")).to_be_focused()
    await expect(page.locator("#code")).to_have_accessible_description(re.compile("Aucune classe n’a ce code"))
    await expect(page.locator("#code")).to_have_attribute("aria-invalid", "true")
    field, words = await page.locator("#code").bounding_box(), await told.bounding_box()
    assert field is not None
    assert words is not None
    assert 0 <= words["y"] - field["y"] - field["height"] < 16, "it stands beside what it is about"
    await assert_accessible(page)
    await page.fill("#code", "2222-2222")
    await expect(told).to_contain_text(re.compile("attendre 42\\s?s"))
    await expect(page.locator("#code")).not_to_have_attribute("aria-invalid", "true")
    await page.fill("#code", "2222")
    await expect(told).to_be_hidden()


async def test_what_is_not_about_the_code_is_told_at_the_button(
    serve: Serve, open_page: OpenPage, complaints: Complaints
) -> None:
    complaints.expected = {503}
    server = centre(serve, view())
    server.answers["POST /api/v1/join"] = refusal("database-unavailable", 503)
    page = await open_page(server.url, **PHONE)
    await page.fill("#code", "k7qf-92mx")
    await page.click("#enter")
    await expect(page.locator("#join-problem")).to_contain_text("database-unavailable")
    await expect(page.locator("#code-problem")).to_be_hidden()
    await expect(page.locator("#code")).not_to_have_attribute("aria-invalid", "true")


async def test_half_a_code_is_not_sent(serve: Serve, open_page: OpenPage) -> None:
    server = centre(serve, view())
    page = await open_page(server.url, **PHONE)
    await page.fill("#code", "K7QF")
    await page.click("#enter")
    await expect(page.locator("#code-problem")).to_contain_text("Il en manque")
    assert [path for _, path, _ in server.asked if path == "/api/v1/join"] == []


async def test_a_link_opens_at_the_name_and_a_dead_one_says_what_to_do(
    serve: Serve, open_page: OpenPage, complaints: Complaints
) -> None:
    server = centre(serve, view())
    page = await open_page(f"{server.url}/j/good", **PHONE)
    await expect(page.locator("#join-room")).to_have_text("Salle B12")
    await expect(page.locator("#code-field")).to_be_hidden()
    complaints.expected = {404}
    page = await open_page(f"{server.url}/j/bad", **PHONE)
    await phase(page, "refused")
    await expect(page.locator("#refused-words")).to_contain_text("Demande le nouveau")
    await assert_accessible(page)
    await page.click("#retry")
    await expect(page.locator("#code")).to_be_visible()


async def test_who_is_early_waits_and_offers_the_moment_the_lesson_opens(
    serve: Serve, open_page: OpenPage, complaints: Complaints
) -> None:
    complaints.expected = {503}
    server = centre(serve, view(online=False))
    server.greeting = [("lesson", view(online=False))]
    page = await open_page(f"{server.url}/j/good", **PHONE)
    await page.fill("#name", "Lina")
    await page.click("#enter")
    await phase(page, "waiting")
    await expect(page.locator("#waiting")).to_contain_text("Cette page se connectera toute seule")
    await expect(page.locator("#waiting-line")).to_contain_text("éteinte")
    await page.click("#try-sound")
    await expect(page.locator("#try-words")).to_contain_text("Tu n’as rien entendu")
    await assert_accessible(page)
    await assert_fits(page)
    assert offers(server) == []

    server.push("lesson", view("open"))
    await phase(page, "class")
    # the room refuses: the page says so and never shows a black box
    for tile in ("board", "camera"):
        await expect(page.locator(f"#tile-{tile} .poster")).to_be_visible()
        await expect(page.locator(f"#{tile}")).to_be_hidden()
    # after 4 s; the five that an expectation is given leave a busy machine one
    await expect(page.locator("#line-banner")).to_contain_text("La salle n’a pas encore répondu", timeout=15_000)
    await assert_accessible(page)
    offer = offers(server)[0]
    assert re.findall(r"^m=(\w+)", offer, re.MULTILINE) == ["audio", "video", "video", "application"]
    assert "a=sendrecv" not in offer
    assert "Lina" not in "".join(body.decode() for *_, body in server.asked)


async def test_an_ended_lesson_is_told_and_the_link_waits_for_the_next(
    serve: Serve, open_page: OpenPage, complaints: Complaints
) -> None:
    complaints.expected = {503}
    server = centre(serve, view("open"))
    page = await open_page(f"{server.url}/j/good", **PHONE)
    await page.click("#enter")
    await phase(page, "class")
    server.push("lesson", view("ended"))
    await phase(page, "ended")
    await expect(page.locator("#ended-title")).to_have_text("La classe est terminée")
    await assert_accessible(page)
    server.answers["POST /api/v1/join"] = JoinAnswer(
        token="t",
        whep="/whep/b12",
        events=EVENTS,
        expires_at=datetime.now(UTC),
        view=view().model_copy(update={"lesson": "l-2"}),
    )
    await page.click("#again")
    await phase(page, "waiting")


async def test_the_screen_is_kept_lit_in_class_and_not_after_it(
    serve: Serve, open_page: OpenPage, complaints: Complaints
) -> None:
    complaints.expected = {503}
    server = centre(serve, view("open"))
    page = await open_page(f"{server.url}/j/good", **PHONE)
    await page.evaluate(
        """() => {
          const lock = navigator.wakeLock, request = lock.request.bind(lock);
          window.locks = [];
          lock.request = async (kind) => (window.locks.push(await request(kind)), window.locks.at(-1));
        }"""
    )
    await page.click("#enter")
    await phase(page, "class")
    await until(lambda: page.evaluate("window.locks.some((one) => !one.released)"), "a lit screen")
    server.push("lesson", view("ended"))
    await phase(page, "ended")
    await until(lambda: page.evaluate("window.locks.every((one) => one.released)"), "a screen that may go dark", 5)


async def test_who_waits_again_before_the_centre_has_heard_of_the_end_is_in_the_next_lesson(
    serve: Serve, open_page: OpenPage, complaints: Complaints
) -> None:
    complaints.expected = {503}
    server = centre(serve, view("open"))
    page = await open_page(f"{server.url}/j/good", **PHONE)
    await page.click("#enter")
    await phase(page, "class")
    server.push("lesson", view("ended"))
    await phase(page, "ended")
    await page.click("#again")  # answered by a centre for which this lesson is still open
    await phase(page, "waiting")
    asked = len(offers(server))
    join = server.answers["POST /api/v1/join"]
    assert callable(join)
    following = join(b'{"link": "good"}')
    assert isinstance(following, JoinAnswer)
    open_next = view("open").model_copy(update={"lesson": "l-2"})
    server.answers["POST /api/v1/join"] = following.model_copy(
        update={"view": view().model_copy(update={"lesson": "l-2"})}
    )
    server.greeting = [("lesson", open_next)]
    server.push("lesson", view("open"))
    server.push("lesson", view("ended"))
    await phase(page, "class")
    await until(lambda: offered_since(server, asked), "an offer for the next lesson")


async def test_a_lost_line_while_waiting_is_told_with_its_age(
    serve: Serve, open_page: OpenPage, complaints: Complaints
) -> None:
    server = centre(serve, view())
    page = await open_page(f"{server.url}/j/good", **PHONE)
    await page.click("#enter")
    await phase(page, "waiting")
    await page.context.set_offline(True)
    server.cut_lines()
    await expect(page.locator("#waiting-line")).to_contain_text(re.compile("Connexion perdue depuis \\d+\\s?s"))
    await page.context.set_offline(False)
    await expect(page.locator("#waiting-line")).to_have_text("")
    assert complaints.found
    complaints.found[:] = [one for one in complaints.found if "ERR_INTERNET_DISCONNECTED" not in one]  # we did that


async def test_a_ticket_that_ran_out_is_asked_for_until_it_comes_and_start_is_heard(
    serve: Serve, open_page: OpenPage, complaints: Complaints
) -> None:
    complaints.expected = {401, 503}
    server = centre(serve, view())
    page = await open_page(f"{server.url}/j/good", **PHONE)
    await page.click("#enter")
    await phase(page, "waiting")
    join = server.answers["POST /api/v1/join"]
    server.answers["POST /api/v1/join"] = refusal("internal", 503)
    server.answers[EVENTS] = refusal("token-invalid", 401)
    server.events_path = ""
    server.cut_lines()
    await expect(page.locator("#waiting-line")).to_contain_text(re.compile("J’en demande un autre depuis \\d+\\s?s"))
    await assert_accessible(page)
    server.events_path = EVENTS
    server.greeting = [("lesson", view())]
    server.answers["POST /api/v1/join"] = join
    await expect(page.locator("#waiting-line")).to_have_text("", timeout=10_000)
    server.push("lesson", view("open"))
    await phase(page, "class")


async def test_in_the_room_the_sound_is_off(serve: Serve, open_page: OpenPage, complaints: Complaints) -> None:
    complaints.expected = {503}
    page = await open_page(f"{centre(serve, view('open')).url}/j/good", **PHONE)
    await page.get_by_label("Oui").check()
    await expect(page.locator("#inroom-hint")).to_be_visible()
    await page.click("#enter")
    await phase(page, "class")
    assert await page.locator("#camera").evaluate("video => video.muted")
    await expect(page.locator("#sound-words")).to_have_text("Son coupé : tu es dans la salle")


async def test_the_self_check_says_that_nothing_arrives(
    serve: Serve, open_page: OpenPage, complaints: Complaints
) -> None:
    complaints.expected = {503}
    page = await open_page(f"{centre(serve, view('open')).url}/j/good")
    await page.click("#enter")
    await phase(page, "class")
    await page.click("#cannot-hear")
    await expect(page.locator("#hear-found")).to_contain_text("Rien n’arrive de la classe")
    await assert_accessible(page)
    await page.keyboard.press("Escape")
    await expect(page.locator("#cannot-hear")).to_be_focused()
    await page.click("#quality")
    await expect(page.locator("#quality-sheet")).to_contain_text("Je mesure la connexion")
    await assert_accessible(page)


async def test_what_a_pupil_wants_to_receive_is_kept_on_the_device(
    serve: Serve, open_page: OpenPage, complaints: Complaints
) -> None:
    complaints.expected = {503}
    page = await open_page(f"{centre(serve, view('open')).url}/j/good", width=320, height=568, phone=True)

    async def open_sheet() -> None:
        await page.click("#enter")
        await phase(page, "class")
        await page.click("#quality")

    await open_sheet()
    await expect(page.get_by_label("Automatique")).to_be_checked()
    await page.get_by_label("Économiser").check()
    await page.get_by_label("Je lis sur les lèvres").check()
    await assert_fits(page)
    await assert_accessible(page)
    await page.reload()
    await open_sheet()
    await expect(page.get_by_label("Économiser")).to_be_checked()
    await expect(page.get_by_label("Je lis sur les lèvres")).to_be_checked()
    await page.evaluate("localStorage.setItem('estrade.wish', '{\"use\": 7')")
    await page.reload()
    await open_sheet()
    await expect(page.get_by_label("Automatique")).to_be_checked()


async def test_the_language_is_the_browsers_and_a_choice_is_kept(serve: Serve, open_page: OpenPage) -> None:
    server = centre(serve, view())
    page = await open_page(server.url, locale="en-GB")
    await expect(page.locator("#join-title")).to_have_text("Join the class")
    await page.click("#lang")
    await expect(page.locator("#join-title")).to_have_text("Rejoindre la classe")
    await page.reload()
    await expect(page.locator("#join-title")).to_have_text("Rejoindre la classe")
    assert await page.locator("html").get_attribute("lang") == "fr"


@pytest.mark.parametrize(("width", "height"), [(320, 568), (844, 390), (640, 400), (1920, 1080)])
async def test_no_size_of_screen_loses_anything(
    serve: Serve, open_page: OpenPage, complaints: Complaints, width: int, height: int
) -> None:
    complaints.expected = {503}
    page = await open_page(f"{centre(serve, view('open')).url}/j/good", width=width, height=height, phone=True)
    await assert_fits(page)
    small = await page.evaluate(
        "() => [...document.querySelectorAll('button, input[type=text]')].filter(one => one.offsetParent)"
        ".map(one => [one.id, one.getBoundingClientRect().height]).filter(([, high]) => high < 44)"
    )
    assert small == []
    await page.click("#enter")
    await phase(page, "class")
    await assert_fits(page)
    for name in ("mute", "swap", "quality", "cannot-hear"):
        await page.locator(f"#{name}").scroll_into_view_if_needed()
        box = await page.locator(f"#{name}").bounding_box()
        assert box is not None
        assert box["height"] >= 44
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
