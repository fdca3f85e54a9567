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

from agent.health.words import words as words_of
from agent.selftest import words
from agent.selftest.outcome import Outcome
from agent.selftest.runner import WHOLE
from protocol.channel import Sending
from protocol.lesson import LessonState
from protocol.messages import (
    Access,
    Check,
    CheckStatus,
    DeviceReport,
    DeviceRole,
    OnAir,
    Problem,
    Sign,
    Text,
)
from protocol.panel import (
    FramingDoing,
    PanelAudience,
    PanelFraming,
    PanelHand,
    PanelInterrupted,
    PanelKnock,
    PanelLevel,
    PanelMicrophone,
    PanelMicrophones,
    PanelProposal,
    PanelPtz,
    PanelQuestion,
    PanelReaction,
    PanelSummary,
    PanelTrouble,
    PanelView,
    PanelViewer,
    SelfTestStep,
    SelfTestView,
    Step,
    WhyDeaf,
)
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


def pupil(number: int, name: str, *, sees: bool = True, deaf: WhyDeaf | None = None) -> PanelViewer:
    return PanelViewer(
        viewer=f"v{number}",
        name=name,
        joined_s=60,
        is_connected=True,
        hearing="not-heard" if deaf else "heard",
        why_deaf=deaf,
        sees=sees,
        why_blind=None if sees else "no-picture",
        pupil=f"p{number}",
    )


def check(name: str, *, variant: str = "", is_bad: bool = False) -> Check:
    message, remedy = words_of(name, variant)
    status = CheckStatus.CRITICAL if is_bad else CheckStatus.WARNING
    return Check(id=name, status=status, since=NOW, value=1.0, message=message, remedy=remedy)


WRONG = (
    check("picture-covered", is_bad=True),
    check("sound-quiet"),
    check("picture-under-exposed"),
    check("host-certificate", variant="over"),
    check("sound-hum"),
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
PUPILS = (pupil(1, "Lina"), pupil(2, "Noé", deaf="muted"), pupil(3, ""))


def but(**changes: Any) -> PanelView:
    return PanelView.model_validate({**IDLE.model_dump(), **changes})


LIVE = but(state=LessonState.LIVE, elapsed_s=761, sign=Sign.LIVE, viewers=PUPILS, audience=PanelAudience())
BUSY = PanelAudience(
    has_lobby=True,
    is_code_old=True,
    knocking=(PanelKnock(pupil="p7", name="Zoé", since_s=12), PanelKnock(pupil="p8", name="Idriss", since_s=3)),
    hands=(
        PanelHand(pupil="p1", name="Lina", since_s=40, is_taken=True),
        PanelHand(pupil="p4", name="Anaëlle-Marguerite", since_s=20),
        PanelHand(pupil="p2", name="Noé", since_s=5),
    ),
    questions=(PanelQuestion(pupil="p2", id="q1", name="Noé", text="Est-ce la page 42 du cahier ?", since_s=70),),
    reactions=(PanelReaction(kind="lost", count=4), PanelReaction(kind="slower", count=1)),
    troubles=(PanelTrouble(pupil="p2", found="muted"),),
)
"""Pupils who ask for everything at once."""


def microphones(heard: str, dead: str = "", proposal: str | None = None) -> PanelMicrophones:
    """Return a room of three, the desk's being the wanted one."""
    names = {"desk": "Bureau", "ceiling": "Plafond, côté fenêtres", "headset": "Micro-casque"}
    listed = tuple(
        PanelMicrophone(id=one, name=name, is_alive=one != dead, is_in_use=one == heard) for one, name in names.items()
    )
    return PanelMicrophones(all=listed, wanted="desk", proposal=proposal)


SEVERAL = but(**{**LIVE.model_dump(), "microphones": microphones("desk")})
REPLACED = but(**{**LIVE.model_dump(), "microphones": microphones("ceiling", dead="desk"), "missing": ("board-sound",)})
BETTER = but(**{**LIVE.model_dump(), "microphones": microphones("desk", proposal="ceiling")})


def a_test(state: str, asked_by: str = "panel", kind: str = "whole", **outcomes: Outcome) -> SelfTestView:
    """Return a test whose steps stand as given, the others well; underscores for hyphens."""
    steps = []
    for step in WHOLE:
        outcome = outcomes.get(step.replace("-", "_"), Outcome("ok", "", 12))
        if state == "running" and step not in ("camera", "disk"):
            steps.append(SelfTestStep(id=step, name=words.name(step), state="running"))
            continue
        message, remedy = words.words(step, outcome)
        steps.append(
            SelfTestStep(id=step, name=words.name(step), state=outcome.verdict, message=message, remedy=remedy)
        )
    return SelfTestView.model_validate(
        {"id": "t-1", "kind": kind, "asked_by": asked_by, "state": state, "began_at": NOW, "steps": steps}
    )


ILL_TEST = a_test(
    "done",
    loop=Outcome("failed", "not-heard", 16, "dB"),
    board_seen=Outcome("warning", "not-seen"),
    av_offset=Outcome("skipped", "not-seen"),
    turn=Outcome("skipped", "none"),
)
STATES = {
    "idle": IDLE,
    "tested for the centre": but(selftest=a_test("announced", "centre")),
    "being tested": but(selftest=a_test("running")),
    "tested": but(selftest=ILL_TEST),
    "tested at start": but(
        **{
            **LIVE.model_dump(),
            "selftest": a_test("done", "start", "quiet", disk=Outcome("failed", "not-written", 3, "%")),
        }
    ),
    "first": but(access=None, centre="away", centre_since=NOW),
    "ill": but(devices=(device(ROLES[0], "device-not-found"), device(ROLES[1]), device(ROLES[2], "device-busy"))),
    "unwell": but(checks=WRONG, normal_at=NOW),
    "unwell live": but(**{**LIVE.model_dump(), "checks": WRONG[:2]}),
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
    "framed": but(**{**LIVE.model_dump(), "framing": PanelFraming(mode="crop", is_on=True, doing="following")}),
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
    "called": but(**{**LIVE.model_dump(), "audience": BUSY}),
    "incomplete": but(
        state=LessonState.DEGRADED,
        elapsed_s=3761,
        sign=Sign.LIVE,
        viewers=PUPILS,
        audience=PanelAudience(),
        missing=("camera",),
        paused=True,
        on_air=OnAir(camera=True, board=False, sound=False),
        centre="no-controller",
    ),
    "set aside": but(
        **{
            **LIVE.model_dump(),
            "state": LessonState.DEGRADED,
            "missing": ("camera", "board"),
            "devices": (
                device(ROLES[0], "device-set-aside"),
                device(ROLES[1]),
                device(ROLES[2], "device-no-signal"),
            ),
        }
    ),
    "several microphones": SEVERAL,
    "another microphone": REPLACED,
    "better microphone": BETTER,
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


async def test_the_room_is_tested_by_a_button_and_each_verdict_says_what_to_do(
    serve: Serve, open_page: OpenPage
) -> None:
    server = room(serve, IDLE)
    server.answers["POST /api/selftest"] = but(selftest=a_test("running"))
    server.answers["POST /api/selftest/stop"] = but(selftest=a_test("stopped"))
    server.answers["POST /api/selftest/close"] = IDLE
    page = await open_page(server.url)
    await shown(page)
    await page.click("#test")
    await expect(page.locator("#selftest [role=status]")).to_contain_text("Rien n’est envoyé")
    await expect(page.locator("#start")).to_be_visible()
    await page.click("#test-stop")
    await expect(page.locator("#selftest [role=status]")).to_have_text("Le test a été arrêté.")
    server.push("panel", but(selftest=ILL_TEST))
    first = page.locator(".test-steps li").first
    await expect(first).to_contain_text("Haut-parleur vers micro")
    await expect(first.locator(".test-do")).to_contain_text("montez le volume")
    await expect(page.locator(".test-do")).to_have_count(2)
    await page.click("#test-close")
    await expect(page.locator("#test")).to_be_visible()
    server.push("panel", but(selftest=a_test("announced", "centre")))
    await expect(page.locator("#selftest [role=status]")).to_contain_text("Le centre demande")
    server.push("panel", LIVE)
    await expect(page.locator("#selftest")).to_have_count(0)
    assert sent(server) == [("/api/selftest", {}), ("/api/selftest/stop", {}), ("/api/selftest/close", {})]


async def test_what_the_test_at_start_found_is_told_with_what_it_is_about(serve: Serve, open_page: OpenPage) -> None:
    late = Outcome("failed", "late")
    found = a_test("done", "start", "quiet", uplink=late, clock=late)
    page = await open_page(room(serve, but(**{**LIVE.model_dump(), "selftest": found})).url)
    lines = page.locator("#start-findings li")
    await expect(lines).to_have_count(2)
    await expect(lines.first).to_contain_text("Débit vers le centre\xa0: Pas de réponse à temps.")
    await expect(lines.last).to_contain_text("Horloge\xa0: Pas de réponse à temps.")
    await page.click("#help")
    await expect(page.locator("dialog.help li")).to_have_count(2)


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1366, 768), (1920, 1080), (3840, 2160)])
@pytest.mark.parametrize("name", ["idle", "after", "being tested", "tested"])
async def test_nobody_scrolls_for_start_nor_for_what_is_wrong(
    serve: Serve, open_page: OpenPage, name: str, width: int, height: int
) -> None:
    problems = [Text(fr=f"{what} a manqué.", en="x") for what in ("La caméra", "Le micro", "Le tableau", "Le son")]
    problems.append(Text(fr="Le micro s’est arrêté ; un autre a pris sa place.", en="x"))
    summary = PanelSummary(lesson="l-0", duration_s=2540, viewers_most=8, problems=tuple(problems))
    turning = PanelPtz(is_connected=True, can_turn=True, can_zoom=True)
    full = {**STATES[name].model_dump(), "ptz": turning, "summary": None if name == "idle" else summary}
    page = await open_page(room(serve, but(**full)).url, width=width, height=height)
    await shown(page)
    assert await page.evaluate("document.documentElement.scrollHeight - innerHeight") <= 0
    for wanted in ("#start", "#copy", *(("#test",) if name in ("idle", "after") else (".test-steps li",))):
        box = await page.locator(wanted).first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= height, wanted
    if name == "tested":
        ill = await page.locator(".test-steps li[data-state=warning]").bounding_box()
        steps = await page.locator(".test-steps").bounding_box()
        assert ill is not None
        assert steps is not None
        assert ill["y"] + ill["height"] <= steps["y"] + steps["height"]


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


async def test_a_driver_that_was_set_aside_is_said_and_can_be_tried_again(serve: Serve, open_page: OpenPage) -> None:
    server = room(serve, STATES["set aside"])
    server.answers["POST /api/device/retry"] = LIVE
    page = await open_page(server.url)
    facts = page.locator(".facts")
    await expect(facts).to_contain_text(re.compile("Caméra\\s: son pilote plante sans cesse"))
    await expect(facts).to_contain_text(re.compile("Tableau\\s: aucune image n’arrive"))
    await page.get_by_role("button", name="Réessayer\u00a0: Caméra").click()
    await expect(facts).not_to_contain_text("Caméra")
    assert sent(server) == [("/api/device/retry", {"device": "camera"})]


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
    assert len(air) == 10
    assert min(air.values()) >= 6, air
    tops = await page.evaluate("new Set([...document.querySelectorAll('.acts .button')].map(b => b.offsetTop)).size")
    assert tops == 1
    await assert_fits(page)


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


async def test_what_is_wrong_is_told_calmly_the_worst_first_with_what_to_do(serve: Serve, open_page: OpenPage) -> None:
    server = room(serve, LIVE)
    page = await open_page(server.url)
    await shown(page)
    banners, spoken = page.locator(".banner.check"), page.locator("#checks-spoken")
    await expect(banners).to_have_count(0)
    server.push("panel", but(**{**LIVE.model_dump(), "checks": WRONG[1:2]}))
    await expect(banners).to_have_text(
        ["On entend à peine la personne qui parle. Rapprochez le micro, ou augmentez son niveau."]
    )
    await expect(spoken).to_contain_text("On entend à peine")
    server.push("panel", but(**{**LIVE.model_dump(), "checks": WRONG}))
    await expect(banners).to_have_count(3)
    assert [await one.get_attribute("data-check") for one in await banners.all()] == [one.id for one in WRONG[:3]]
    await expect(banners.first).to_have_class(re.compile("bad"))
    assert "On entend à peine" not in await spoken.inner_text()  # it was said once
    await expect(page.locator("#checks-more")).to_have_text("et 2 autres")
    await page.click("#checks-more")
    await expect(page.locator("dialog li")).to_have_count(5)
    await expect(page.locator("dialog")).to_contain_text("Le certificat de la salle est périmé")
    await expect(page.locator("dialog")).to_contain_text("host-certificate")
    await assert_accessible(page, enhanced=True)
    await page.keyboard.press("Escape")
    server.push("panel", LIVE)
    await expect(banners).to_have_count(0)
    await expect(spoken).to_have_text("")


async def test_one_line_says_that_all_is_well_or_how_much_is_not(serve: Serve, open_page: OpenPage) -> None:
    server = room(serve, IDLE)
    page = await open_page(server.url)
    await shown(page)
    well = page.locator("#well")
    for view, text, status in (
        (IDLE, "tout va bien", "ok"),
        (but(checks=WRONG[1:2]), "1 chose à voir", "warning"),
        (STATES["unwell"], "5 choses à voir", "critical"),
        (STATES["ill"], "2 choses à voir", "critical"),
        (STATES["first"], "1 chose à voir", "warning"),
    ):
        server.push("panel", view)
        await expect(well).to_have_text(text)
        await expect(well).to_have_attribute("data-status", status)
    server.push("panel", LIVE)
    await expect(well).to_have_count(0)


async def test_the_rooms_normal_state_is_recorded_by_a_person(
    serve: Serve, open_page: OpenPage, complaints: Complaints
) -> None:
    complaints.expected = {409}
    server = room(serve, IDLE)
    server.answers["POST /api/normal"] = refusal("device-not-now", 409)
    page = await open_page(server.url)
    await page.click("#help")
    outcome = page.locator("#normal-outcome")
    await expect(outcome).to_have_text("Pas encore mémorisé.")
    await page.click("#normal")
    await expect(outcome).to_contain_text("Allumez la lumière")
    await expect(page.locator("#refusal")).to_have_count(0)  # it is told where it was asked for
    server.answers["POST /api/normal"] = but(normal_at=NOW)
    await page.click("#normal")
    await expect(outcome).to_have_text("C’est mémorisé.")
    await assert_accessible(page, enhanced=True)
    assert sent(server) == [("/api/normal", {})] * 2


async def test_the_normal_state_is_not_offered_in_a_room_with_a_class(serve: Serve, open_page: OpenPage) -> None:
    server = room(serve, STATES["unwell live"])
    page = await open_page(server.url)
    await page.click("#help")
    await expect(page.locator("dialog.help")).to_be_visible()
    await expect(page.locator("#normal")).to_have_count(0)
    server.push("panel", STATES["open"])  # somebody set the room up
    await expect(page.locator("#normal")).to_be_visible()


async def test_help_closes_without_scrolling_however_much_is_wrong(serve: Serve, open_page: OpenPage) -> None:
    page = await open_page(room(serve, STATES["unwell"]).url)
    await page.click("#help")
    await expect(page.locator("#help-close")).to_be_visible()
    close = await page.locator("#help-close").bounding_box()
    assert close is not None
    assert close["y"] + close["height"] <= 800
    assert await page.evaluate("document.querySelector('dialog.help').scrollTop") == 0  # whom to call comes first


async def test_help_tells_one_microphone_from_another(serve: Serve, open_page: OpenPage) -> None:
    ceiling = device(DeviceRole.MICROPHONE, "device-lost").model_copy(update={"id": "ceiling", "name": "Plafond"})
    page = await open_page(room(serve, but(devices=(*IDLE.devices, ceiling))).url)
    await page.click("#help")
    await expect(page.locator("dialog li")).to_contain_text("Micro «\xa0Plafond\xa0»\xa0: s’est arrêté")


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
    await expect(page.locator("#refusal")).to_have_count(0)  # it is told where it was asked for
    await expect(page.locator("#pin")).to_be_focused()
    server.answers["POST /api/unlock"] = STATES["unlocked live"]
    await page.locator("#pin").fill("0815")
    await page.keyboard.press("Enter")
    await expect(page.locator("#code")).to_have_text("K7QF-92MX")
    await expect(page.locator("dialog.pin")).to_have_count(0)
    await expect(page.locator(".names .name", has_text="Lina")).to_be_visible()
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
