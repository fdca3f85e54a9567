"""What a microphone hears in a self-test, and what is played to it in the room."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from agent.device_slot import DeviceChoice
from agent.devices.base import DriverConfig
from agent.devices.capture import CaptureHost
from agent.devices.captured import CapturedSound
from agent.media import BLOCK_S, BLOCK_SAMPLES, SAMPLE_RATE_HZ, AudioBlock
from agent.selftest import chirp
from protocol.errors import DeviceError

LISTEN_S = 1.0
AHEAD_BLOCKS = 4
"""Played so far ahead that a busy loop makes no gap, and not so far that the capture process leaves some of it out."""
KEPT_BLOCKS = round(5.0 / BLOCK_S)
GAIN_MOST_S = 5.0
"""For `usual_gain_db`, opening too."""
_AS_IT_IS: Mapping[str, object] = {"echo_cancellation": False, "noise_suppression": False, "auto_gain": False}
"""What would take the sweep out of the sound again, where a driver has it."""


class Sense:
    """Wakes who waits for news of a device, or tells why there is none any more."""

    def __init__(self) -> None:
        self._came = asyncio.Event()
        self._lost: DeviceError | None = None

    def came(self) -> None:
        self._came.set()

    def fail(self, error: DeviceError) -> None:
        """Note that the device is lost."""
        self._lost = error
        self._came.set()

    async def news(self) -> None:
        """Wait until something comes. Raises DeviceLostError."""
        if self._lost is None:
            self._came.clear()
            await self._came.wait()
        if self._lost is not None:
            raise type(self._lost)(self._lost.message, code=self._lost.code)


class Ear(Sense):
    """What the microphone has heard of late."""

    def __init__(self) -> None:
        super().__init__()
        self._blocks: list[AudioBlock] = []

    def take(self, block: AudioBlock) -> None:
        self._blocks.append(block)
        del self._blocks[:-KEPT_BLOCKS]
        self.came()

    def since(self, mono_s: float) -> tuple[NDArray[np.int16], float]:
        """Return what was heard from this instant on and the time of its first sample; gaps are silence."""
        blocks = [block for block in self._blocks if block.captured_mono_s + BLOCK_S > mono_s]
        if not blocks:
            return np.zeros(0, np.int16), mono_s
        first = blocks[0].sequence
        sound = np.zeros((blocks[-1].sequence - first + 1) * BLOCK_SAMPLES, np.int16)
        for block in blocks:
            start = (block.sequence - first) * BLOCK_SAMPLES
            sound[start : start + BLOCK_SAMPLES] = block.samples
        return sound, blocks[0].captured_mono_s

    async def until(self, mono_s: float) -> None:
        """Wait until everything up to this instant has been heard."""
        while not self._blocks or self._blocks[-1].captured_mono_s + BLOCK_S < mono_s:
            await self.news()


def plain(config: DriverConfig) -> DriverConfig:
    """Return the microphone's configuration without what works on its sound."""
    return config.model_copy(
        update={key: value for key, value in _AS_IT_IS.items() if key in type(config).model_fields}
    )


async def play(microphone: CapturedSound, samples: NDArray[np.int16]) -> None:
    """Play whole blocks in the room, a little ahead; returns when the last one was given."""
    started_s = time.monotonic()
    for number, block in enumerate(samples.reshape(-1, BLOCK_SAMPLES)):
        due_s = started_s + (number - AHEAD_BLOCKS) * BLOCK_S
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        microphone.play(block)


async def cross_the_room(microphone: CapturedSound, ear: Ear) -> chirp.Echo:
    """Play the sweep, and return how it came to the microphone."""
    played_s = time.monotonic()
    await play(microphone, chirp.sweep())
    await ear.until(played_s + chirp.LATEST_S + chirp.CHIRP_S)
    sound, first_s = ear.since(played_s)
    return await asyncio.to_thread(chirp.find, sound, round((played_s - first_s) * SAMPLE_RATE_HZ))


async def usual_gain_db(host: CaptureHost, choice: DeviceChoice) -> float | None:
    """Open the microphone and return how loud it hears the room's loudspeaker, dB; None where it does not."""
    ear = Ear()

    async def hear(microphone: CapturedSound) -> None:
        try:
            while True:
                ear.take(await microphone.next_block())
        except DeviceError as error:
            ear.fail(error)

    try:
        async with asyncio.timeout(GAIN_MOST_S):
            async with host.open_sound(choice.driver, choice.id, plain(choice.config), gives_way=True) as microphone:
                if "playback" not in microphone.info.capabilities:
                    return None
                hearing = asyncio.create_task(hear(microphone), name="hear the loudspeaker")
                try:
                    await ear.until(time.monotonic() + LISTEN_S)
                    echo = await cross_the_room(microphone, ear)
                finally:
                    hearing.cancel()
                    await asyncio.wait({hearing})
    except (DeviceError, TimeoutError):
        return None
    return round(echo.gain_db, 1) if echo.is_heard else None
