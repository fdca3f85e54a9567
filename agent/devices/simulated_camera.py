"""A camera in a classroom that is drawn: for demos, tests and a first look, with faults on demand."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field, field_validator

from agent.devices.base import CaptureDriver, DriverConfig
from agent.devices.capture_child import CaptureChild
from agent.devices.simulated import Fault, Faults, draw_time_strip, is_flashing, next_tick
from protocol.messages import DeviceRole

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLACK, WHITE = 16, 235
SLOWNESS = 5


class SimulatedCameraConfig(DriverConfig):
    """``time_strip``: see `agent.devices.simulated`; it needs at least 768 pixels of width to survive H.264."""

    width_px: int = Field(default=1280, ge=160, le=1920, multiple_of=2)
    height_px: int = Field(default=720, ge=90, le=1080, multiple_of=2)
    rate_hz: float = Field(default=30.0, gt=0, le=60)
    room_name: str = Field(default="Salle 12", max_length=40)
    flash_and_beep_s: float | None = Field(default=None, ge=0.5, description="a white picture each so many seconds")
    time_strip: bool = False
    faults: tuple[Fault, ...] = ()

    @field_validator("time_strip")
    @classmethod
    def _wide_enough(cls, value: bool, info: object) -> bool:
        width_px = getattr(info, "data", {}).get("width_px", 0)
        if value and width_px < 768:
            raise ValueError(f"the time strip needs width_px of at least 768, not {width_px}")
        return value


def capture(child: CaptureChild, config: SimulatedCameraConfig) -> None:
    """Draw pictures at the configured rate until told to stop."""
    from agent.devices.classroom import Classroom  # it imports cv2, which belongs in the capture process only
    from agent.devices.i420 import fill

    faults = Faults(config.faults, child)
    faults.at_open()
    classroom = Classroom(config.width_px, config.height_px, config.room_name)
    child.opened(
        f"Simulated camera, {config.room_name}",
        width_px=config.width_px,
        height_px=config.height_px,
        rate_hz=config.rate_hz,
    )
    frozen: NDArray[np.uint8] | None = None
    count = 0
    while not child.wait_until(next_tick(config.rate_hz)):
        fault = faults.now()
        count += 1
        if fault == "slow" and count % SLOWNESS:
            continue
        wall_s, mono_s = time.time(), time.monotonic()
        image = child.next_slot()
        if image is None:
            continue
        if fault == "freeze" and frozen is not None:
            np.copyto(image, frozen)
        elif fault == "black":
            fill(image, BLACK)
        elif is_flashing(wall_s, config.flash_and_beep_s):
            fill(image, WHITE)
        else:
            classroom.draw(image, wall_s, mono_s - child.first_opened_mono_s)
        if config.time_strip and fault != "freeze":
            draw_time_strip(image, int(wall_s * 1000))
        if fault != "freeze":
            frozen = None
        elif frozen is None:
            frozen = image.copy()
        child.send_slot(mono_s)


driver = CaptureDriver(
    name="simulated",
    role=DeviceRole.CAMERA,
    config=SimulatedCameraConfig,
    child="agent.devices.simulated_camera:capture",
    imports=("cv2", "agent.devices.classroom"),
)
