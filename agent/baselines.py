"""How the room's devices look and sound normally, on the room's disk. Only a person in the room has it recorded.

Numbers and a 160 × 90 map of edges, by device and by the camera's preset; no picture and no sound (DESIGN §6).
"""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from agent.health.baseline import CameraBaseline, SoundBaseline
from agent.whole_file import read_kept, write_whole

log = logging.getLogger(__name__)


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    cameras: dict[str, dict[str, CameraBaseline]] = {}
    """By the device's id, then by the preset's name; "" is a camera that does not turn."""
    microphones: dict[str, SoundBaseline] = {}


class Baselines:
    """Owns the file. ``keep`` writes, and blocks: not on the loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept = self._load()

    def camera(self, device: str, preset: str) -> CameraBaseline | None:
        return self._kept.cameras.get(device, {}).get(preset)

    def microphone(self, device: str) -> SoundBaseline | None:
        return self._kept.microphones.get(device)

    @property
    def made_at(self) -> datetime | None:
        """When one was last recorded; None while there is none."""
        made = [one.made_at for presets in self._kept.cameras.values() for one in presets.values()]
        made += [one.made_at for one in self._kept.microphones.values()]
        return max(made, default=None)

    def keep(
        self, cameras: dict[str, CameraBaseline], microphones: dict[str, SoundBaseline], *, preset: str = ""
    ) -> None:
        """Put these in place of what was kept of the same devices. Raises OSError; they count all the same."""
        merged = {device: dict(presets) for device, presets in self._kept.cameras.items()}
        for device, camera in cameras.items():
            merged.setdefault(device, {})[preset] = camera
        self._kept = _Kept(cameras=merged, microphones={**self._kept.microphones, **microphones})
        write_whole(self._path, self._kept.model_dump_json().encode(), is_synced=True)

    def _load(self) -> _Kept:
        return read_kept(self._path, _Kept, "The room's normal state cannot be read; record it again") or _Kept()
