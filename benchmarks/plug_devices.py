"""Which driver and configuration each row of `benchmarks.hotplug` takes, and how its device is unplugged."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.streams.layers import StreamSettings
from protocol.messages import DeviceRole

SOUND_SERVER_MICROPHONE: tuple[str, Mapping[str, Any]] = ("pulse", {"source": "room.monitor"})
"""The source ``room.monitor`` of `tests.integration.devices.soundserver`."""


@dataclass(frozen=True, slots=True)
class KernelDevice:
    """A device of the virtual machine: ``name`` is unbound from ``driver`` of the platform bus, and bound again."""

    role: DeviceRole
    module: str
    driver: str
    name: str
    config: tuple[str, Mapping[str, Any]]

    async def set_plugged(self, is_plugged: bool) -> None:
        """Plug it in, or out; the kernel waits until the last user has closed it, so it has a thread of its own."""
        act = Path("/sys/bus/platform/drivers") / self.driver / ("bind" if is_plugged else "unbind")
        await asyncio.to_thread(act.write_text, self.name)


SMALL = StreamSettings(
    camera_max_width_px=320, camera_max_height_px=180, camera_max_rate_hz=10, camera_preset="ultrafast"
)
"""What an emulated processor encodes with time to spare."""

IN_THE_MACHINE: Mapping[str, KernelDevice] = {
    "camera": KernelDevice(
        DeviceRole.CAMERA,
        "vivid",
        "vivid",
        "vivid.0",
        ("v4l2", {"path": "/dev/estrade/camera", "width_px": 320, "height_px": 180, "rate_hz": 10}),
    ),
    "microphone": KernelDevice(
        DeviceRole.MICROPHONE,
        "snd-aloop",
        "snd_aloop",
        "snd_aloop.0",
        ("alsa", {"card": "id:RoomMic"}),
    ),
}
