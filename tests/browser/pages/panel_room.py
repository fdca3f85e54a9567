"""A room's panel in each of its states, for the tests of its page."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from playwright.async_api import Page, expect

from agent.health.words import words as words_of
from agent.selftest import words
from agent.selftest.outcome import Outcome
from agent.selftest.runner import WHOLE
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
    PanelAudience,
    PanelFraming,
    PanelHand,
    PanelInterrupted,
    PanelKnock,
    PanelMicrophone,
    PanelMicrophones,
    PanelProposal,
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
from tests.browser.pages.conftest import Serve
from tests.browser.pages.stub import PageServer

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


PIXEL = bytes.fromhex(
    "ffd8ffe000104a46494600010100000100010000ffdb00430002010101010102010101020202020204030202020205040403040605060606"
    "05060606070908060709070606080b08090a0a0a0a0a06080b0c0b0a0c090a0a0affc0000b080001000101011100ffc4001f000001050101"
    "0101010100000000000000000102030405060708090a0bffc400b5100002010303020403050504040000017d010203000411051221314106"
    "13516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728292a3435363738393a434445464748494a535455"
    "565758595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9ba"
    "c2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9faffda0008010100003f002bffd9"
)
"""The smallest JPEG: one grey pixel."""
