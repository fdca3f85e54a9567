"""systemd hears that the room is ready, and of progress only when there is some."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from agent.notify import Heart, SystemdNotifier, feed_watchdog


@pytest.fixture
def manager(tmp_path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(tmp_path / "notify"))
    listener.setblocking(False)
    return listener


def _heard(manager: socket.socket) -> list[str]:
    said = []
    while True:
        try:
            said.append(manager.recv(4096).decode())
        except BlockingIOError:
            return said


def _environment(tmp_path: Path, watchdog_us: int = 0) -> dict[str, str]:
    return {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": str(watchdog_us)}


def test_ready_is_told(manager: socket.socket, tmp_path: Path) -> None:
    with manager:
        SystemdNotifier(_environment(tmp_path)).send(READY="1", STATUS="panel on port 8480")
        assert _heard(manager) == ["READY=1\nSTATUS=panel on port 8480"]


def test_no_manager_is_no_trouble() -> None:
    notifier = SystemdNotifier({})
    notifier.send(READY="1")
    assert notifier.watchdog_s is None


class _Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_heart_that_stops_while_needed_is_dead_and_beats_again() -> None:
    clock = _Clock()
    heart = Heart("frames", 10.0, clock=clock)
    history = [heart.is_alive()]
    clock.now_s = 10.1
    history.append(heart.is_alive())
    heart.beat()
    history.append(heart.is_alive())
    assert history == [True, False, True]


def test_a_heart_that_becomes_needed_is_given_its_whole_time() -> None:
    clock = _Clock()
    needed = False
    heart = Heart("frames", 10.0, lambda: needed, clock=clock)
    clock.now_s = 100.0
    assert heart.is_alive()
    needed = True
    assert heart.is_alive()
    clock.now_s = 110.5
    assert not heart.is_alive()


async def test_the_watchdog_is_fed_only_while_all_hearts_beat(manager: socket.socket, tmp_path: Path) -> None:
    with manager:
        notifier = SystemdNotifier(_environment(tmp_path, watchdog_us=20_000))
        clock = _Clock()
        heart = Heart("lesson frames", 5.0, clock=clock)
        loop = asyncio.get_running_loop()
        fed = asyncio.Event()
        loop.add_reader(manager, fed.set)
        try:
            task = asyncio.create_task(feed_watchdog(notifier, [heart]))
            async with asyncio.timeout(5):
                await fed.wait()
            clock.now_s = 6.0
            _heard(manager)
            for _ in range(3):  # turns of the feeder, each half the watchdog's time
                await asyncio.sleep(notifier.watchdog_s or 0)
            late = _heard(manager)
        finally:
            loop.remove_reader(manager)
            task.cancel()
    assert len(late) <= 1  # one may have been under way when the heart stopped
