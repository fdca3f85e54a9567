"""Lessons in model time: rooms that speak and fall silent, pages that report, and what goes wrong between them."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from agent.levels import RoomLevels
from agent.likeness import LEVEL_S
from agent.media import BLOCK_S, BLOCK_SAMPLES
from agent.reception import Listeners
from benchmarks.lamp_sound import LINES, Clip, Floats
from protocol.channel import Output, Reception
from protocol.panel import Hearing

Fault = Literal["none", "muted", "volume-0", "blocked", "wrong-microphone", "no-packets", "no-reports", "silence-sent"]
FAULTS: tuple[Fault, ...] = (
    "muted",
    "volume-0",
    "blocked",
    "wrong-microphone",
    "no-packets",
    "no-reports",
    "silence-sent",
)
OUTPUTS: dict[Fault, Output] = {"muted": "muted", "volume-0": "volume-0", "blocked": "blocked"}
Page = Literal["levels", "energy", "levels, no time"]
PAGES: tuple[Page, ...] = ("levels", "levels", "energy", "levels, no time")
TRUE_WITHIN_S = 3.0
LOOK_S = 0.25
SPOKEN = 10 ** (-45 / 10)
SPOKEN_S = 0.6
"""So much of the last 3 s above -45 dBFS is something said."""
NOTHING = np.zeros(BLOCK_SAMPLES, np.int16)
QUIET = 10 ** (-58 / 10)
LEVELS = 25


@dataclass(slots=True)
class Tally:
    """What the lamp said, and what was so. A judge that goes by packets is asked the same."""

    judged_s: float = 0.0
    deaf_s: float = 0.0
    false_yes_s: float = 0.0
    false_no_s: float = 0.0
    undecided_s: float = 0.0
    packets_false_yes_s: float = 0.0
    false_yes_spells: int = 0
    false_no_spells: int = 0
    told_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    never_told: Counter[str] = field(default_factory=Counter)


def lesson(rng: np.random.Generator, clips: Sequence[Clip], length_s: float, tally: Tally) -> None:
    """Run one pupil's lesson, and add what came of it."""
    home = _Home.of(rng, clips, length_s)
    room = RoomLevels()
    listeners = Listeners(room, lambda _, rtp: rtp / 48_000)
    judge = _Judge(home, tally)
    block, report_s = 0, 1.0 + float(rng.uniform(0, 1))
    for look in range(round(length_s / LOOK_S)):
        now_s = look * LOOK_S
        while block < len(home.heard) and (block + 2) * BLOCK_S <= now_s:
            room.microphone.take(float(home.heard[block]), block * BLOCK_S)
            room.let_out(NOTHING, NOTHING, block * BLOCK_S, is_open=bool(home.is_open[block // 2]))
            block += 1
        while report_s <= now_s:
            report = home.report(report_s)
            if report is not None:
                listeners.take("pupil", report, report_s + float(rng.uniform(0.01, 0.08)))
            report_s += 1.0
        listeners.look({"pupil": "video"}, now_s, is_microphone_wrong=False)
        judge.look(now_s, listeners.verdict("pupil").hearing)


@dataclass(slots=True)
class _Home:
    """A room's lesson, and one pupil's page: what is said, what is played, and what goes wrong, by 40 ms."""

    heard: Floats
    played: Floats
    is_open: NDArray[np.bool_]
    faults: NDArray[np.int_]
    has_time: bool
    delay_s: float
    skew_s: float

    @classmethod
    def of(cls, rng: np.random.Generator, clips: Sequence[Clip], length_s: float) -> _Home:
        steps = round(length_s / LEVEL_S)
        own = clips[int(rng.integers(len(clips)))].room
        line, page = LINES[int(rng.integers(len(LINES)))].name, PAGES[int(rng.integers(len(PAGES)))]
        heard, right = _speak(rng, [clip for clip in clips if clip.room == own], line, page, steps)
        _, wrong = _speak(rng, [clip for clip in clips if clip.room != own], line, page, steps)
        is_open = np.ones(steps, np.bool_)
        for _ in range(int(length_s / 200)):  # the teacher mutes on purpose
            at = int(rng.integers(steps))
            is_open[at : at + round(rng.uniform(3, 20) / LEVEL_S)] = False
        faults = _faults(rng, steps)
        played = np.where(is_open, np.where(faults == FAULTS.index("wrong-microphone"), wrong, right), 0.0)
        played[(faults == FAULTS.index("no-packets")) | (faults == FAULTS.index("silence-sent"))] = 0.0
        has_time = page != "levels, no time"
        delay_s, skew_s = float(rng.uniform(0.08, 0.6)), float(rng.uniform(-0.06, 0.06))
        return cls(heard, played, is_open, faults, has_time, delay_s, skew_s)

    def report(self, at_s: float) -> Reception | None:
        """Return what the page says now; None when it says nothing, or plays nothing yet."""
        end = min(len(self.faults) - 1, round((at_s - self.delay_s) / LEVEL_S))
        fault = _fault_at(self.faults, at_s)
        if end <= LEVELS or fault == "no-reports":
            return None
        levels = np.round(10 * np.log10(np.maximum(self.played[end - LEVELS : end], 1e-13)))
        return Reception(
            board_fps=1,
            camera_fps=25,
            loss_percent=0,
            is_heard=_fault_at(self.faults, end * LEVEL_S) != "no-packets",
            output=OUTPUTS.get(fault, "playing"),
            levels_dbfs=tuple(int(level) for level in np.clip(levels, -127, 0)),
            played_rtp=round((end * LEVEL_S + self.skew_s) * 48_000) if self.has_time else None,
        )


class _Judge:
    """Compares what the lamp says with what is so."""

    def __init__(self, home: _Home, tally: Tally) -> None:
        self._home, self._tally = home, tally
        self._is_said = home.heard.reshape(-1, 2).mean(axis=1) > SPOKEN
        self._fault: Fault = "none"
        self._since_s = self._decidable_s = 0.0
        self._is_told, self._spell = True, ""

    def look(self, now_s: float, hearing: Hearing) -> None:
        """Take what is said now."""
        tally, fault = self._tally, _fault_at(self._home.faults, now_s)
        step = min(len(self._is_said) - 1, round(now_s / LEVEL_S))
        if fault != self._fault:
            if not self._is_told and now_s - self._decidable_s >= TRUE_WITHIN_S:
                tally.never_told[self._fault] += 1
            self._since_s, self._decidable_s, self._fault, self._is_told = now_s, math.inf, fault, fault == "none"
        if self._decidable_s == math.inf and self._is_decidable(step):
            self._decidable_s = now_s
        if not self._is_told and hearing == "not-heard":
            tally.told_s[fault].append(max(0.0, now_s - min(now_s, self._decidable_s)))
            self._is_told = True
        lately = slice(max(0, step - round(TRUE_WITHIN_S / LEVEL_S)), step)
        said_s = float(self._is_said[lately].sum()) * LEVEL_S
        if now_s - max(self._since_s, 7.0) < TRUE_WITHIN_S or said_s < SPOKEN_S or not self._home.is_open[lately].all():
            self._spell = ""
            return
        tally.judged_s += LOOK_S
        tally.deaf_s += LOOK_S * (fault != "none")
        tally.packets_false_yes_s += LOOK_S * (fault not in ("none", "no-packets", "no-reports"))
        spell = "yes" if fault != "none" and hearing == "heard" else ""
        spell = "no" if fault == "none" and hearing == "not-heard" else spell
        tally.false_yes_s += LOOK_S * (spell == "yes")
        tally.false_no_s += LOOK_S * (spell == "no")
        tally.false_yes_spells += spell == "yes" and self._spell != spell
        tally.false_no_spells += spell == "no" and self._spell != spell
        tally.undecided_s += LOOK_S * (fault == "none" and hearing in ("nothing-said", "unknown"))
        self._spell = spell

    def _is_decidable(self, step: int) -> bool:
        """Say whether anything is to be heard that could tell: while nobody speaks, wrong and right sound alike."""
        if self._fault in OUTPUTS or self._fault in ("no-packets", "no-reports"):
            return True
        is_open = bool(self._home.is_open[step])
        return is_open and bool(self._is_said[step] or self._home.played[step] > SPOKEN)


def _fault_at(faults: NDArray[np.int_], at_s: float) -> Fault:
    found = int(faults[min(len(faults) - 1, round(at_s / LEVEL_S))])
    return FAULTS[found] if found >= 0 else "none"


def _speak(rng: np.random.Generator, clips: Sequence[Clip], line: str, page: Page, steps: int) -> tuple[Floats, Floats]:
    """Return a room's lesson, power of each 20 ms, and of each 40 ms what a page tells of it; some of it is silence."""
    heard: list[Floats] = []
    told: list[Floats] = []
    length = 0
    while length < steps + 500:
        clip = clips[int(rng.integers(len(clips)))]
        played = clip.played[line]
        count = round(rng.uniform(10, 50) / LEVEL_S)
        begin = int(rng.integers(0, max(1, len(played.levels) - count)))
        count = min(count, len(played.levels) - begin, len(clip.heard) // 2 - begin)
        part = clip.heard[2 * begin : 2 * (begin + count)]
        if page == "energy":
            at = ((np.arange(begin, begin + count) + 0.5) * LEVEL_S / 0.1).astype(int)
            page_part = played.energies[np.minimum(at, len(played.energies) - 1)]
        else:
            page_part = played.levels[begin : begin + count]
        if rng.random() < 0.15:  # a test is written: nobody says anything
            floor = min(QUIET, float(np.quantile(part, 0.1)))
            part, page_part = np.full(len(part), floor), np.full(len(page_part), floor)
        heard.append(part)
        told.append(page_part)
        length += count
    return np.concatenate(heard)[: 2 * steps], np.concatenate(told)[:steps]


def _faults(rng: np.random.Generator, steps: int) -> NDArray[np.int_]:
    """Return for each 40 ms which fault there is, -1 for none."""
    faults = np.full(steps, -1)
    at = round(rng.uniform(15, 60) / LEVEL_S)
    while at < steps:
        end = at + round(rng.uniform(8, 40) / LEVEL_S)
        faults[at:end] = FAULTS.index("wrong-microphone") if rng.random() < 0.3 else int(rng.integers(len(FAULTS)))
        at = end + round(rng.uniform(20, 90) / LEVEL_S)
    return faults
