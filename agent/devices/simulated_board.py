"""A board on which a mathematics lesson is written: changed pictures only, as a real board's driver gives them."""

from __future__ import annotations

import time
from typing import Literal

import numpy as np
from pydantic import Field

from agent.devices.base import CaptureDriver, DriverConfig
from agent.devices.capture_child import CaptureChild
from agent.devices.simulated import Fault, Faults, draw_time_strip
from protocol.messages import DeviceRole

KEEP_ALIVE_S = 5.0
"""A still board is sent again so often, for viewers whose decoder lost something."""


class SimulatedBoardConfig(DriverConfig):
    """``rate_hz`` is how often a picture is looked at while somebody writes."""

    width_px: int = Field(default=1920, ge=768, le=1920, multiple_of=2)
    height_px: int = Field(default=1080, ge=432, le=1080, multiple_of=2)
    rate_hz: float = Field(default=5.0, gt=0, le=30)
    style: Literal["chalk", "white"] = "chalk"
    time_strip: bool = False
    faults: tuple[Fault, ...] = ()


def capture(child: CaptureChild, config: SimulatedBoardConfig) -> None:
    """Write slides until told to stop."""
    from agent.devices.i420 import fill  # it imports cv2, which belongs in the capture process only
    from agent.devices.slides import Slides

    faults = Faults(config.faults, child)
    faults.at_open()
    slides = Slides(config.width_px, config.height_px, config.style)
    child.opened("Simulated board", width_px=config.width_px, height_px=config.height_px, rate_hz=config.rate_hz)
    sent_mono_s = -KEEP_ALIVE_S
    unsent = was_black = False
    while True:
        fault = faults.now()
        mono_s = time.monotonic()
        is_black = fault == "black"
        if fault != "freeze" and slides.advance(mono_s - child.first_opened_mono_s):
            unsent = True
        if unsent or is_black is not was_black or mono_s - sent_mono_s >= KEEP_ALIVE_S:
            image = child.next_slot()
            if image is not None:
                if is_black:
                    fill(image, 16)
                else:
                    np.copyto(image, slides.image)
                if config.time_strip:
                    draw_time_strip(image, int(time.time() * 1000))
                child.send_slot(mono_s)
                sent_mono_s, was_black, unsent = mono_s, is_black, False
        child.alive()
        if child.wait_until(mono_s + 1 / config.rate_hz):
            return


driver = CaptureDriver(
    name="simulated",
    role=DeviceRole.BOARD,
    config=SimulatedBoardConfig,
    child="agent.devices.simulated_board:capture",
    imports=("cv2", "agent.devices.slides"),
)
