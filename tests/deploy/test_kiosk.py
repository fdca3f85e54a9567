"""The kiosk's scripts, run under a virtual X server: the panel is on the screen, and the agent can read the screen."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import stat
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from agent.devices.x11_panel import PANEL_CLASS
from tests.peers import need

pytestmark = pytest.mark.timed

START_S = 30.0
"""Xvfb, openbox and a first start of Chromium on two busy cores."""

STOP_S = 5.0
"""TimeoutStopSec of the unit. xinit may wait 20 s for processes that ended already."""


@asynccontextmanager
async def panel(asked: asyncio.Future[str]) -> AsyncIterator[int]:
    """A page in the panel's place, on a loopback port; ``asked`` gets the first request line."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = (await reader.readline()).decode()
        if line and not asked.done():  # Chromium opens connections ahead that it does not use
            asked.set_result(line)
        page = b"<!doctype html><title>Estrade</title><p>Salle B12"
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: {len(page)}\r\n\r\n"
        writer.write(head.encode() + page)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def windows(display: str, authority: Path) -> str:
    """Return the tree of windows, as a program that holds the cookie sees it."""
    program = need("xwininfo", "x11-utils")
    environment = {**os.environ, "DISPLAY": display, "XAUTHORITY": str(authority)}
    process = await asyncio.create_subprocess_exec(
        program, "-root", "-tree", env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    return (await process.communicate())[0].decode()


async def entries(authority: Path) -> str:
    """Return the cookies of an authority file, one a line, each beginning with its family."""
    process = await asyncio.create_subprocess_exec(
        need("xauth", "xauth"), "-f", str(authority), "nlist", stdout=asyncio.subprocess.PIPE
    )
    return (await process.communicate())[0].decode()


async def end_as_systemd_would(session: asyncio.subprocess.Process) -> None:
    """End every process of the session at once, and after the unit's TimeoutStopSec those that are left."""
    processes = [psutil.Process(session.pid), *psutil.Process(session.pid).children(recursive=True)]
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(session.wait(), STOP_S)
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    await session.wait()


def free_display() -> str:
    """Return the name of a display that nobody serves."""
    return next(f":{number}" for number in range(90, 200) if not Path(f"/tmp/.X11-unix/X{number}").exists())


async def test_the_session_shows_the_panel_full_screen_and_lets_the_agent_look(deploy: Path, tmp_path: Path) -> None:
    server = need("Xvfb", "xvfb")
    for program, package in (("xinit", "xinit"), ("xauth", "xauth"), ("openbox", "openbox"), ("chromium", "chromium")):
        need(program, package)
    runtime, state, token = tmp_path / "run", tmp_path / "state", tmp_path / "token"
    runtime.mkdir(mode=0o750)
    state.mkdir(mode=0o700)
    display = free_display()
    asked: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with panel(asked) as port:
        environment = {
            **os.environ,
            "HOME": str(state),
            "RUNTIME_DIRECTORY": str(runtime),
            "STATE_DIRECTORY": str(state),
            "ESTRADE_PANEL_URL": f"http://127.0.0.1:{port}/",
            "ESTRADE_PANEL_TOKEN_FILE": str(token),
            "ESTRADE_KIOSK_FLAGS": "--no-sandbox --disable-gpu --disable-background-networking",
        }
        command = [str(deploy / "kiosk/start"), server, display, "-screen", "0", "800x600x24", "-nolisten", "tcp"]
        session = await asyncio.create_subprocess_exec(
            *command, env=environment, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            async with asyncio.timeout(START_S):
                assert not asked.done()
                # the agent is late; Chromium waits for what opens the panel
                token.write_text("the-token-of-this-boot\nboot\n")
                assert (await asked).startswith("GET /?token=the-token-of-this-boot ")
                cookie = runtime / "Xauthority"
                while '"Estrade"' not in (tree := await windows(display, cookie)) or "800x600+0+0  +0+0" not in tree:
                    assert session.returncode is None
                    await asyncio.sleep(0.1)  # nothing tells a stranger of a window: asked again until the deadline
            assert f'"{PANEL_CLASS}")' in tree, "the class by which the agent tells the panel's windows"
            assert stat.S_IMODE(cookie.stat().st_mode) == 0o640
            assert "\nffff " in f"\n{await entries(cookie)}"
            assert "Authorization required" in await windows(display, tmp_path / "no-cookie")
        finally:
            await end_as_systemd_would(session)


def test_the_policies_keep_the_browser_at_the_panel(deploy: Path) -> None:
    policies = json.loads((deploy / "kiosk/chromium-policies.json").read_text())
    unit = (deploy / "systemd/estrade-kiosk.service").read_text()
    panel_url = next(line for line in unit.splitlines() if "ESTRADE_PANEL_URL=" in line).partition("URL=")[2]
    assert policies["URLBlocklist"] == ["*"]
    assert policies["URLAllowlist"] == [panel_url.rstrip("/")]
    assert policies["AudioCaptureAllowed"] is policies["VideoCaptureAllowed"] is False


def test_no_key_or_button_leaves_the_panel(deploy: Path) -> None:
    root = ET.parse(deploy / "kiosk/openbox.xml").getroot()
    names = {"o": "http://openbox.org/3.4/rc"}
    for name in ("keyboard", "mouse"):
        found = root.find(f"o:{name}", names)
        assert found is not None
        assert len(found) == 0


def test_the_scripts_are_shell(deploy: Path) -> None:
    for script in ("start", "session"):
        subprocess.run([shutil.which("sh") or "/bin/sh", "-n", str(deploy / "kiosk" / script)], check=True)
