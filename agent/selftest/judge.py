"""What each measurement of the self-test means. Pure; thresholds that are not ours are of docs and standards."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agent.health.host import DISK_FAIL_PERCENT, HostLimits
from agent.media import BLOCK_SAMPLES, Frame
from agent.selftest.chirp import Echo
from agent.selftest.flash import EARLY_S, LATE_S
from agent.selftest.outcome import Outcome
from protocol.messages import Check, CheckStatus

GAIN_CHANGE_DB = 10.0
"""Half or twice as loud; people and open doors change it by less."""
_GRID = (90, 160)


def picture(frame: Frame) -> Outcome:
    """Judge a camera's picture: not black, not a dark room, not without any sharp edge."""
    luma = (frame.image[: frame.height_px].astype(np.float32) - 16) * (255 / 219)
    small = _shrunk(luma, _GRID)
    if float((small < 26).mean()) >= 0.98 and float(small.std()) < 6:
        return Outcome("failed", "black")
    light = float(small.mean())
    if light < 30:
        return Outcome("warning", "dark", round(light / 2.55), "%")
    sharpness = _sharpness(luma)
    if sharpness < 15:
        return Outcome("warning", "blurred", round(sharpness, 1))
    return Outcome("ok", "", round(sharpness))


def _shrunk(luma: NDArray[np.float32], grid: tuple[int, int]) -> NDArray[np.float32]:
    """Return the picture at about this size, each pixel the mean of those it stands for."""
    rows, columns = max(1, luma.shape[0] // grid[0]), max(1, luma.shape[1] // grid[1])
    height, width = luma.shape[0] // rows, luma.shape[1] // columns
    blocks = luma[: height * rows, : width * columns].reshape(height, rows, width, columns)
    return np.asarray(blocks.mean(axis=(1, 3)), np.float32)


def _sharpness(luma: NDArray[np.float32]) -> float:
    """Return the variance of the Laplacian at 320 × 180: 600 and more when sharp, below 10 far out of focus."""
    small = _shrunk(luma, (180, 320))
    laplacian = small[:-2, 1:-1] + small[2:, 1:-1] + small[1:-1, :-2] + small[1:-1, 2:] - 4 * small[1:-1, 1:-1]
    return float(laplacian.var())


def sound(samples: NDArray[np.int16]) -> Outcome:
    """Judge a second of what a microphone hears while nobody is asked to speak."""
    if len(samples) < BLOCK_SAMPLES:
        return Outcome("failed", "nothing")
    level = samples.astype(np.float64) / 32768
    rms_dbfs = _dbfs(float(np.sqrt((level**2).mean())))
    if float((np.abs(samples) <= 1).mean()) >= 0.999:
        return Outcome("failed", "silent", -100.0, "dBFS")
    if rms_dbfs < -80:
        return Outcome("failed", "muted", round(rms_dbfs), "dBFS")
    if float((np.abs(level) >= 0.985).mean()) > 0.001:
        return Outcome("warning", "clipping", round(rms_dbfs), "dBFS")
    blocks = level[: len(level) // BLOCK_SAMPLES * BLOCK_SAMPLES].reshape(-1, BLOCK_SAMPLES)
    floor_dbfs = _dbfs(float(np.percentile(np.sqrt((blocks**2).mean(axis=1)), 10)))
    if floor_dbfs > -45:
        return Outcome("warning", "noisy", round(floor_dbfs), "dBFS")
    return Outcome("ok", "", round(rms_dbfs), "dBFS")


def _dbfs(level: float) -> float:
    return 20 * float(np.log10(max(level, 1e-5)))


def loop(echo: Echo, usual_gain_db: float | None = None) -> Outcome:
    """Judge the way from loudspeaker to microphone; ``usual_gain_db`` is as loud as it was when the room was well."""
    if not echo.is_heard:
        return Outcome("failed", "not-heard", round(echo.ratio_db), "dB")
    delay_ms = round(echo.delay_s * 1000)
    if not echo.is_in_time:
        return Outcome("warning", "too-short" if delay_ms < 100 else "too-long", delay_ms, "ms")
    louder_db = 0.0 if usual_gain_db is None else echo.gain_db - usual_gain_db
    if abs(louder_db) > GAIN_CHANGE_DB:
        return Outcome("warning", "louder" if louder_db > 0 else "fainter", round(louder_db), "dB")
    return Outcome("ok", "", delay_ms, "ms", {"gain_db": round(echo.gain_db, 1), "ratio_db": round(echo.ratio_db)})


def offset(late_s: float | None) -> Outcome:
    """Judge how much later than the picture the sound is."""
    if late_s is None:
        return Outcome("skipped", "not-seen")
    late_ms = round(late_s * 1000)
    if late_s < EARLY_S:
        return Outcome("warning", "early", late_ms, "ms")
    return Outcome("warning" if late_s > LATE_S else "ok", "late" if late_s > LATE_S else "", late_ms, "ms")


def uplink(round_trips_s: Sequence[float], asked: int, rate_bps: float | None, wanted_bps: float) -> Outcome:
    """Judge the way to the centre: answers to ``asked`` questions, and what went up a second if that was measured."""
    if not round_trips_s:
        return Outcome("failed", "no-answer")
    rtt_ms = max(1, round(float(np.median(round_trips_s)) * 1000))
    more = {} if rate_bps is None else {"mbps": round(rate_bps / 1e6, 1), "wanted_mbps": round(wanted_bps / 1e6, 1)}
    if rate_bps is not None and rate_bps < wanted_bps:
        return Outcome("warning", "narrow", round(rate_bps / 1e6, 1), "Mbit/s", more)
    if len(round_trips_s) < asked:
        return Outcome("warning", "lossy", rtt_ms, "ms", more)
    if rtt_ms > 150:
        return Outcome("warning", "slow", rtt_ms, "ms", more)
    return Outcome("ok", "" if rate_bps is None else "rate", rtt_ms, "ms", more)


def clock(ahead_s: float | None, doubt_s: float, limits: HostLimits) -> Outcome:
    """Judge the room's wall clock against the centre's, as far as that is certain."""
    if ahead_s is None:
        return Outcome("skipped", "no-centre")
    if abs(ahead_s) < 10:
        value, unit = float(round(ahead_s * 1000)), "ms"
    else:
        value, unit = float(round(ahead_s)), "s"
    wrong_s = abs(ahead_s) - doubt_s
    if wrong_s >= limits.clock_fail_s:
        return Outcome("failed", "wrong", value, unit)
    is_off = wrong_s >= limits.clock_warn_s
    return Outcome("warning" if is_off else "ok", "off" if is_off else "", value, unit)


def disk(free_bytes: int, total_bytes: int, limits: HostLimits, *, is_written: bool) -> Outcome:
    """Judge the disk that keeps the room's facts."""
    free_percent = round(100 * free_bytes / max(1, total_bytes))
    if not is_written:
        return Outcome("failed", "not-written", free_percent, "%")
    if free_percent <= limits.disk_free_percent:
        return Outcome("failed" if free_percent <= DISK_FAIL_PERCENT else "warning", "full", free_percent, "%")
    return Outcome("ok", "", free_percent, "%")


_VERDICTS = {
    CheckStatus.OK: "ok",
    CheckStatus.WARNING: "warning",
    CheckStatus.CRITICAL: "failed",
    CheckStatus.UNKNOWN: "skipped",
}


def check(known: Check) -> Outcome:
    """Take over what another part of the agent has found, with its words."""
    verdict = _VERDICTS[known.status]
    return Outcome(verdict, value=known.value, unit=known.unit, message=known.message, remedy=known.remedy)  # type: ignore[arg-type]  # one of its words
