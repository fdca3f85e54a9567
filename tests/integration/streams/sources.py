"""Synthetic devices: a moving picture and a tone with the time of their making, pushed at a steady pace."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from agent.media import BLOCK_S, BLOCK_SAMPLES, SAMPLE_RATE_HZ, AudioBlock, Frame
from agent.streams.layers import PictureTrackName
from agent.streams.publisher import Publisher


def picture(number: int, width_px: int = 320, height_px: int = 180, luma: int | None = None) -> Frame:
    """Return a grey ramp with a bright bar that moves with ``number``; ``luma`` fills it with one grey instead."""
    image = np.full((height_px * 3 // 2, width_px), 128, np.uint8)
    if luma is None:
        image[:height_px] = np.linspace(40, 160, width_px, dtype=np.uint8)
        at = number * 8 % (width_px - 16)
        image[:height_px, at : at + 16] = 220
    else:
        image[:height_px] = luma
    return Frame(image, width_px, height_px, time.monotonic(), number)


def again(pictures: Sequence[Frame], number: int) -> Frame:
    """Return one of the pictures as captured now."""
    return replace(pictures[number % len(pictures)], captured_mono_s=time.monotonic(), sequence=number)


def tone(number: int, mono_s: float, amplitude: int = 8000, hz: float = 440.0) -> AudioBlock:
    """Return 20 ms of a sine that goes on from block to block."""
    at = number * BLOCK_SAMPLES + np.arange(BLOCK_SAMPLES)
    return AudioBlock((amplitude * np.sin(2 * np.pi * hz * at / SAMPLE_RATE_HZ)).astype(np.int16), mono_s, number)


async def film(
    publisher: Publisher,
    track: PictureTrackName,
    rate_hz: float = 30.0,
    make: Callable[[int], Frame] = picture,
) -> None:
    """Push pictures until cancelled."""
    begun_s, number = time.monotonic(), 0
    while True:
        publisher.push_frame(track, make(number))
        number += 1
        await asyncio.sleep(max(0.0, begun_s + number / rate_hz - time.monotonic()))


async def speak(publisher: Publisher, source: str = "room", amplitude: int = 8000) -> None:
    """Push a tone until cancelled, each block when its last sample is over."""
    begun_s, number = time.monotonic(), 0
    while True:
        await asyncio.sleep(max(0.0, begun_s + (number + 1) * BLOCK_S - time.monotonic()))
        publisher.push_sound(source, tone(number, begun_s + number * BLOCK_S, amplitude))
        number += 1
