"""What each measurement means, and that every verdict has its sentence in both languages."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.health.host import HostLimits
from agent.media import SAMPLE_RATE_HZ, Frame
from agent.selftest import judge, words
from agent.selftest.chirp import Echo
from agent.selftest.outcome import Outcome
from agent.selftest.runner import QUIET, WHOLE

WANTED = 3e6


def picture(luma: NDArray[np.float64]) -> Outcome:
    height, width = luma.shape
    image = np.full((height * 3 // 2, width), 128, np.uint8)
    image[:height] = np.clip(luma * 219 / 255 + 16, 0, 255)
    return judge.picture(Frame(image, width, height, 0.0, 0))


def scene() -> NDArray[np.float64]:
    rng = np.random.default_rng(1)
    return rng.integers(40, 220, (45, 80)).repeat(8, 0).repeat(8, 1).astype(np.float64)


def test_a_picture_is_judged_by_what_can_be_seen_in_it() -> None:
    noise = np.random.default_rng(2).normal(0, 2, (360, 640))
    assert picture(scene()).verdict == "ok"
    assert picture(np.abs(noise)) == Outcome("failed", "black")
    assert picture(scene() * 0.15).variant == "dark"
    assert picture(np.full((360, 640), 120.0) + noise / 2).variant == "blurred"


def test_a_sound_is_judged_by_its_level_and_floor() -> None:
    rng = np.random.default_rng(3)

    def noise(dbfs: float) -> NDArray[np.int16]:
        return (rng.standard_normal(SAMPLE_RATE_HZ) * 32767 * 10 ** (dbfs / 20)).clip(-32768, 32767).astype(np.int16)

    assert judge.sound(noise(-62)).verdict == "ok"
    assert judge.sound(np.zeros(SAMPLE_RATE_HZ, np.int16)).variant == "silent"
    assert judge.sound(noise(-85)).variant == "muted"
    assert judge.sound(noise(-35)).variant == "noisy"
    assert judge.sound(noise(-2)).variant == "clipping"
    assert judge.sound(np.zeros(0, np.int16)).variant == "nothing"


def test_the_loop_fails_below_25_db_and_warns_of_odd_delays() -> None:
    assert judge.loop(Echo(24.9, 0.06, -20)).variant == "not-heard"
    assert judge.loop(Echo(25.1, 0.06, -20)).verdict == "ok"
    assert judge.loop(Echo(40, 0.004, -3)).variant == "too-short"
    assert judge.loop(Echo(40, 0.45, -20)).variant == "too-long"


def test_a_loudspeaker_is_as_loud_as_it_was_within_10_db() -> None:
    found = [judge.loop(Echo(40, 0.06, gain_db), -20) for gain_db in (-30.5, -29.5, -20, -10.5, -9.5)]
    assert [one.variant for one in found] == ["fainter", "", "", "", "louder"]
    assert (found[0].verdict, found[0].value, found[0].unit) == ("warning", -10, "dB")
    assert judge.loop(Echo(20, 0.06, -60), -20).variant == "not-heard", "which says more"


def test_sound_may_be_later_than_the_picture_rather_than_earlier() -> None:
    assert [judge.offset(ms / 1000).variant for ms in (-61, -59, 0, 99, 101)] == ["early", "", "", "", "late"]


@pytest.mark.parametrize(
    ("round_trips_s", "rate_bps", "variant"),
    [
        ([], None, "no-answer"),
        ([0.02] * 5, None, ""),
        ([0.02] * 5, 20e6, "rate"),
        ([0.02] * 5, 1e6, "narrow"),
        ([0.02] * 3, 20e6, "lossy"),
        ([0.3] * 5, 20e6, "slow"),
    ],
)
def test_the_line_is_judged_by_answers_and_rate(
    round_trips_s: list[float], rate_bps: float | None, variant: str
) -> None:
    assert judge.uplink(round_trips_s, 5, rate_bps, WANTED).variant == variant


def test_clock_and_disk_are_judged_as_the_rooms_health_is() -> None:
    usual = HostLimits()
    found = [judge.clock(s, 0.0, usual).variant for s in (None, 0.05, -0.15, 0.95, 1.0, 3600.0)]
    assert found == ["no-centre", "", "off", "off", "wrong", "wrong"]
    assert judge.clock(0.2, 0.15, usual).verdict == "ok", "an answer that took 300 ms"
    assert judge.clock(-7200.0, 0.0, usual).unit == "s"
    verdicts = [judge.disk(free, 100, usual, is_written=True).verdict for free in (50, 11, 9, 3)]
    assert verdicts == ["ok", "ok", "warning", "failed"]
    assert judge.disk(50, 100, usual, is_written=False).variant == "not-written"
    lax = HostLimits(clock_warn_s=0.5, disk_free_percent=5)
    assert (judge.clock(0.4, 0.0, lax).verdict, judge.disk(9, 100, lax, is_written=True).verdict) == ("ok", "ok")


def test_every_variant_of_every_step_has_words_in_both_languages() -> None:
    numbers = {"mbps": 1.5, "wanted_mbps": 3.0}
    for step in (*WHOLE, *QUIET):
        assert words.name(step).fr != ""
        for variant in words.variants(step):
            said, remedy = words.words(step, Outcome("warning", variant, -12.5, "ms", numbers))
            for text in (said, remedy) if remedy else (said,):
                assert text.fr, (step, variant)
                assert text.en, (step, variant)
                assert "{" not in text.fr + text.en, (step, variant)
                assert not re.search(r"(?<!\u00a0)[:;?!](?=\s|$)", text.fr.replace("\u00a0:", "")), (step, text.fr)
    said, _ = words.words("uplink", Outcome("ok", "rate", 12, "ms", {"mbps": 8.5, "wanted_mbps": 3.0}))
    assert "8,5 Mbit/s" in said.fr
    assert "8.5 Mbit/s" in said.en


def test_every_variant_that_a_verdict_can_have_has_words() -> None:
    """Else a person would read that the test itself failed."""
    judged = inspect.getsource(judge)
    for step, function in {
        "camera": "picture", "microphone": "sound", "loop": "loop", "av-offset": "offset", "uplink": "uplink",
        "clock": "clock", "disk": "disk",
    }.items():  # fmt: skip
        body = judged.split(f"def {function}(")[1].split("\ndef ")[0]
        variants = set(re.findall(r'Outcome\([^,()]*(?:if[^,()]*else[^,()]*)?, "([a-z-]*)"', body))
        assert variants <= words.variants(step), step


def test_a_device_code_that_nobody_thought_of_is_said_as_a_device_that_does_not_work() -> None:
    said, remedy = words.words("camera", Outcome("failed", "device-set-on-fire"))
    assert said.en == "The camera does not work."
    assert remedy is not None
    for step in ("loop", "board-seen", "av-offset"):
        assert words.words(step, Outcome("failed", "device-lost"))[0].en == "A device stopped during the test.", step
    assert words.words("disk", Outcome("failed", "device-failed"))[0].en == "The test itself failed."
