"""``estrade doctor``: what is missing on this machine, and what to do about each."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from estrade.demo_folder import CA_PORT, PANEL_PORT, WEB_PORT, is_free
from estrade.programs import find_program
from estrade.words import language, say

Status = Literal["ok", "missing", "warning"]

_LEAST_PYTHON = (3, 11)
_PROGRAMS: tuple[tuple[str, str, bool, str, str], ...] = (
    # program, Debian package, needed by the demo, what for (fr, en)
    (
        "mosquitto",
        "mosquitto",
        True,
        "le courtier MQTT entre salles et centre",
        "the MQTT broker between rooms and centre",
    ),
    ("espeak-ng", "espeak-ng", False, "la voix de la salle simulée", "the voice of the simulated room"),
    ("chromium", "chromium", False, "le kiosque du panneau et les tests", "the panel's kiosk and the tests"),
    (
        "pactl",
        "pulseaudio-utils",
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


def findings() -> list[Finding]:
    """Look at programs, packages, ports and devices."""
    return [*_python(), *_programs(), *_packages(), *_ports(), *_devices()]


def run(*, as_json: bool) -> int:
    """Print what was found; return 0 when nothing needed is missing, else 2."""
    found = findings()
    missing = [finding for finding in found if finding.status == "missing"]
    if as_json:
        print(json.dumps({"ok": not missing, "findings": [asdict(finding) for finding in found]}, ensure_ascii=False))
        return 2 if missing else 0
    width = max(len(say(finding.status)) for finding in found)
    for finding in found:
        print(f"{say(finding.status):<{width}}  {finding.message}")
        if finding.remedy:
            print(f"{'':<{width}}  → {finding.remedy}")
    print(say("doctor-missing", count=len(missing)) if missing else say("doctor-ok"))
    return 2 if missing else 0


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


def _programs() -> Iterator[Finding]:
    for program, package, is_needed, french, english in _PROGRAMS:
        path = find_program(program)
        what = f"{program}: {_say(french, english)}"
        if path is not None:
            yield Finding(program, "ok", f"{what} ({path})")
        else:
            yield Finding(program, "missing" if is_needed else "warning", what, f"sudo apt install {package}")


def _packages() -> Iterator[Finding]:
    for module, extra in _PACKAGES:
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
