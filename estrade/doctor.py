"""``estrade doctor``: what is missing on this machine, and how the room does; what to do about each.

Where the room's agent runs, it tests the room (`estrade.room_test`); the machine itself is looked at everywhere.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from estrade import demo, room_agent, room_test
from estrade.demo_folder import CA_PORT, PANEL_PORT, WEB_PORT, is_free
from estrade.programs import find_program
from estrade.words import language, say
from protocol.errors import EstradeError

Status = Literal["ok", "missing", "warning"]

CALIBRATE_MOST_S = 30.0
EXIT_NOT_TRIED = 2
_LEAST_PYTHON = (3, 11)
_PROGRAMS: tuple[tuple[str, str, bool, bool, str, str], ...] = (
    # program, Debian package, needed by the demo, of use in a room, what for (fr, en)
    (
        "mosquitto",
        "mosquitto",
        True,
        False,
        "le courtier MQTT entre salles et centre",
        "the MQTT broker between rooms and centre",
    ),
    ("espeak-ng", "espeak-ng", False, False, "la voix de la salle simulée", "the voice of the simulated room"),
    ("chromium", "chromium", False, True, "le kiosque du panneau et les tests", "the panel's kiosk and the tests"),
    (
        "pactl",
        "pulseaudio-utils",
        False,
        False,
        "nommer les microphones du serveur de son",
        "naming the sound server's microphones",
    ),
)
_PACKAGES: tuple[tuple[str, str], ...] = (
    # module, extra that brings it
    ("aiomqtt", ""),
    ("pydantic", ""),
    ("cryptography", ""),
    ("uvloop", ""),
    ("aiortc", "agent"),
    ("av", "agent"),
    ("numpy", "agent"),
    ("cv2", "agent"),
    ("pyaudio", "agent"),
    ("livekit", "agent"),
    ("pulsectl", "agent"),
    ("Xlib", "agent"),
    ("psutil", "agent"),
    ("starlette", "agent"),
    ("uvicorn", "agent"),
    ("fastapi", "controller"),
    ("sqlalchemy", "controller"),
    ("aiosqlite", "controller"),
    ("alembic", "controller"),
    ("argon2", "controller"),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``remedy`` is empty where nothing is to be done."""

    id: str
    status: Status
    message: str
    remedy: str = ""


def findings(*, has_agent: bool = False, is_room: bool = False) -> list[Finding]:
    """Look at programs and packages; where no agent has them already, at ports and devices, or at why there is none.

    ``is_room``: a room's mini-PC, which needs nothing of the centre; otherwise a machine for the demo, which is both.
    """
    found = [*_python(), *_programs(is_room=is_room), *_packages(is_room=is_room)]
    if has_agent:
        return found
    return [*found, _no_agent()] if is_room else [*found, *_ports(), *_devices()]


def run(*, as_json: bool, config: Path | None = None) -> int:
    """Look at machine and room and print what was found; return 0, or 1 when something needed is missing or failed.

    2 where the agent that runs here does not test the room, because a lesson runs; without ``as_json`` any other
    refusal of the agent is raised as EstradeError.
    """
    agent = room_agent.find(config, demo.default_state() / "agent.toml")
    has_agent = agent.is_there()
    if config is not None and not has_agent:
        raise EstradeError(
            f"no agent listens on 127.0.0.1:{agent.port}, as {config} says; start it, or leave --config out",
            code="not-ready",
        )
    found = findings(has_agent=has_agent, is_room=has_agent or os.access(room_agent.INSTALLED, os.F_OK))
    missing = [finding for finding in found if finding.status == "missing"]
    if not as_json:
        _print(found)
    room = refusal = None
    if has_agent:
        try:
            room = room_test.carry_out(agent, shows=not as_json)
        except EstradeError as error:
            refusal = error
    failed = [step for step in room["steps"] if step["state"] == "failed"] if room else []
    is_well = not missing and not failed and (room["state"] == "done" if room else refusal is None)
    if as_json:
        told: dict[str, Any] = {"ok": is_well, "findings": [asdict(finding) for finding in found], "room": room}
        if refusal is not None:
            told |= {"refusal": {"code": refusal.code, "message": refusal.message}, "not_tried": room_test.LOOKED_AT}
        print(json.dumps(told, ensure_ascii=False))
        return EXIT_NOT_TRIED if refusal is not None else 0 if is_well else 1
    if refusal is not None:
        if refusal.code != "selftest-not-now":
            raise refusal
        print(f"\n{say('doctor-lesson')} [{refusal.code}]")
        return EXIT_NOT_TRIED
    if missing:
        print(say("doctor-missing", count=len(missing)))
    elif room is None:
        print(say("doctor-ok"))
    if room is not None:
        print(outcome(room))
    return 0 if is_well else 1


def outcome(room: Mapping[str, Any]) -> str:
    """Return what came of a test of the room, in one sentence."""
    if room["state"] == "stopped":
        return say("doctor-stopped")
    took = f"{room['elapsed_s']:.0f}"
    for state, words in (("failed", "doctor-failed"), ("warning", "doctor-room-warned")):
        if count := sum(step["state"] == state for step in room["steps"]):
            return say(words, count=count, took=took)
    return say("doctor-room-ok", took=took)


def calibrate(config: Path | None, *, as_json: bool) -> int:
    """Have the agent record how the room is normally: empty, with the lights on. Raises EstradeError."""
    agent = room_agent.find(config, demo.default_state() / "agent.toml")
    if not agent.is_there():
        raise EstradeError(
            f"no agent listens on 127.0.0.1:{agent.port}; start it, or name its file with --config", code="not-ready"
        )
    if not as_json:
        print(say("doctor-calibrating"), flush=True)
    view = agent.post("/api/normal", timeout_s=CALIBRATE_MOST_S) or {}
    print(json.dumps({"ok": True, "normal_at": view["normal_at"]}) if as_json else say("doctor-calibrated"))
    return 0


def _print(found: Sequence[Finding]) -> None:
    width = max(len(say(finding.status)) for finding in found)
    for finding in found:
        print(f"{say(finding.status):<{width}}  {finding.message}")
        if finding.remedy:
            print(f"{'':<{width}}  → {finding.remedy}")


def _say(french: str, english: str) -> str:
    return french if language() == "fr" else english


def _python() -> Iterator[Finding]:
    wanted = ".".join(map(str, _LEAST_PYTHON))
    is_well = sys.version_info >= _LEAST_PYTHON
    yield Finding(
        "python",
        "ok" if is_well else "missing",
        f"Python {platform.python_version()}",
        "" if is_well else _say(f"il faut au moins {wanted}", f"at least {wanted} is needed"),
    )


def _no_agent() -> Finding:
    return Finding(
        "agent",
        "missing",
        _say("l’agent de cette salle ne tourne pas", "this room's agent does not run"),
        "sudo systemctl restart estrade-agent; journalctl -u estrade-agent -n 20",
    )


def _programs(*, is_room: bool) -> Iterator[Finding]:
    for program, package, is_needed, is_for_rooms, french, english in _PROGRAMS:
        if is_room and not is_for_rooms:
            continue
        path = find_program(program)
        what = f"{program}: {_say(french, english)}"
        if path is not None:
            yield Finding(program, "ok", f"{what} ({path})")
        else:
            yield Finding(program, "missing" if is_needed else "warning", what, f"sudo apt install {package}")


def _packages(*, is_room: bool) -> Iterator[Finding]:
    for module, extra in _PACKAGES:
        if is_room and extra == "controller":
            continue
        if importlib.util.find_spec(module) is None:
            wanted = f"estrade[{extra}]" if extra else "estrade"
            role = {"agent": _say("la salle", "the room"), "controller": _say("le centre", "the centre")}.get(
                extra, "Estrade"
            )
            yield Finding(
                f"python-{module}",
                "missing",
                _say(f"module Python {module}, pour {role}", f"Python module {module}, for {role}"),
                f"pip install '{wanted}'",
            )


def _ports() -> Iterator[Finding]:
    for port, french, english in (
        (PANEL_PORT, "le panneau", "the panel"),
        (WEB_PORT, "les pages", "the pages"),
        (CA_PORT, "l’autorité (--lan)", "the authority (--lan)"),
    ):
        what = _say(f"port {port}, pour {french}", f"port {port}, for {english}")
        if is_free(port):
            yield Finding(f"port-{port}", "ok", what)
        else:
            yield Finding(
                f"port-{port}",
                "warning",
                what,
                _say(
                    "un autre programme l’occupe ; la démonstration en prendra un autre",
                    "another program has it; the demo will take another one",
                ),
            )


def _devices() -> Iterator[Finding]:
    cameras = sorted(str(path) for path in Path("/dev").glob("video*"))
    unreadable = [path for path in cameras if not os.access(path, os.R_OK | os.W_OK)]
    if unreadable:
        yield Finding("camera", "warning", ", ".join(unreadable), "sudo usermod -aG video $USER")
    elif cameras:
        yield Finding("camera", "ok", _say("caméras : ", "cameras: ") + ", ".join(cameras))
    else:
        yield Finding(
            "camera",
            "ok",
            _say("aucune caméra : celle de la démonstration est simulée", "no camera: the demo simulates one"),
        )
    display = os.environ.get("DISPLAY")
    if display:
        yield Finding("display", "ok", _say(f"écran X11 {display}", f"X11 display {display}"))
