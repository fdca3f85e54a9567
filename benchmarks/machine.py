"""What a figure was measured on: processor, memory, load, and the versions of everything that takes part."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import psutil

PACKAGES = ("aiortc", "av", "uvloop", "uvicorn", "aiomqtt", "pydantic", "playwright")


def machine() -> dict[str, Any]:
    """Return the machine, its load of the last minute, and versions; a program that is missing has version None."""
    release = platform.freedesktop_os_release()
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "load_1_min": round(os.getloadavg()[0], 2),
        "os": f"{release.get('PRETTY_NAME', 'Linux')}, kernel {platform.release()}",
        "python": platform.python_version(),
        "chromium": _version("chromium", "--version"),
        "firefox": _version("firefox-esr", "--version"),
        "mosquitto": _version("mosquitto", "-h"),
        **{name: importlib.metadata.version(name) for name in PACKAGES},
    }


def machine_line(found: dict[str, Any]) -> str:
    """Return the machine in one line."""
    versions = ", ".join(f"{name} {found[name]}" for name in ("python", "chromium", "firefox", "mosquitto", *PACKAGES))
    return (
        f"{found['cores']} × {found['cpu']}, {found['memory_gb']} GB, {found['os']}; {versions}; "
        f"load before {found['load_1_min']}"
    )


def _cpu_model() -> str:
    match = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return match[1].strip() if match else platform.machine()


def _version(program: str, argument: str) -> str | None:
    path = shutil.which(program, path=os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin")))
    if path is None:
        return None
    said = subprocess.run([path, argument], capture_output=True, text=True, timeout=20, check=False)
    match = re.search(r"\d+(\.\d+)+", said.stdout + said.stderr)
    return match[0] if match else None
