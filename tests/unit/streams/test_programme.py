"""The room's sound with mute and pause: nothing said before the teacher let it out leaves."""

from __future__ import annotations

import numpy as np
import pytest

from agent.media import BLOCK_S, BLOCK_SAMPLES, AudioBlock
from agent.streams.clock import RoomClock
from agent.streams.programme import Programme
from tests.unit.streams.test_fanout import Clock


class Heard:
    """A programme on a scripted clock whose blocks are kept."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.blocks: list[AudioBlock] = []
        self.programme = Programme(
            RoomClock(self.clock.now_s),
            0.3,
            on_block=lambda block, is_open: self.blocks.append(block),
            call_at=lambda at_s, function: self.clock.call_later(at_s - self.clock.now_s, function),
            now=self.clock.now,
        )
        self.programme.start()

    def say(self, from_s: float, until_s: float) -> None:
        """Push loud sound captured between two instants, all of it now."""
        for number in range(round((until_s - from_s) / BLOCK_S)):
            samples = np.full(BLOCK_SAMPLES, 9_000, np.int16)
            self.programme.push("desk", AudioBlock(samples, from_s + number * BLOCK_S, number))

    def loud(self) -> list[float]:
        return [block.captured_mono_s for block in self.blocks if block.samples.any()]


@pytest.mark.parametrize("was", [(False, False), (True, True)])
def test_un_mute_and_resume_let_nothing_out_that_was_said_before(was: tuple[bool, bool]) -> None:
    heard = Heard()
    began_s = heard.clock.now_s
    heard.programme.set_on_air(*was)
    heard.clock.pass_s(0.05)
    opened_s = heard.clock.now_s
    heard.programme.set_on_air(True, False)
    heard.clock.pass_s(0.05)
    heard.say(began_s, began_s + 0.1)  # a sound server hands over what it gathered meanwhile
    heard.clock.pass_s(0.1)
    loud = heard.loud()
    assert loud
    assert min(loud) >= opened_s
    assert min(block.captured_mono_s for block in heard.blocks) < opened_s
