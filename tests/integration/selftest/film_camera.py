"""A camera that films an X server's screen from the side of a drawn classroom: small, skewed, not sharp, noisy."""

from __future__ import annotations

import time

import cv2
import numpy as np
from Xlib import X
from Xlib.display import Display

from agent.devices.base import CaptureDriver, DriverConfig
from agent.devices.capture_child import CaptureChild
from protocol.messages import DeviceRole

WIDTH_PX, HEIGHT_PX = 640, 360
RATE_HZ = 15.0
CORNERS = ((165, 60), (465, 80), (460, 240), (170, 250))


class FilmCameraConfig(DriverConfig):
    """``looks_away``: the board is not in the picture. ``late_s``: each picture says that it is so much younger."""

    display: str
    looks_away: bool = False
    late_s: float = 0.0


def capture(child: CaptureChild, config: FilmCameraConfig) -> None:
    """Film until told to stop."""
    display = Display(config.display)
    screen = display.screen()
    size = screen.width_in_pixels, screen.height_in_pixels
    rng = np.random.default_rng(7)
    wall = np.full((HEIGHT_PX, WIDTH_PX, 3), 90, np.uint8)
    for number in range(24):  # what hangs and stands about in a classroom
        x, y = int(rng.integers(0, 150)), int(rng.integers(0, 350))
        cv2.rectangle(
            wall, (x, y), (x + 30, y + 15), [int(c) for c in rng.integers(0, 255, 3)], -1 if number % 2 else 3
        )
    grain = [rng.normal(0, 3, wall.shape).astype(np.int16) for _ in range(3)]
    board = np.array([(0, 0), (size[0], 0), size, (0, size[1])], np.float32)
    matrix = cv2.getPerspectiveTransform(board, np.array(CORNERS, np.float32))
    child.opened("Film camera", width_px=WIDTH_PX, height_px=HEIGHT_PX, rate_hz=RATE_HZ)
    due_s = time.monotonic()
    while not child.wait_until(due_s):
        due_s += 1 / RATE_HZ
        mono_s = time.monotonic()
        shot = wall.copy()
        if not config.looks_away:
            raw = screen.root.get_image(0, 0, *size, X.ZPixmap, 0xFFFFFFFF).data
            picture = np.frombuffer(raw, np.uint8).reshape(size[1], size[0], 4)[:, :, :3]
            cv2.warpPerspective(
                picture,
                matrix,
                (WIDTH_PX, HEIGHT_PX),
                dst=shot,
                flags=cv2.INTER_AREA,
                borderMode=cv2.BORDER_TRANSPARENT,
            )
        seen = np.clip(cv2.GaussianBlur(shot, (0, 0), 0.8) + grain[int(due_s * RATE_HZ) % 3], 0, 255).astype(np.uint8)
        slot = child.next_slot()
        if slot is not None:
            cv2.cvtColor(seen, cv2.COLOR_BGR2YUV_I420, dst=slot)
            child.send_slot(mono_s + config.late_s)
        if time.monotonic() - due_s > 0.5:
            due_s = time.monotonic()


driver = CaptureDriver(
    name="film",
    role=DeviceRole.CAMERA,
    config=FilmCameraConfig,
    child="tests.integration.selftest.film_camera:capture",
    imports=("cv2", "Xlib.display"),
)
