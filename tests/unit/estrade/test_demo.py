"""What the demo's options make of its room."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from estrade.demo import DemoOptions, devices_of

SIMULATED = {"driver": "simulated"}
SCREEN = {"driver": "x11", "display": ":0"}


def test_a_drawn_classroom_is_not_meant_to_show_the_real_board() -> None:
    drawn = DemoOptions(Path("state"), SIMULATED, SIMULATED, SCREEN)
    assert devices_of(drawn)["selftest"] == {"camera_sees_board": False}
    real = DemoOptions(Path("state"), {"driver": "v4l2", "path": "/dev/video0"}, SIMULATED, SCREEN)
    assert "selftest" not in devices_of(real)
    assert "selftest" not in devices_of(DemoOptions(Path("state"), SIMULATED, SIMULATED, SIMULATED))


def test_settings_are_added_to_what_the_options_say() -> None:
    more: dict[str, dict[str, Any]] = {"camera": {"rate_hz": 15}, "selftest": {"camera_sees_board": True}}
    devices = devices_of(DemoOptions(Path("state"), SIMULATED, SIMULATED, SCREEN, more))
    assert devices["camera"] == {"driver": "simulated", "rate_hz": 15}
    assert devices["selftest"] == {"camera_sees_board": True}
