"""What is played and what is heard, without a sound card: gaps, lateness, echo, and what is never sent."""

from __future__ import annotations

import socket
import threading
from collections import deque
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.devices import alsa, duplex
from agent.devices import capture_protocol as wire
from agent.devices.capture_child import CaptureChild, ChildRequest
from agent.devices.duplex import BACK_S, Away, DuplexConfig, Gate
from agent.devices.playback import MOST_BLOCKS, START_BLOCKS, Playback
from agent.devices.portaudio import SoundCard
from agent.devices.voice import Pace, Reference, Voice
from agent.media import BLOCK_S, BLOCK_SAMPLES, SAMPLE_RATE_HZ

Samples = NDArray[np.int16]
TONE_HZ = 210
"""Not a whole number of periods in a block: what is left out is missed."""
SLOPE = 12_000 * 2 * np.pi * TONE_HZ / SAMPLE_RATE_HZ
"""The steepest step of the tone below; what steps higher clicks."""


def tone(blocks: int) -> list[Samples]:
    """Return a low tone in blocks."""
    at_s = np.arange(blocks * BLOCK_SAMPLES) / SAMPLE_RATE_HZ
    return list((np.cos(2 * np.pi * TONE_HZ * at_s) * 12_000).astype(np.int16).reshape(-1, BLOCK_SAMPLES))


def played(arriving: list[list[Samples]]) -> tuple[Samples, Playback]:
    """Return what sounds when so many blocks arrive before each that is played."""
    inbox: deque[Samples] = deque()
    playback = Playback(lambda: inbox.popleft() if inbox else None)
    out = []
    for blocks in arriving:
        inbox.extend(blocks)
        block = playback.next_block()
        out.append(np.zeros(BLOCK_SAMPLES, np.int16) if block is None else block)
    return np.concatenate(out), playback


def largest_step(samples: Samples) -> int:
    return int(np.abs(np.diff(samples.astype(int))).max())


def test_speech_waits_for_two_blocks_and_then_sounds_whole() -> None:
    blocks = tone(20)
    heard, playback = played([[block] for block in blocks] + [[]])
    assert not heard[: (START_BLOCKS - 1) * BLOCK_SAMPLES].any()
    late = heard[START_BLOCKS * BLOCK_SAMPLES :]
    assert (late[: 17 * BLOCK_SAMPLES] == np.concatenate(blocks)[BLOCK_SAMPLES : 18 * BLOCK_SAMPLES]).all()
    assert (playback.gaps, playback.late_blocks) == (0, 0)


def test_a_gap_and_what_comes_after_it_make_no_click() -> None:
    blocks = tone(20)
    heard, playback = played([[block] for block in blocks[:8]] + [[]] * 5 + [[block] for block in blocks[8:]])
    assert playback.gaps == 1
    assert largest_step(heard) < 1.5 * SLOPE
    assert not heard[12 * BLOCK_SAMPLES : 13 * BLOCK_SAMPLES].any()


def test_speech_that_is_late_is_left_out_without_a_click() -> None:
    blocks = tone(40)
    heard, playback = played([[block] for block in blocks[:5]] + [blocks[5:15]] + [[block] for block in blocks[15:]])
    assert playback.late_blocks >= 10 - MOST_BLOCKS
    assert playback.gaps == 0
    assert largest_step(heard) < 2 * SLOPE


def test_an_even_pace_is_kept_through_jitter_and_follows_a_drift() -> None:
    pace, random = Pace(), np.random.default_rng(5)
    places = [pace.place(100 + block * BLOCK_S + random.uniform(-0.01, 0.01), BLOCK_SAMPLES) for block in range(500)]
    assert (np.diff(places)[30:] == BLOCK_SAMPLES).all()
    assert abs(places[-1] - (100 + 499 * BLOCK_S) * SAMPLE_RATE_HZ) < 240
    after = [pace.place(110.1 + block * BLOCK_S, BLOCK_SAMPLES) for block in range(200)]
    assert abs(after[-1] - (110.1 + 199 * BLOCK_S) * SAMPLE_RATE_HZ) < 1440


def test_what_several_devices_play_is_one_reference() -> None:
    reference = Reference()
    one = np.full(BLOCK_SAMPLES, 1000, np.int16)
    at = 100 * SAMPLE_RATE_HZ
    reference.take(at - 480, 480)
    reference.add("loudspeaker", one, 100.0)
    reference.add("board", one, 100.01)
    assert reference.take(at, 480)[0] == 1000
    assert reference.take(at + 480, 480)[0] == 2000
    assert reference.take(at + 960, 480)[0] == 1000
    assert not reference.take(at + 1440, 480).any()


def test_a_sound_that_is_told_late_is_set_back_with_all_that_follows() -> None:
    reference = Reference()
    at = 100 * SAMPLE_RATE_HZ
    reference.take(at, 480)
    reference.add("board", np.full(BLOCK_SAMPLES, 1000, np.int16), 99.99)
    reference.add("board", np.full(BLOCK_SAMPLES, 1000, np.int16), 100.01)
    heard = np.concatenate([reference.take(at + 480 * number, 480) for number in range(1, 7)])
    assert int((heard != 0).sum()) == 2 * BLOCK_SAMPLES
    assert largest_step(heard) == 1000


def test_the_echo_of_a_room_is_taken_out_and_the_voice_in_it_kept() -> None:
    """Noise that comes and goes as speech does, and a room of 60 ms and reflections; a quiet voice's tone in it."""
    random = np.random.default_rng(8)
    seconds = 8
    loud = np.repeat(random.uniform(0, 1, seconds * 5) > 0.35, SAMPLE_RATE_HZ // 5)
    far = random.normal(0, 2500, seconds * SAMPLE_RATE_HZ) * loud
    room = np.zeros(4800)
    room[[2880, 3100, 3700, 4500]] = (0.5, 0.2, -0.1, 0.05)
    echo = np.convolve(far, room)[: len(far)]
    at_s = np.arange(len(far)) / SAMPLE_RATE_HZ
    near = np.where(at_s > 7, 1500 * np.sin(2 * np.pi * 440 * at_s) * (np.sin(2 * np.pi * 3 * at_s) > 0), 0)
    microphone = (echo + near + random.normal(0, 5, len(far))).clip(-32768, 32767).astype(np.int16)
    voice = Voice(cancels_echo=True, suppresses_noise=False, evens_gain=False)
    assert voice.reference is not None
    cleaned = []
    for start in range(0, len(far), BLOCK_SAMPLES):
        at_mono_s = 100 + start / SAMPLE_RATE_HZ + random.uniform(-0.005, 0.005)
        voice.reference.add("loudspeaker", far[start : start + BLOCK_SAMPLES].astype(np.int16), at_mono_s + 0.03)
        cleaned.append(voice.clean(microphone[start : start + BLOCK_SAMPLES], at_mono_s + 0.03))
    heard = np.concatenate(cleaned).astype(float)
    alone, both = slice(3 * SAMPLE_RATE_HZ, 7 * SAMPLE_RATE_HZ), slice(7 * SAMPLE_RATE_HZ, None)
    assert 20 * np.log10(echo[alone].std() / heard[alone].std()) > 20
    assert abs(20 * np.log10(near[both].std() / heard[both].std())) < 6


def test_a_microphone_whose_sound_is_not_touched_gives_it_to_the_sample() -> None:
    voice = Voice(cancels_echo=False, suppresses_noise=False, evens_gain=False)
    assert voice.reference is None
    block = tone(1)[0]
    assert voice.clean(block, 100.0) is block


def test_a_silent_room_is_no_digital_silence_with_noise_suppressed() -> None:
    """Or the health checks would call a quiet room's microphone dead."""
    voice = Voice(cancels_echo=False, suppresses_noise=True, evens_gain=True)
    noise = np.random.default_rng(2).normal(0, 32768 * 10 ** (-75 / 20), 3 * SAMPLE_RATE_HZ).round().astype(np.int16)
    blocks = noise.reshape(-1, BLOCK_SAMPLES)
    cleaned = [voice.clean(block, 100 + number * BLOCK_S) for number, block in enumerate(blocks)]
    assert all(block.any() for block in cleaned[10:])


@pytest.mark.parametrize(
    ("given", "is_playing", "cancels"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"cancels_echo": True}, True, False),
        ({"echo_cancellation": True, "cancels_echo": True}, False, True),
        ({"echo_cancellation": False}, True, False),
    ],
)
def test_echo_is_cancelled_where_something_is_played_or_as_configured(
    given: dict[str, Any], is_playing: bool, cancels: bool
) -> None:
    voice = DuplexConfig.model_validate(given).voice(is_playing=is_playing)
    assert (voice.reference is not None) is cancels


def test_what_another_device_plays_reaches_the_echo_canceller_with_its_time() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    request = ChildRequest("x:y", "x:z", "{}", "desk", 'microphone "desk"', None)
    block, told = tone(1)[0], []
    with ours, theirs:
        child = CaptureChild(request, theirs, -1)
        child.on_reference = lambda samples, mono_s: told.append((samples, mono_s))
        ours.send(wire.STAMP.pack(wire.REFERENCE, 0, 0, 12.5) + block.tobytes())
        assert not child.should_stop()
    ((samples, mono_s),) = told
    assert mono_s == 12.5
    assert (samples == block).all()


class Cables:
    """PortAudio and a driver's watch, which note what is done."""

    may_send = True

    def __init__(self) -> None:
        self.done: list[str] = []

    def get_device_count(self) -> int:
        return 2

    def open(self, **wanted: Any) -> SimpleNamespace:
        self.done.append("input" if wanted.get("input") else "output")
        return SimpleNamespace(is_active=lambda: True, get_output_latency=lambda: 0.02)

    def start(self) -> None:
        self.done.append("watch")


def test_both_devices_are_open_before_another_process_has_its_turn() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    cables = Cables()
    devices = duplex.Devices(SoundCard(0, "desk", 1, 48_000), SoundCard(1, "hall", 1, 48_000))
    config = DuplexConfig(echo_cancellation=False)
    with ours, theirs:
        child = CaptureChild(ChildRequest("x:y", "x:z", "{}", "desk", 'microphone "desk"', None), theirs, -1)
        ours.send(wire.STOP)
        duplex.run(child, cables, devices, config, cast("Any", cables), on_open=lambda: cables.done.append("open"))
    assert cables.done == ["input", "output", "open", "watch"]


def test_one_process_after_the_other_looks_through_the_sound_cards(tmp_path: Path) -> None:
    done: list[str] = []

    def second() -> None:
        with alsa.one_at_a_time(tmp_path):
            done.append("second")

    with alsa.one_at_a_time(tmp_path):
        waiting = threading.Thread(target=second)
        waiting.start()
        waiting.join(0.2)
        done.append("first")
        with alsa.one_at_a_time(tmp_path, most_s=0.05):
            done.append("did not wait for one that hangs")
    waiting.join(5)
    assert done == ["first", "did not wait for one that hangs", "second"]
    with alsa.one_at_a_time(tmp_path / "no-sound"):
        pass


class Eye:
    may_send: bool | None = True


class Outbox:
    def __init__(self) -> None:
        self.sent: list[float] = []

    def send_block(self, _samples: Samples, at_mono_s: float) -> None:
        self.sent.append(at_mono_s)


def test_what_may_be_from_another_source_waits_and_then_goes_or_is_dropped() -> None:
    eye, outbox, block = Eye(), Outbox(), tone(1)[0]
    gate = Gate(cast("Any", outbox), cast("Any", eye))
    for at, may_send in ((1.0, True), (2.0, None), (3.0, None), (4.0, True), (5.0, None), (6.0, False), (7.0, True)):
        eye.may_send = may_send
        gate.take(block, at)
    assert outbox.sent == [1.0, 2.0, 3.0, 4.0, 7.0]


def test_a_loudspeaker_is_back_once_it_was_gone_and_stays() -> None:
    away = Away()
    assert not any(away.is_back(True, second) for second in range(60))  # there, and cannot be opened
    assert not away.is_back(False, 60.0)
    assert not away.is_back(True, 60.0 + BACK_S / 2)
    assert away.is_back(True, 60.0 + BACK_S)
