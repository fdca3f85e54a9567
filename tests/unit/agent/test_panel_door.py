"""What opens the panel: the boot's token, and the PIN before names and code."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from agent.web.pin import FREE_TRIES, MOST_WAIT_S, OPEN_S, Pin, hash_pin
from agent.web.token import PanelToken
from protocol.errors import AccessError, ConfigError


def token_in(path: Path) -> str:
    return path.read_text().partition("\n")[0]


def test_a_restart_in_the_same_boot_keeps_the_token_and_its_cookie(tmp_path: Path) -> None:
    first = PanelToken(tmp_path / "token", "boot-1")
    again = PanelToken(tmp_path / "token", "boot-1")
    assert again.cookie == first.cookie
    assert again.is_token(token_in(tmp_path / "token"))


def test_each_boot_has_a_token_of_its_own(tmp_path: Path) -> None:
    first = PanelToken(tmp_path / "token", "boot-1")
    old = token_in(tmp_path / "token")
    later = PanelToken(tmp_path / "token", "boot-2")
    assert not later.is_token(old)
    assert not later.is_cookie(first.cookie)


def test_the_file_is_for_the_agent_and_the_group_of_its_folder_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        PanelToken(tmp_path / "token", "boot-1")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["token"]


def test_the_kiosks_group_comes_from_the_folder(tmp_path: Path) -> None:
    """The agent may not change a file's group; a set-group-id folder gives it, as tmpfiles makes it."""
    others = [group for group in os.getgroups() if group != os.getegid()]
    if os.geteuid() != 0 and not others:
        pytest.skip("this user has one group alone; run as root or give it a second group")
    group = others[0] if others else 12_345
    os.chown(tmp_path, -1, group)
    tmp_path.chmod(0o2750)
    for boot in ("boot-1", "boot-2"):
        PanelToken(tmp_path / "token", boot)
        assert (tmp_path / "token").stat().st_gid == group


def test_a_token_that_others_may_have_written_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a" * 43 + "\nboot-1\n")
    (tmp_path / "token").chmod(0o660)
    assert not PanelToken(tmp_path / "token", "boot-1").is_token("a" * 43)


@pytest.mark.parametrize("given", ["", "x", "é" * 43, "\n"])
def test_nothing_else_opens_the_panel(tmp_path: Path, given: str) -> None:
    token = PanelToken(tmp_path / "token", "boot-1")
    assert not token.is_token(given)
    assert not token.is_cookie(given)
    assert not token.is_cookie(token_in(tmp_path / "token"))


def test_a_folder_that_is_not_there_is_told_with_its_key() -> None:
    with pytest.raises(ConfigError, match=r"panel\.token_file: /proc/nowhere/token cannot be written"):
        PanelToken(Path("/proc/nowhere/token"), "boot-1")


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_without_a_file_there_is_no_pin() -> None:
    pin = Pin.read(None)
    assert not pin.is_set
    assert not pin.is_locked


def test_a_file_that_holds_the_pin_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pin").write_text("4711\n")
    with pytest.raises(ConfigError, match=r"panel\.pin_file"):
        Pin.read(tmp_path / "pin")


@pytest.mark.parametrize("pin", ["", "123", "1234567890123", "12a4", "١٢٣٤"])
def test_a_pin_has_4_to_12_digits(pin: str) -> None:
    with pytest.raises(ConfigError):
        hash_pin(pin)


def test_a_hash_holds_no_pin_and_is_never_the_same_twice() -> None:
    assert "4711" not in hash_pin("4711").split("$")
    assert hash_pin("4711") != hash_pin("4711")


async def test_the_right_pin_opens_for_some_minutes(tmp_path: Path) -> None:
    (tmp_path / "pin").write_text(hash_pin("4711") + "\n")
    clock = Clock()
    pin = Pin(Pin.read(tmp_path / "pin")._kept, clock=clock)
    assert pin.is_locked
    await pin.unlock("4711")
    clock.now_s = OPEN_S - 1
    assert not pin.is_locked
    clock.now_s = OPEN_S
    assert pin.is_locked
    await pin.unlock("4711")
    pin.lock()
    assert pin.is_locked


async def test_wrong_pins_are_slowed_down_also_for_the_right_one() -> None:
    clock = Clock()
    pin = Pin(hash_pin("4711"), clock=clock)
    for _ in range(FREE_TRIES):
        with pytest.raises(AccessError) as wrong:
            await pin.unlock("0000")
        assert wrong.value.code == "pin-wrong"
    with pytest.raises(AccessError) as throttled:
        await pin.unlock("4711")
    assert (throttled.value.code, throttled.value.retry_after_s) == ("pin-throttled", 5.0)
    assert pin.is_locked
    waits = []
    for _ in range(10):
        clock.now_s = pin._next_try_s
        with pytest.raises(AccessError):
            await pin.unlock("0000")
        waits.append(pin._next_try_s - clock.now_s)
    assert waits == sorted(waits)
    assert waits[-1] == MOST_WAIT_S
    clock.now_s = pin._next_try_s
    await pin.unlock("4711")
    assert not pin.is_locked


async def test_wrong_pins_for_weeks_never_end_the_waiting() -> None:
    clock = Clock()
    pin = Pin(hash_pin("4711"), clock=clock)
    pin._wrong = 2_000
    with pytest.raises(AccessError):
        await pin.unlock("0000")
    assert pin._next_try_s == MOST_WAIT_S


def test_the_command_prints_what_the_file_holds(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "agent.cli", "pin"]
    done = subprocess.run(command, input="4711\n", capture_output=True, text=True, check=True)
    (tmp_path / "pin").write_text(done.stdout)
    assert Pin.read(tmp_path / "pin").is_locked
    refused = subprocess.run(command, input="12\n", capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "4 to 12 digits" in refused.stderr
