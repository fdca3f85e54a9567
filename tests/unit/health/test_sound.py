"""Each fault of a microphone is told in time, and a quiet room, a song or a fan is none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from agent.health.baseline import SoundBaseline
from agent.health.sound import SoundChecks
from agent.health.specs import FAST_TOLD_S, SLOW_TOLD_S
from agent.media import AudioBlock
from protocol.errors import DeviceNotNowError
from protocol.messages import CheckStatus
from tests.unit.health.signals import NOON, Microphone, Sound, hiss, mixed, speech, tone

LOOK = 12 * 960


def spoken(seconds: float, dbfs: float = -20.0, floor_dbfs: float = -65.0) -> Sound:
    return mixed((speech(seconds, dbfs), hiss(seconds, floor_dbfs)))


def told_after(microphone: Microphone, check: str, sound: Sound) -> float:
    """Play a sound piece by piece until the fault is told; return how long that took."""
    began_s = microphone.mono_s
    for at in range(0, len(sound), LOOK):
        microphone.hears(sound[at : at + LOOK])
        if check in microphone.faults():
            return microphone.mono_s - began_s
    raise AssertionError(f"{check} is not told; told are {microphone.faults()}")


def blocks(sound: Sound) -> list[AudioBlock]:
    whole = np.rint(sound * 32767).astype(np.int16)
    return [AudioBlock(whole[at : at + 960], at / 48_000, at // 960) for at in range(0, len(whole) - 959, 960)]


DEAD: dict[str, Sound] = {
    "zeros": np.zeros(4 * 48_000, np.float32),
    "stuck": np.full(4 * 48_000, 0.01, np.float32),
    "last bit": np.random.default_rng(1).integers(0, 2, 4 * 48_000).astype(np.float32) / np.float32(32767),
}


@pytest.mark.parametrize("kind", DEAD)
def test_dead_microphone_is_told(kind: str) -> None:
    microphone = Microphone()
    assert not microphone.hears(spoken(5))
    assert told_after(microphone, "sound-dead", DEAD[kind]) <= FAST_TOLD_S
    assert microphone.faults() == {"sound-dead"}


def test_stream_that_ends_is_told_in_its_own_words() -> None:
    microphone = Microphone()
    microphone.hears(spoken(5))
    assert microphone.waits(FAST_TOLD_S) == {"sound-dead"}
    (dead,) = (check for check in microphone.tracker.checks() if check.id == "sound-dead")
    assert dead.message is not None
    assert "sends nothing" in dead.message.en


@pytest.mark.parametrize("floor_dbfs", [-65.0, -78.0])
def test_silent_written_test_is_no_fault(floor_dbfs: float) -> None:
    quiet = hiss(25, floor_dbfs)
    pens = np.random.default_rng(2).standard_normal(25 * 48_000, np.float32) * np.float32(0.003)
    quiet += pens * (np.sin(np.arange(len(quiet)) / 30_000) > 0.93)
    assert not Microphone().hears(quiet)


def test_microphone_that_is_far_below_its_own_floor_is_dead() -> None:
    baseline = SoundBaseline(made_at=NOON, noise_floor_dbfs=-55.0)
    microphone = Microphone(SoundChecks(baseline))
    microphone.hears(spoken(5, floor_dbfs=-55))
    assert told_after(microphone, "sound-dead", hiss(4, -84)) <= FAST_TOLD_S
    assert not Microphone().hears(hiss(10, -84))


def test_muted_on_its_own_switch_is_told_as_that() -> None:
    microphone = Microphone(SoundChecks(has_switch=True))
    microphone.hears(spoken(5))
    assert told_after(microphone, "sound-muted", DEAD["zeros"]) <= FAST_TOLD_S
    assert microphone.faults() == {"sound-muted"}


def test_gate_that_closes_between_words_is_learnt() -> None:
    gated = spoken(30)
    gated[np.abs(speech(30, -20)) < 1e-6] = 0
    microphone = Microphone()
    assert not microphone.hears(gated)
    assert not microphone.hears(np.zeros(10 * 48_000, np.float32))


def test_gated_microphone_is_known_from_its_baseline() -> None:
    baseline = SoundBaseline.of(blocks(np.zeros(4 * 48_000, np.float32)), NOON)
    assert baseline.is_gated
    assert not Microphone(SoundChecks(baseline)).hears(np.zeros(10 * 48_000, np.float32))


def test_too_little_sound_for_a_baseline_is_refused() -> None:
    with pytest.raises(DeviceNotNowError, match=r"only 2\.0 s"):
        SoundBaseline.of(blocks(hiss(2, -60)), NOON)


SLOW: dict[str, Callable[[], Sound]] = {
    "sound-quiet": lambda: spoken(30, -55, -72),
    "sound-clipping": lambda: np.clip(spoken(30, 8), -1, 1),
    "sound-dc": lambda: spoken(30) + np.float32(0.02),
    "sound-hum": lambda: mixed((spoken(30), tone(30, 50, -42), tone(30, 150, -48), tone(30, 250, -50))),
    "sound-noise": lambda: spoken(30, -20, -35),
    "sound-howl": lambda: mixed((spoken(30, -30), tone(30, 1237, -10))),
}


def test_overdrive_of_loud_words_alone_is_told() -> None:
    loud, soft = np.clip(hiss(0.4, 5), -1, 1), hiss(2.6, -40)
    told_s = told_after(Microphone(SoundChecks()), "sound-clipping", np.concatenate((loud, soft) * 10))
    assert told_s <= SLOW_TOLD_S


@pytest.mark.parametrize("check", SLOW)
def test_slow_fault_is_told(check: str) -> None:
    microphone = Microphone()
    microphone.hears(spoken(5))
    assert told_after(microphone, check, SLOW[check]()) <= SLOW_TOLD_S
    assert microphone.faults() == {check}


def test_offset_is_worse_the_more_of_it_there_is() -> None:
    microphone = Microphone()
    microphone.hears(spoken(20) + np.float32(0.05))
    (dc,) = (check for check in microphone.tracker.checks() if check.id == "sound-dc")
    assert dc.status is CheckStatus.CRITICAL


def song() -> Sound:
    notes = [tone(2.5, 220 * 2 ** (step / 12), -18) for step in (0, 4, 7, 12, 7, 4, 2, 5, 9, 5, 4, 0)]
    return mixed((np.concatenate(notes), hiss(30, -65)))


def same_note_again() -> Sound:
    """A recorder's: three of 6 s, and hardly a breath between them."""
    note = tone(6, 440, -15)
    note[-2400:] *= np.linspace(1, 0, 2400, dtype=np.float32)
    note[:480] *= np.linspace(0, 1, 480, dtype=np.float32)
    return mixed((np.tile(note, 3), hiss(18, -65)))


def chatter() -> Sound:
    """Many voices at once, none of which ever pauses for long."""
    rng = np.random.default_rng(5)
    one = speech(20, -30)
    return mixed([np.roll(one, int(rng.integers(0, 10**6))) * np.float32(rng.uniform(0.5, 2)) for _ in range(5)])


NO_FAULT: dict[str, Callable[[], Sound]] = {
    "speech": lambda: spoken(20),
    "song": song,
    "chatter": chatter,
    "same note again": same_note_again,
    "fan": lambda: mixed((hiss(30, -52), tone(30, 100, -55), tone(30, 48.3 * 5, -58))),
    "slam": lambda: np.concatenate((hiss(10, -65), np.clip(hiss(0.2, 5), -1, 1), hiss(15, -65))),
    "tuning fork": lambda: np.concatenate((hiss(5, -60), tone(5, 440, -20), hiss(15, -60))),
    "corridor": lambda: spoken(20, -70, -66),
}


@pytest.mark.parametrize("kind", NO_FAULT)
def test_ordinary_sound_is_no_fault(kind: str) -> None:
    assert not Microphone().hears(NO_FAULT[kind]())
