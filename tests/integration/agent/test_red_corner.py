"""The corner on the board's screen says what the sign says, and nothing else can hide it for long."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from Xlib import X
from Xlib.display import Display

from agent.devices.x11_corner import RED
from tests.broker import Broker
from tests.integration.agent.conftest import room_settings, running_room
from tests.integration.devices.test_drivers import x_server
from tests.waiting import until

pytestmark = pytest.mark.timed


def is_red(display: Display) -> bool:
    """Say whether the upper right corner of the screen is red."""
    root = display.screen().root
    raw = root.get_image(display.screen().width_in_pixels - 8, 2, 4, 4, X.ZPixmap, 0xFFFFFFFF).data
    return bool((np.frombuffer(raw, np.uint32) & 0xFFFFFF == RED).all())


async def test_the_corner_is_there_while_the_sign_is_and_gone_within_a_second(broker: Broker, tmp_path: Path) -> None:
    with x_server() as (name, _server):
        display = Display(name)
        devices = {"board": {"driver": "x11", "display": name}}
        async with running_room(room_settings(broker, tmp_path, devices)) as room:
            assert not is_red(display)
            await room.press("lesson/start")
            await until(lambda: is_red(display), "the corner", 4)
            assert (await room.view())["sign"] != "off"
            root = display.screen().root
            slides = root.create_window(0, 0, 1367, 769, 0, display.screen().root_depth, background_pixel=0xFFFFFF)
            slides.map()
            display.sync()
            await until(lambda: is_red(display), "the corner above what covered it", 2)
            await room.press("lesson/stop")
            while (await room.view())["sign"] != "off":
                assert is_red(display)
            gone_s = time.monotonic()
            await until(lambda: not is_red(display), "no corner", 1)
            assert time.monotonic() - gone_s < 1.0
        display.close()
