"""The room's panel in each of its states."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from playwright.async_api import Page, expect

from protocol.lesson import LessonState
from protocol.messages import (
    Access,
    CheckStatus,
    DeviceReport,
    DeviceRole,
    OnAir,
    Problem,
    Sign,
    Text,
)
from protocol.pages import PanelInterrupted, PanelLevel, PanelProposal, PanelSummary, PanelView, PanelViewer, Step
from tests.browser.pages.conftest import OpenPage, Serve, assert_accessible, assert_fits
from tests.browser.pages.stub import PageServer, refusal
from tests.chromium import Complaints

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


def device(role: DeviceRole, problem: str | None = None) -> DeviceReport:
    return DeviceReport(
        id=role.value,
        role=role,
        name=role.value,
        driver="simulated",
        is_open=False,
        status=CheckStatus.CRITICAL if problem else CheckStatus.OK,
        since=NOW,
        problem=Problem(code=problem, message="said in English") if problem else None,
    )


def pupil(number: int, name: str, *, receiving: bool = True, heard: bool = True) -> PanelViewer:
    return PanelViewer(
        viewer=f"v{number}", name=name, joined_s=60, is_connected=True, is_receiving=receiving, is_heard=heard
    )


ROLES = (DeviceRole.CAMERA, DeviceRole.MICROPHONE, DeviceRole.BOARD)
IDLE = PanelView(
    room="b12",
    room_name="Salle B12",
    state=LessonState.IDLE,
    devices=tuple(device(role) for role in ROLES),
    access=Access(lesson="l-1", code="K7QF-92MX", link="https://estrade.example/j/4fG7hTq2"),
    centre="connected",
    centre_since=NOW,
)
PUPILS = (pupil(1, "Lina"), pupil(2, "Noé", heard=False), pupil(3, ""))


def but(**changes: Any) -> PanelView:
    return PanelView.model_validate({**IDLE.model_dump(), **changes})


LIVE = but(state=LessonState.LIVE, elapsed_s=761, sign=Sign.LIVE, viewers=PUPILS)
STATES = {
    "idle": IDLE,
    "first": but(access=None, centre="away", centre_since=NOW),
    "ill": but(devices=(device(ROLES[0], "device-not-found"), device(ROLES[1]), device(ROLES[2], "device-busy"))),
    "after": but(
        summary=PanelSummary(
            lesson="l-0",
            duration_s=2540,
            viewers_most=8,
            problems=(Text(fr="Caméra absente 40 s.", en="Camera away."),),
        )
    ),
    "failed": but(state=LessonState.FAILED, problem=Problem(code="device-lost", message="x")),
    "frozen": but(**{**LIVE.model_dump(), "frozen": True}),
    "preparing": but(
        state=LessonState.PREPARING,
        elapsed_s=1,
        steps=(
            Step(id="camera", state="done"),
            Step(id="microphone", state="waiting"),
            Step(id="board", state="failed"),
        ),
    ),
    "open": but(state=LessonState.LIVE, elapsed_s=4, sign=Sign.OPEN),
    "live": LIVE,
    "incomplete": but(
        state=LessonState.DEGRADED,
        elapsed_s=3761,
        sign=Sign.LIVE,
        viewers=PUPILS,
        missing=("camera",),
        paused=True,
        on_air=OnAir(camera=True, board=False, sound=False),
        centre="no-controller",
    ),
    "ending": but(state=LessonState.ENDING, sign=Sign.OPEN),
    "proposal": but(proposal=PanelProposal(id="p-1", actor="M. Durand", remaining_s=118)),
    "locked": but(access=None, pin="locked"),
    "locked live": but(**{**LIVE.model_dump(), "access": None, "pin": "locked", "viewers": (pupil(1, ""),)}),
    "unlocked live": but(**{**LIVE.model_dump(), "pin": "open"}),
    "interrupted": but(interrupted=PanelInterrupted(lesson="l-1", started_at=NOW, interrupted_at=NOW)),
}


def room(serve: Serve, view: PanelView) -> PageServer:
    server = serve("panel")
    server.events_path = "/api/events"
    server.greeting = [("panel", view)]
    server.answers["/api/preview/camera.jpg"] = None
    server.answers["/api/preview/board.jpg"] = None
    return server


def sent(server: PageServer) -> list[tuple[str, Any]]:
    return [(path, json.loads(body or b"null")) for method, path, body in server.asked if method == "POST"]


async def shown(page: Page) -> None:
    await expect(page.locator("#panel")).to_be_visible()


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
    .concat([...document.querySelectorAll('.sent, .facts, .meter-row, .pupils, .access, .acts, .banners')]
      .map(one => [one.classList[0], one]))
    .map(([name, one]) => [name, one.getBoundingClientRect().toJSON()]))"""


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1366, 768), (1920, 1080), (3840, 2160)])
async def test_a_lesson_fills_the_screen_and_nothing_of_it_is_below(
    serve: Serve, open_page: OpenPage, complaints: Complaints, width: int, height: int
) -> None:
    """The board is as large as it can be beside camera and names; sentences and banners take their room from it."""
    complaints.expected = {409}
    many = tuple(pupil(number, f"Anaëlle-Marguerite {number}", heard=number % 3 > 0) for number in range(30))
    full = but(**{**LIVE.model_dump(), "viewers": many})
    nothing = OnAir(camera=False, board=False, sound=False)
    worst = {**STATES["incomplete"].model_dump(), "viewers": many, "missing": ("microphone",), "on_air": nothing}
    server = room(serve, full)
    server.answers["POST /api/lesson/pause"] = refusal("lesson-transition", 409)
    page = await open_page(server.url, width=width, height=height)
    await shown(page)

    async def boxes() -> dict[str, Any]:
        found: dict[str, Any] = await page.evaluate(_BOXES_JS)
        for name in ("board", "camera"):
            assert found[name]["width"] == pytest.approx(found[name]["height"] * 16 / 9, abs=2), name
        for name in ("board", "facts", "camera", "meter-row", "pupils", "access"):
            assert found[name]["bottom"] <= found["acts"]["top"], name
        column = [found[name] for name in ("camera", "pupils", "access")]
        assert all(above["bottom"] <= below["top"] for above, below in pairwise(column))
        assert found["board"]["bottom"] <= found["facts"]["top"]
        assert await page.evaluate("document.documentElement.scrollHeight - innerHeight") <= 0
        return found

    found = await boxes()
    board, place = found["board"], found["sent"]
    assert board["width"] > 0.98 * place["width"] or board["height"] > 0.95 * place["height"]
    assert board["height"] > 0.56 * height

    server.push("panel", but(**worst))
    await expect(page.locator(".facts li")).to_have_count(5)
    await page.click("#pause")
    await expect(page.locator(".banner")).to_have_count(2)
    assert (await boxes())["board"]["height"] > 0.2 * height


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
    await expect(page.locator(".hearing")).to_have_text("2 sur 3 entendent")
    await expect(page.locator(".names")).to_contain_text("voit, n’entend pas")
    await expect(page.locator("#elapsed")).to_have_text("12:43")


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


async def test_without_the_centre_the_class_goes_on_in_words(serve: Serve, open_page: OpenPage) -> None:
    server = room(serve, but(**{**LIVE.model_dump(), "centre": "away", "centre_since": NOW}))
    page = await open_page(server.url)
    await expect(page.locator("#centre-banner")).to_contain_text("ne répond pas depuis 09:00. La classe continue")
    server.push("panel", LIVE)
    await expect(page.locator("#centre-banner")).to_have_count(0)


async def test_a_silent_room_program_is_told_with_its_age(
    serve: Serve, open_page: OpenPage, complaints: Complaints
) -> None:
    complaints.expected = {503}
    server = room(serve, LIVE)
    page = await open_page(server.url)
    await shown(page)
    server.events_path = ""
    server.answers["/api/events"] = refusal("internal", 503)
    server.cut_lines()
    await expect(page.locator("#line-banner")).to_contain_text(re.compile("ne répond plus depuis \\d+\\s?s"))
    await assert_accessible(page, enhanced=True)
    server.events_path = "/api/events"
    await expect(page.locator("#line-banner")).to_have_count(0)


async def test_help_says_whom_to_call_and_what_ails(serve: Serve, open_page: OpenPage) -> None:
    server = room(serve, STATES["ill"])
    page = await open_page(server.url)
    await page.click("#help")
    await expect(page.locator("dialog")).to_contain_text("Salle B12")
    await expect(page.locator("dialog")).to_contain_text("introuvable : vérifiez le câble")
    await expect(page.locator("dialog")).to_contain_text("device-not-found")
    await assert_accessible(page, enhanced=True)
    await page.keyboard.press("Escape")
    await expect(page.locator("dialog")).to_have_count(0)


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


PIXEL = bytes.fromhex(
    "ffd8ffe000104a46494600010100000100010000ffdb00430002010101010102010101020202020204030202020205040403040605060606"
    "05060606070908060709070606080b08090a0a0a0a0a06080b0c0b0a0c090a0a0affc0000b080001000101011100ffc4001f000001050101"
    "0101010100000000000000000102030405060708090a0bffc400b5100002010303020403050504040000017d010203000411051221314106"
    "13516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728292a3435363738393a434445464748494a535455"
    "565758595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9ba"
    "c2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9faffda0008010100003f002bffd9"
)
"""The smallest JPEG: one grey pixel."""


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


async def test_names_and_code_come_with_the_pin(serve: Serve, open_page: OpenPage, complaints: Complaints) -> None:
    complaints.expected = {403}
    server = room(serve, STATES["locked live"])
    server.answers["POST /api/unlock"] = refusal("pin-wrong", 403)
    server.answers["POST /api/lock"] = STATES["locked live"]
    page = await open_page(server.url)
    await shown(page)
    await expect(page.locator("#code")).to_have_count(0)
    await expect(page.locator(".names .name")).to_have_text("Prénom caché")
    await page.click("#pin-ask")
    await assert_accessible(page, enhanced=True)
    await assert_fits(page)
    for digit in "4711":
        await page.get_by_role("button", name=digit, exact=True).click()
    await expect(page.locator("#pin")).to_have_value("4711")
    await page.click("#pin-send")
    await expect(page.locator("dialog.pin [role=status]")).to_have_text("Ce code PIN n’est pas le bon.")
    server.answers["POST /api/unlock"] = STATES["unlocked live"]
    await page.locator("#pin").fill("0815")
    await page.keyboard.press("Enter")
    await expect(page.locator("#code")).to_have_text("K7QF-92MX")
    await expect(page.locator("dialog.pin")).to_have_count(0)
    await expect(page.locator(".names .name").first).to_have_text("Lina")
    assert sent(server) == [("/api/unlock", {"pin": "4711"}), ("/api/unlock", {"pin": "0815"})]
    await page.click("#pin-hide")
    await expect(page.locator("#code")).to_have_count(0)


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
