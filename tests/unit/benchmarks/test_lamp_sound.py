"""What a page plays in the lamp's model is what the room said, at the same pace."""

from __future__ import annotations

import numpy as np
import pytest

from agent.media import SAMPLE_RATE_HZ
from benchmarks.lamp_sound import LINES, Line, sent


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.name)
def test_a_second_at_the_microphone_is_a_second_at_the_page(line: Line) -> None:
    rng = np.random.default_rng(1)
    said = rng.normal(0, 3000, 2 * SAMPLE_RATE_HZ).astype(np.int16)
    played = sent(said, line, rng)
    assert len(played) == pytest.approx(len(said), abs=line.frame_ms * SAMPLE_RATE_HZ // 1000)
