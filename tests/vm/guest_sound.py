"""In the virtual machine: the alsa driver on two kernel sound cards, unplugged and plugged back under other numbers."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from agent.devices.alsa import AlsaConfig, driver
from agent.devices.alsa_cards import read_cards
from agent.devices.capture import CaptureHost
from agent.devices.captured import CapturedSound
from agent.media import BLOCK_SAMPLES, AudioBlock
from protocol.errors import DeviceError, DeviceLostError

LOOPS = Path("/sys/bus/platform/drivers/snd_aloop")
LECTERN, HALL = "snd_aloop.0", "snd_aloop.1"
"""What is played to device 0 of such a card is recorded from its device 1, and the other way round."""
SLOW_S = 60.0
COUNTED_BLOCKS = 100
TRIES = 5
PLAYED = Path("/tmp/played.raw")
RAW = ("-q", "-t", "raw", "-f", "S16_LE", "-r", "48000", "-c", "1")


def config(card: str, **more: object) -> AlsaConfig:
    return AlsaConfig.model_validate({"card": card, "device": 1, **more})


@contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program beside us."""
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


async def refusal(host: CaptureHost, wanted: AlsaConfig) -> list[str]:
    """Return how opening is refused."""
    try:
        async with host.open_sound(driver, "desk", wanted):
            return ["none", ""]
    except DeviceError as error:
        return [type(error).__name__, error.message]


async def lose(microphone: CapturedSound) -> dict[str, object]:
    """Unplug the microphone; return how and how soon the agent learns of it."""
    started_s = time.monotonic()
    # It waits until the last user has closed, so it has a thread of its own.
    unbind = asyncio.create_task(asyncio.to_thread((LOOPS / "unbind").write_text, LECTERN), name="unplug")
    try:
        async with asyncio.timeout(20):
            while True:
                await microphone.next_block()
    except DeviceLostError as error:
        return {"message": error.message, "took_s": time.monotonic() - started_s}
    finally:
        await unbind


def numbers() -> dict[str, int]:
    return {card.id: card.number for card in read_cards()}


def replug() -> None:
    """Plug both in again, the other one first, so that each gets the other's number."""
    (LOOPS / "unbind").write_text(HALL)
    (LOOPS / "bind").write_text(HALL)
    (LOOPS / "bind").write_text(LECTERN)


async def recorded(
    host: CaptureHost, wanted: AlsaConfig, then: Callable[[CapturedSound, list[AudioBlock]], Awaitable[None]]
) -> None:
    """Record and play `COUNTED_BLOCKS`, then go on; again where the emulated machine itself paused."""
    tone = (np.sin(2 * np.pi * np.arange(BLOCK_SAMPLES) / 48) * 12_000).astype(np.int16)
    for left in reversed(range(TRIES)):
        try:
            async with host.open_sound(driver, "desk", wanted, hung_s=10.0) as device:
                blocks = []
                for _ in range(COUNTED_BLOCKS):
                    device.play(tone)
                    blocks.append(await device.next_block())
                await then(device, blocks)
                return
        except DeviceLostError as error:
            if not left or "gave no sound" not in error.message:
                raise


async def microphone() -> dict[str, object]:
    """Return what was seen."""
    cards = ("enable=1,1", "index=-1,-1", "id=Lectern,Hall", "pcm_substreams=1,1")
    await asyncio.to_thread(subprocess.check_call, ("modprobe", "snd-aloop", *cards))
    seen: dict[str, object] = {"names": [card.names() for card in read_cards()], "numbers": numbers()}
    host = CaptureHost([driver], open_timeout_s=SLOW_S)
    both = config("id:Lectern", output="id:Hall", echo_cancellation=False)

    async def first(device: CapturedSound, blocks: list[AudioBlock]) -> None:
        seen["name"], seen["capabilities"] = device.info.name, sorted(device.info.capabilities)
        seen["rate_hz"] = (COUNTED_BLOCKS - 1) / (blocks[-1].captured_mono_s - blocks[0].captured_mono_s)
        seen["loudness"] = float(np.concatenate([block.samples for block in blocks]).std())
        seen["second"] = await refusal(host, config("path:platform-snd_aloop.0"))
        seen["played"] = int(np.abs(np.fromfile(PLAYED, np.int16).astype(int)).max())
        await device.next_block()
        seen["lost"] = await lose(device)

    async def second(_device: CapturedSound, blocks: list[AudioBlock]) -> None:
        seen["loudness_after"] = float(np.concatenate([block.samples for block in blocks]).std())

    async with asyncio.TaskGroup() as tasks:
        run = tasks.create_task(host.run(), name="capture host")
        with (
            running("aplay", "-D", "hw:Lectern,0", *RAW, "/dev/urandom"),
            running("arecord", "-D", "hw:Hall,1", *RAW, str(PLAYED)),
        ):
            await recorded(host, both, first)
        seen["away"] = await refusal(host, both)
        await asyncio.to_thread(replug)
        seen["numbers_after"] = numbers()
        with running("aplay", "-D", "hw:Lectern,0", *RAW, "/dev/urandom"):
            await recorded(host, both, second)
        run.cancel()
    return seen
