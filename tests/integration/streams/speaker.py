"""A pupil who speaks, as a room sees one: aiortc's own sender with a voice that a test gives it."""

from __future__ import annotations

import asyncio
import subprocess
import time
import wave
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from numpy.typing import NDArray

from agent.media import BLOCK_S, BLOCK_SAMPLES, SAMPLE_RATE_HZ
from agent.streams.talk_buffer import opus_decoder
from agent.talk import Talk
from tests.integration.streams.peer import CountingReceiver
from tests.peers import need

Samples = NDArray[np.int16]


class Voice(MediaStreamTrack):
    """Says the same again and again, at the pace of a microphone."""

    kind = "audio"

    def __init__(self, samples: Samples) -> None:
        super().__init__()
        self._samples = samples
        self._began_s = time.monotonic()
        self._number = 0

    async def recv(self) -> Any:
        await asyncio.sleep(max(0.0, self._began_s + (self._number + 1) * BLOCK_S - time.monotonic()))
        at = self._number * BLOCK_SAMPLES + np.arange(BLOCK_SAMPLES)
        frame = av.AudioFrame.from_ndarray(
            self._samples[at % len(self._samples)].reshape(1, -1), format="s16", layout="mono"
        )
        frame.sample_rate, frame.pts = SAMPLE_RATE_HZ, self._number * BLOCK_SAMPLES
        frame.time_base = Fraction(1, SAMPLE_RATE_HZ)
        self._number += 1
        return frame


class Speaker:
    """The second connection of a pupil's page."""

    def __init__(self, samples: Samples) -> None:
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.pc.addTransceiver(Voice(samples), direction="sendonly")

    async def offer(self) -> str:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return str(self.pc.localDescription.sdp)

    async def speak(self, talk: Talk, talker: str, holder: str) -> str:
        """Offer to the room, take its answer, and return that."""
        answer = await talk.accept(talker, await self.offer(), (), holder)
        await self.pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        return answer


def tone(hz: float, amplitude: int = 6_000) -> Samples:
    """Return a second of a sine that goes on when it is repeated."""
    at = np.arange(SAMPLE_RATE_HZ)
    return (amplitude * np.sin(2 * np.pi * hz * at / SAMPLE_RATE_HZ)).astype(np.int16)


def spoken(folder: Path, text: str) -> Samples:
    """Return a sentence."""
    raw, path = folder / "said-raw.wav", folder / "said.wav"
    subprocess.run([need("espeak-ng", "espeak-ng"), "-v", "fr", "-w", str(raw), text], check=True)
    subprocess.run([need("sox", "sox"), str(raw), "-r", "48000", "-c", "1", str(path), "gain", "-n", "-6"], check=True)
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def heard(receiver: CountingReceiver, since_s: float = 0.0) -> Samples:
    """Decode what a viewer received after an instant."""
    decode = opus_decoder()
    parts = [decode(arrival.payload) for arrival in receiver.arrivals if arrival.mono_s >= since_s]
    return np.concatenate([part for part in parts if part is not None])


def strength(samples: Samples, hz: float) -> float:
    """Return the amplitude of one frequency, as it mostly is; also of one that is hurried or slowed by 2 %."""
    count = SAMPLE_RATE_HZ // 25
    parts = samples[: len(samples) // count * count].reshape(-1, count) * np.hanning(count)
    wave = np.exp(-2j * np.pi * hz * np.arange(count) / SAMPLE_RATE_HZ)
    return float(np.median(4 * np.abs(parts @ wave) / count))
