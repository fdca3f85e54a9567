"""What a plug tells, and whom; real events of a real kernel are in tests/vm."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from agent.hotplug import HotPlug, PlugEvent

GONE = Path("/dev/video-that-is-not-there")


class Ears:
    """Listens for one subsystem, and counts."""

    def __init__(self, plugs: HotPlug, subsystem: str) -> None:
        self.came = 0
        self.gone: list[Path] = []
        plugs.listen({subsystem}, self._came, self.gone.append)

    def _came(self) -> None:
        self.came += 1


async def gathered() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_the_many_events_of_one_plug_are_told_once_and_to_those_concerned() -> None:
    plugs = HotPlug(gather_s=0.0)
    camera, microphone = Ears(plugs, "video4linux"), Ears(plugs, "sound")
    for action in ("add", "add", "change"):
        plugs.heard(PlugEvent(action, "video4linux", Path("/dev/video0")))
    plugs.heard(PlugEvent("bind", "usb"))
    assert camera.came == 0
    await gathered()
    assert (camera.came, microphone.came) == (1, 0)
    plugs.heard(PlugEvent("add", "video4linux"))
    await gathered()
    assert camera.came == 2


async def test_what_went_is_told_at_once() -> None:
    plugs = HotPlug(gather_s=0.0)
    camera, microphone = Ears(plugs, "video4linux"), Ears(plugs, "sound")
    plugs.heard(PlugEvent("remove", "video4linux", GONE))
    assert (camera.gone, microphone.gone) == ([GONE], [])


async def test_a_late_remove_does_not_take_away_what_has_that_name_now(tmp_path: Path) -> None:
    plugs = HotPlug()
    camera = Ears(plugs, "video4linux")
    plugs.heard(PlugEvent("remove", "video4linux", tmp_path))
    assert camera.gone == []


async def test_without_udev_it_says_so_and_leaves(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "agent.hotplug")
    await asyncio.wait_for(HotPlug(udev=tmp_path / "control").run(), 1)
    assert "udev does not run here" in caplog.text
