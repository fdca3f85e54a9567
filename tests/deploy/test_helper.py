"""The root helper started for each connection, as its socket unit has systemd do it, and asked by the agent's side."""

from __future__ import annotations

import asyncio
import getpass
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.helper.ask import ask
from protocol.errors import HelperError
from tests.peers import need


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """The helper's socket, served by systemd's own activation."""
    activate = need("systemd-socket-activate", "systemd")
    program = shutil.which("estrade-helper", path=str(Path(sys.executable).parent))
    assert program is not None
    listening = tmp_path / "helper.socket"
    command = [program, "--audit", str(tmp_path / "audit.log"), "--user", getpass.getuser()]
    process = subprocess.Popen(
        [activate, f"--listen={listening}", "--accept", "--inetd", *command], stderr=subprocess.PIPE
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if b"Listening on" in line:
                break
        yield listening
    finally:
        process.terminate()
        process.communicate()


async def test_the_agent_asks_and_is_told(path: Path, tmp_path: Path) -> None:
    for arguments, code in (({"port": "99-1"}, "helper-not-there"), ({"port": "/etc"}, "helper-bad-request")):
        with pytest.raises(HelperError) as caught:
            await ask("usb-reset", socket=path, **arguments)
        assert caught.value.code == code
        assert "\n" not in caught.value.message
    told = [json.loads(line) for line in (tmp_path / "audit.log").read_text().splitlines()]
    assert [line["answer"]["code"] for line in told if "answer" in line] == ["helper-not-there", "helper-bad-request"]


async def test_two_may_ask_at_once_and_nonsense_harms_neither(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as rude:
        rude.connect(str(path))
        rude.sendall(b"\xff" * 2000)
        asked = [ask("usb-reset", socket=path, port=f"98-{number}") for number in (1, 2)]
        results = await asyncio.gather(*asked, return_exceptions=True)
        assert json.loads(rude.makefile().readline())["code"] == "helper-bad-request"
    assert [result.code for result in results if isinstance(result, HelperError)] == ["helper-not-there"] * 2


async def test_a_helper_that_is_not_set_up_is_told(tmp_path: Path) -> None:
    with pytest.raises(HelperError, match=r"not set up.*install") as caught:
        await ask("reboot", socket=tmp_path / "none")
    assert caught.value.code == "helper-not-there"
