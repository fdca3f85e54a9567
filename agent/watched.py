"""One device whose signal is looked at: what came since the last look, and the checks that judge it in a thread."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence

from agent.device_slot import DeviceChoice
from agent.health.baseline import CameraBaseline, SoundBaseline
from agent.health.picture import Asked, PictureChecks
from agent.health.reading import Reading
from agent.health.sound import SoundChecks
from agent.health.specs import SPECS
from agent.media import BLOCK_S, AudioBlock, Frame
from protocol.messages import CheckStatus, DeviceRole

log = logging.getLogger(__name__)

BLOCKS_MOST = round(5.0 / BLOCK_S)
"""A thread that is late for longer than this drops the oldest sound: checks judge what is, not what was."""
PREFIXES = {DeviceRole.CAMERA: "picture-", DeviceRole.BOARD: "board-picture-", DeviceRole.MICROPHONE: "sound-"}
"""How the ids of a device's checks begin, by its role. The board's sound has none: it is silent when nothing plays."""


class Watched:
    """``take`` is called on the loop, from the pump; ``look`` in a thread, one at a time."""

    def __init__(
        self,
        choice: DeviceChoice,
        *,
        camera: CameraBaseline | None = None,
        microphone: SoundBaseline | None = None,
        has_switch: bool | None = None,
    ) -> None:
        self.choice = choice
        self.has_baseline = camera is not None or microphone is not None
        self._newest: Frame | None = None
        self._blocks: deque[AudioBlock] = deque(maxlen=BLOCKS_MOST)
        self._picture: PictureChecks | None = None
        self._sound: SoundChecks | None = None
        self._has_fallen = False
        self._dead_s: float | None = None
        """Since when it has been digitally silent, or gave nothing."""
        if choice.role is DeviceRole.CAMERA:
            self._picture = PictureChecks("camera", camera, asked_of(choice))
        elif choice.role is DeviceRole.BOARD:
            self._picture = PictureChecks("board")
        elif choice.role is DeviceRole.MICROPHONE:
            if microphone is not None and has_switch is not None:
                microphone = microphone.model_copy(update={"has_switch": has_switch})
            self._sound = SoundChecks(microphone, has_switch=bool(has_switch))

    @property
    def prefix(self) -> str:
        return PREFIXES[self.choice.role]

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height of the newest picture."""
        return None if self._newest is None else (self._newest.width_px, self._newest.height_px)

    def take(self, data: Frame | AudioBlock) -> None:
        """Take a picture or 20 ms of sound as the device gave it."""
        if isinstance(data, Frame):
            self._newest = data
            if self._picture is not None:
                self._picture.see(data)
        else:
            self._blocks.append(data)

    def look(self, mono_s: float, *, is_turning: bool) -> tuple[Reading, ...]:
        """Judge what came until now. A fault of ours in it ends these looks and never the lesson."""
        readings = self._judge(mono_s, is_turning=is_turning)
        for one in readings:
            if one.check == "sound-dead":
                is_dead = one.status is CheckStatus.CRITICAL
                self._dead_s = None if not is_dead else mono_s if self._dead_s is None else self._dead_s
        return readings

    def is_dead(self, mono_s: float) -> bool:
        """Whether a microphone has given nothing real for as long as it takes to be told."""
        return self._dead_s is not None and mono_s - self._dead_s >= SPECS["sound-dead"].on_s

    def _judge(self, mono_s: float, *, is_turning: bool) -> tuple[Reading, ...]:
        if self._has_fallen:
            return ()
        try:
            if self._picture is not None:
                return self._picture.look(self._newest, mono_s, is_turning=is_turning)
            if self._sound is not None:
                while self._blocks:
                    self._sound.hear(self._blocks.popleft())
                return self._sound.look(mono_s)
        except Exception:
            self._has_fallen = True
            log.exception(
                "A look at a device's signal fell; it is not looked at again", extra={"device": self.choice.id}
            )
        return ()


class Recorded:
    """Some seconds of one device, for the room's normal state; in memory only, and dropped with this."""

    def __init__(self, choice: DeviceChoice, *, every_s: float = 0.25) -> None:
        self.choice = choice
        self._every_s = every_s
        self._frames: list[Frame] = []
        self._blocks: list[AudioBlock] = []

    def take(self, data: Frame | AudioBlock) -> None:
        """Take it; of pictures some each second."""
        if isinstance(data, AudioBlock):
            self._blocks.append(data)
        elif not self._frames or data.captured_mono_s - self._frames[-1].captured_mono_s >= self._every_s:
            self._frames.append(data)

    @property
    def frames(self) -> Sequence[Frame]:
        return self._frames

    @property
    def blocks(self) -> Sequence[AudioBlock]:
        return self._blocks


def asked_of(choice: DeviceChoice) -> Asked | None:
    """Return what a camera was asked for; None for one whose configuration says no size."""
    asked = choice.config.model_dump(include={"width_px", "height_px", "rate_hz"})
    width_px, height_px, rate_hz = (asked.get(key) for key in ("width_px", "height_px", "rate_hz"))
    if not width_px or not height_px or not rate_hz:
        return None
    return Asked(int(width_px), int(height_px), float(rate_hz))
