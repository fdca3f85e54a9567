"""A lesson on the room's panel: begun, held back, told of, ended."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
from playwright.async_api import expect

from protocol.channel import Sending
from protocol.messages import (
    DeviceRole,
    OnAir,
)
from protocol.panel import FramingDoing, PanelFraming, PanelLevel, PanelView, PanelViewer
from tests.browser.pages.conftest import OpenPage, Serve, assert_accessible, assert_fits
from tests.browser.pages.panel_room import (
    BETTER,
    IDLE,
    LIVE,
    PIXEL,
    REPLACED,
    SEVERAL,
    STATES,
    but,
    device,
    microphones,
    pupil,
    room,
    sent,
    shown,
)
from tests.browser.pages.stub import refusal
from tests.chromium import Complaints

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_start_asks_nothing(serve: Serve, open_page: OpenPage) -> None:
    server = room(serve, IDLE)
    server.answers["POST /api/lesson/start"] = STATES["preparing"]
    page = await open_page(server.url)
    await page.click("#start")
    await expect(page.locator("#panel")).to_have_attribute("data-state", "preparing")
    await expect(page.locator(".steps")).to_contain_text("La caméra est prête")
    assert sent(server) == [("/api/lesson/start", {})]


async def test_stop_needs_a_second_deliberate_touch(serve: Serve, open_page: OpenPage) -> None:
    server = room(serve, LIVE)
    server.answers["POST /api/lesson/stop"] = STATES["after"]
    page = await open_page(server.url)
    await page.click("#stop")
    await expect(page.locator("#stop-no")).to_be_focused()
    await page.locator("#stop-yes").dispatch_event("click")  # the same touch, a moment later
    assert sent(server) == []
    await page.click("#stop-no")
    await expect(page.locator("#stop-yes")).to_be_hidden()
    await page.click("#stop")
    await assert_accessible(page, enhanced=True)
    await page.wait_for_timeout(600)  # longer than one touch takes
    await page.click("#stop-yes")
    await expect(page.locator(".summary")).to_contain_text(re.compile("42\\s?min, 8 élèves au plus"))
    await expect(page.locator(".summary")).to_contain_text("Caméra absente 40 s.")
    assert sent(server) == [("/api/lesson/stop", {})]


async def test_pause_and_mute_are_two_facts(serve: Serve, open_page: OpenPage) -> None:
    server = room(serve, LIVE)
    muted = but(**{**LIVE.model_dump(), "on_air": OnAir(sound=False)})
    both = but(**{**muted.model_dump(), "paused": True})
    server.answers["POST /api/lesson/on-air"] = muted
    server.answers["POST /api/lesson/pause"] = both
    page = await open_page(server.url)
    await page.click("#mute")
    await expect(page.locator("#mute")).to_have_text("Remettre le micro")
    await expect(page.locator("#pause")).to_have_text("Pause")
    await page.click("#pause")
    await expect(page.locator("#pause")).to_have_text("Reprendre")
    await expect(page.locator("#mute")).to_have_text("Remettre le micro")
    await expect(page.locator(".facts li")).to_have_count(2)
    assert sent(server) == [("/api/lesson/on-air", {"sound": False}), ("/api/lesson/pause", {"paused": True})]


async def test_who_muted_from_afar_is_told(serve: Serve, open_page: OpenPage) -> None:
    server = room(serve, but(**{**LIVE.model_dump(), "on_air": OnAir(sound=False), "muted_from_afar": True}))
    page = await open_page(server.url)
    await expect(page.locator(".facts")).to_contain_text("L’assistance a coupé le micro")
    await expect(page.locator("#mute")).to_have_text("Remettre le micro")


async def test_who_is_sent_less_than_everything_is_said_with_the_reason(serve: Serve, open_page: OpenPage) -> None:
    def sent(number: int, name: str, **sending: Any) -> PanelViewer:
        told = Sending.model_validate({"sound": "voice", "board": "full", "camera": "720p", "why": "line", **sending})
        return pupil(number, name).model_copy(update={"sending": told})

    pupils = (
        sent(1, "Lina", why="best"),
        sent(2, "Noé", board="half", camera=None),
        sent(3, "Zoé", camera="180p", why="machine"),
        sent(4, "Ali", board=None, camera=None, why="wish"),
    )
    page = await open_page(room(serve, but(**{**LIVE.model_dump(), "viewers": pupils})).url)
    lines = page.locator(".names li")
    await expect(lines).to_have_text(
        [
            "Lina",
            re.compile("Noé.*sans caméra\u00a0: sa connexion est faible"),
            re.compile("Zoé.*images réduites\u00a0: l’ordinateur de la salle a trop à faire"),
            re.compile("Ali.*son seul\u00a0: à sa demande"),
        ]
    )
    await assert_accessible(page)


async def test_that_another_microphone_is_heard_is_said_and_that_the_wanted_one_is_back(
    serve: Serve, open_page: OpenPage
) -> None:
    server = room(serve, REPLACED)
    page = await open_page(server.url)
    facts = page.locator(".facts")
    await expect(facts).to_contain_text("Le micro « Bureau » s’est arrêté")
    await expect(facts).to_contain_text("les élèves vous entendent par « Plafond, côté fenêtres »")
    await expect(facts).to_contain_text("Sans le son du tableau")
    server.push("panel", but(**{**LIVE.model_dump(), "microphones": microphones("ceiling")}))
    await expect(facts).to_contain_text("Le micro « Bureau » est revenu")
    server.push("panel", SEVERAL)
    await expect(page.locator(".facts li")).to_have_count(0)


async def test_a_better_microphone_is_proposed_beside_the_lesson(serve: Serve, open_page: OpenPage) -> None:
    server = room(serve, BETTER)
    server.answers["POST /api/lesson/microphone/not-now"] = SEVERAL
    server.answers["POST /api/lesson/microphone"] = but(**{**LIVE.model_dump(), "microphones": microphones("ceiling")})
    page = await open_page(server.url)
    question = page.locator("#microphone-question")
    await expect(question).to_contain_text("« Plafond, côté fenêtres » vous entend beaucoup mieux que « Bureau »")
    await page.click("#microphone-no")
    await expect(question).to_have_count(0)
    server.push("panel", BETTER)
    await page.click("#microphone-yes")
    await expect(question).to_have_count(0)
    assert sent(server) == [
        ("/api/lesson/microphone/not-now", {"id": "ceiling"}),
        ("/api/lesson/microphone", {"id": "ceiling"}),
    ]


async def test_the_microphone_is_chosen_by_hand_where_there_are_several(serve: Serve, open_page: OpenPage) -> None:
    server = room(serve, LIVE)
    server.answers["POST /api/lesson/microphone"] = but(**{**LIVE.model_dump(), "microphones": microphones("headset")})
    page = await open_page(server.url)
    await shown(page)
    await expect(page.locator("#microphones")).to_have_count(0)
    server.push("panel", but(**{**LIVE.model_dump(), "microphones": microphones("desk", dead="ceiling")}))
    await page.click("#microphones")
    await expect(page.locator("[data-microphone=desk]")).to_be_focused()
    await expect(page.locator("[data-microphone=desk]")).to_contain_text("les élèves l’entendent")
    await assert_accessible(page, enhanced=True)
    await assert_fits(page)
    await page.locator("[data-microphone=ceiling]").dispatch_event("click")  # it gives no sound
    await page.click("[data-microphone=headset]")
    await expect(page.locator("dialog")).to_have_count(0)
    assert sent(server) == [("/api/lesson/microphone", {"id": "headset"})]


async def test_muting_says_that_the_board_is_silent_too_where_it_has_sound(serve: Serve, open_page: OpenPage) -> None:
    devices = (*IDLE.devices, device(DeviceRole.BOARD_SOUND))
    server = room(serve, but(**{**LIVE.model_dump(), "devices": devices, "on_air": OnAir(sound=False), "frozen": True}))
    page = await open_page(server.url)
    await expect(page.locator(".facts")).to_contain_text("n’entendent ni vous ni le tableau")
    await expect(page.locator(".facts")).to_contain_text("Le tableau est figé, sans son")


async def test_the_board_is_frozen_and_released(serve: Serve, open_page: OpenPage) -> None:
    server = room(serve, LIVE)
    server.answers["POST /api/lesson/freeze"] = but(**{**LIVE.model_dump(), "frozen": True})
    page = await open_page(server.url)
    await expect(page.locator("#freeze")).to_have_text("Figer le tableau")
    await page.click("#freeze")
    await expect(page.locator("#freeze")).to_have_text("Libérer le tableau")
    await expect(page.locator(".facts")).to_contain_text("Le tableau est figé")
    server.answers["POST /api/lesson/freeze"] = LIVE
    await page.click("#freeze")
    await expect(page.locator(".facts li")).to_have_count(0)
    assert sent(server) == [("/api/lesson/freeze", {"frozen": True}), ("/api/lesson/freeze", {"frozen": False})]


async def test_the_picture_is_framed_by_itself_where_the_room_is_configured_for_it(
    serve: Serve, open_page: OpenPage
) -> None:
    def framed(doing: FramingDoing) -> PanelView:
        framing = PanelFraming(mode="crop", is_on=doing not in ("off", "failed"), doing=doing)
        return but(**{**LIVE.model_dump(), "framing": framing})

    server = room(serve, LIVE)
    page = await open_page(server.url)
    await expect(page.locator("#freeze")).to_be_visible()
    await expect(page.locator("#framing")).to_have_count(0)
    server.push("panel", framed("off"))
    await expect(page.locator("#framing")).to_have_text("Cadrage automatique")
    await expect(page.locator(".facts li")).to_have_count(0)
    server.answers["POST /api/lesson/framing"] = framed("following")
    await page.click("#framing")
    await expect(page.locator("#framing")).to_have_text("Arrêter le cadrage")
    await expect(page.locator(".facts")).to_contain_text("l’image vous suit")
    told: dict[FramingDoing, str] = {"wide": "toute l’image", "waiting": "à la main", "failed": "ne marche pas"}
    for doing, sentence in told.items():
        server.push("panel", framed(doing))
        await expect(page.locator(".facts")).to_contain_text(sentence)
    server.push("panel", framed("wide"))
    server.answers["POST /api/lesson/framing"] = framed("off")
    await page.click("#framing")
    await expect(page.locator(".facts li")).to_have_count(0)
    assert sent(server) == [("/api/lesson/framing", {"on": True}), ("/api/lesson/framing", {"on": False})]


async def test_on_a_slow_machine_every_touch_counts_and_shows_that_it_is_busy(
    serve: Serve, open_page: OpenPage
) -> None:
    """Each act is answered when the test says so; the first one last."""
    server = room(serve, LIVE)
    paused = but(**{**LIVE.model_dump(), "paused": True})
    both = but(**{**paused.model_dump(), "on_air": OnAir(sound=False)})
    heard = {"pause": threading.Event(), "on-air": threading.Event()}
    answers = {"pause": [paused], "on-air": [both, paused]}

    def slow(name: str) -> Callable[[bytes], PanelView]:
        def answer(body: bytes) -> PanelView:
            assert heard[name].wait(10)
            return answers[name].pop(0)

        return answer

    for name in heard:
        server.answers[f"POST /api/lesson/{name}"] = slow(name)
    page = await open_page(server.url)
    await page.click("#pause")
    await expect(page.locator("#pause")).to_have_attribute("aria-disabled", "true")
    await page.click("#mute")
    await expect(page.locator("#mute")).to_have_attribute("aria-disabled", "true")
    await page.locator("#mute").dispatch_event("click")  # the same wish again
    await expect(page.locator("#camera-off")).to_have_attribute("aria-disabled", "false")
    heard["on-air"].set()
    await expect(page.locator("#mute")).to_have_text("Remettre le micro")
    await expect(page.locator("#mute")).to_have_attribute("aria-disabled", "false")
    await expect(page.locator("#pause")).to_have_attribute("aria-disabled", "true")
    heard["pause"].set()
    await expect(page.locator("#pause")).to_have_attribute("aria-disabled", "false")
    # the answer to Pause was computed before the microphone was muted: it is older than what is shown
    await expect(page.locator("#mute")).to_have_text("Remettre le micro")
    asked = [("/api/lesson/pause", {"paused": True}), ("/api/lesson/on-air", {"sound": False})]
    assert sent(server) == asked

    heard["on-air"].clear()
    await page.click("#mute")
    server.push("panel", paused)  # told before the answer is there
    await expect(page.locator("#mute")).to_have_text("Couper le micro")
    await page.locator("#mute").dispatch_event("click")
    heard["on-air"].set()
    answers["on-air"].append(both)
    await expect(page.locator("#mute")).to_have_attribute("aria-disabled", "false")
    await expect(page.locator("#mute")).to_have_text("Remettre le micro")
    back_and_again = [("/api/lesson/on-air", {"sound": True}), ("/api/lesson/on-air", {"sound": False})]
    assert sent(server) == asked + back_and_again


async def test_the_sign_says_who_is_there_and_the_time_runs(serve: Serve, open_page: OpenPage) -> None:
    server = room(serve, STATES["open"])
    page = await open_page(server.url)
    await expect(page.locator("#sign")).to_contain_text("ouvert, personne")
    server.push("panel", LIVE)
    await expect(page.locator("#sign")).to_contain_text("en direct, 3")
    await expect(page.locator(".hearing")).to_contain_text("2 sur 3 vous entendent et vous voient")
    await expect(page.locator(".hearing")).to_contain_text("Remettre le son")
    await expect(page.locator(".names")).to_contain_text("a coupé le son")
    await expect(page.locator("#elapsed")).to_have_text("12:43")
    for held in ({"paused": True}, {"on_air": OnAir(sound=False)}):
        server.push("panel", but(**{**LIVE.model_dump(), **held}))
        await expect(page.locator(".hearing")).to_have_text("Le son est retenu\u00a0: personne ne vous entend.")
        server.push("panel", LIVE)
        await expect(page.locator(".hearing")).to_contain_text("2 sur 3")


async def test_a_pause_is_said_by_the_sign_and_by_the_tab(serve: Serve, open_page: OpenPage) -> None:
    server = room(serve, but(**{**LIVE.model_dump(), "paused": True}))
    page = await open_page(server.url)
    await expect(page.locator("#sign")).to_contain_text("en pause, 3")
    await expect(page.locator("#sign")).not_to_contain_text("en direct")
    await expect(page).to_have_title("En pause · Salle B12")
    server.push("panel", but(**{**STATES["open"].model_dump(), "paused": True}))
    await expect(page.locator("#sign")).to_contain_text("en pause, personne")
    server.push("panel", LIVE)
    await expect(page.locator("#sign")).to_contain_text("en direct, 3")


async def test_who_has_just_come_is_not_known_yet_and_one_who_receives_is_said_in_the_singular(
    serve: Serve, open_page: OpenPage
) -> None:
    new = pupil(1, "Lina").model_copy(update={"hearing": "unknown", "sees": None})
    server = room(serve, but(**{**LIVE.model_dump(), "viewers": (new,)}))
    page = await open_page(server.url)
    await expect(page.locator(".hearing")).to_have_text("On ne sait pas encore qui vous entend.")
    await expect(page.locator(".names li")).to_have_attribute("data-how", "unknown")
    deaf_so_far = new.model_copy(update={"hearing": "heard"})  # no picture has been counted there
    server.push("panel", but(**{**LIVE.model_dump(), "viewers": (deaf_so_far, pupil(2, "Noé"))}))
    await expect(page.locator(".hearing p")).to_have_text("1 sur 2 vous entend et vous voit")
    await page.click("#lang")
    await expect(page.locator(".hearing p")).to_have_text("1 of 2 hears and sees you")


async def test_the_meter_follows_the_sound(serve: Serve, open_page: OpenPage) -> None:
    server = room(serve, LIVE)
    page = await open_page(server.url)
    await shown(page)
    server.push("level", PanelLevel(rms_dbfs=-20, peak_dbfs=-10))
    await expect(page.locator(".meter-words")).to_have_text("on vous entend")
    assert "scaleX(0.667)" in await page.locator(".meter .fill").evaluate("one => one.style.transform")
    server.push("level", PanelLevel(rms_dbfs=-3, peak_dbfs=-0.2))
    await expect(page.locator(".meter-words")).to_have_text("trop fort")


async def test_what_is_sent_is_shown_and_words_when_there_is_none(serve: Serve, open_page: OpenPage) -> None:
    server = room(serve, LIVE)
    page = await open_page(server.url)
    await expect(page.locator("[data-track=board] .instead")).to_have_text("L’image arrive…")
    server.answers["/api/preview/board.jpg"] = PIXEL
    await expect(page.locator("[data-track=board]")).to_have_attribute("data-state", "shown")
    before = sum(path == "/api/preview/board.jpg" for _, path, _ in server.asked)
    await page.wait_for_timeout(2000)
    looks = sum(path == "/api/preview/board.jpg" for _, path, _ in server.asked) - before
    assert 2 <= looks <= 11  # at most five a second
    server.answers["/api/preview/board.jpg"] = None
    await expect(page.locator("[data-track=board] .instead")).to_be_visible()


async def test_the_way_in_is_there_before_and_during(serve: Serve, open_page: OpenPage) -> None:
    server = room(serve, IDLE)
    page = await open_page(server.url)
    await expect(page.locator("#code")).to_have_text("K7QF-92MX")
    await expect(page.locator("#link")).to_have_text("estrade.example/j/4fG7hTq2")
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.click("#copy")
    await expect(page.locator("#copy")).to_have_text("Lien copié")
    assert await page.evaluate("navigator.clipboard.readText()") == "https://estrade.example/j/4fG7hTq2"
    await page.emulate_media(media="print")
    await expect(page.locator(".paper")).to_contain_text("K7QF-92MX")
    await expect(page.locator("#start")).to_be_hidden()
    await page.emulate_media(media="screen")
    server.push("panel", LIVE)
    await page.click("#qr-large")
    await expect(page.locator("dialog .code")).to_have_text("K7QF-92MX")
    await assert_accessible(page, enhanced=True)


async def test_a_proposal_counts_down_and_can_be_refused(serve: Serve, open_page: OpenPage) -> None:
    server = room(serve, STATES["proposal"])
    server.answers["POST /api/proposal"] = IDLE
    page = await open_page(server.url)
    await expect(page.locator("dialog")).to_contain_text("M. Durand")
    await expect(page.locator("#countdown")).to_have_text("1:58")
    await expect(page.locator("#countdown")).to_have_text("1:56")
    await page.click("#proposal-no")
    await expect(page.locator("dialog")).to_have_count(0)
    assert sent(server) == [("/api/proposal", {"id": "p-1", "accept": False})]


async def test_a_refused_act_is_told_in_words(serve: Serve, open_page: OpenPage, complaints: Complaints) -> None:
    complaints.expected = {409}
    server = room(serve, IDLE)
    server.answers["POST /api/lesson/start"] = refusal("lesson-transition", 409)
    page = await open_page(server.url)
    await page.click("#start")
    await expect(page.locator("#refusal")).to_contain_text("Ce n’est pas possible")
    await expect(page.locator("#refusal")).to_contain_text("lesson-transition")
    await assert_accessible(page, enhanced=True)


@pytest.mark.parametrize(("button", "path"), [("yes", "/api/lesson/resume"), ("no", "/api/lesson/drop")])
async def test_a_lesson_that_a_power_cut_ended_is_asked_about(
    serve: Serve, open_page: OpenPage, button: str, path: str
) -> None:
    server = room(serve, STATES["interrupted"])
    server.answers[f"POST {path}"] = IDLE
    page = await open_page(server.url)
    dialog = page.locator("dialog")
    await expect(dialog).to_contain_text("Commencée à 09:00, elle s’est arrêtée vers 09:00")
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_visible()
    assert sent(server) == []
    await page.click(f"#interrupted-{button}")
    await expect(dialog).to_have_count(0)
    assert sent(server) == [(path, {})]


async def test_a_browser_without_the_token_is_told_where_the_panel_opens(
    serve: Serve, open_page: OpenPage, complaints: Complaints
) -> None:
    complaints.expected = {403}
    server = room(serve, IDLE)
    server.events_path = ""
    server.answers["/api/events"] = refusal("panel-token", 403)
    page = await open_page(server.url)
    await expect(page.locator("#shut h1")).to_have_text("Ce panneau s’ouvre depuis l’écran de la salle")
    await assert_accessible(page, enhanced=True)
