"""How the line is measured: a slow one by little, for what the room says besides has to wait behind it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from agent.health.host import HostLimits
from agent.selftest.line import PAD_BYTES, PADS, LineParts, LineTest
from agent.streams.hardware import Hardware
from protocol.errors import BrokerError
from protocol.messages import TimeAsked


class Line:
    """Carries so many bits a second, one message after the other."""

    def __init__(self, rate_bps: float) -> None:
        self.rate_bps = rate_bps
        self.pads = 0
        self._busy = asyncio.Lock()

    async def ask(self, asked: TimeAsked, timeout_s: float) -> dict[str, object]:
        size = len(asked.padding or "")
        self.pads += size == PAD_BYTES
        try:
            async with asyncio.timeout(timeout_s), self._busy:
                await asyncio.sleep(8 * size / self.rate_bps)
        except TimeoutError:
            raise BrokerError("no answer", code="room-timeout") from None
        return {"now": time.time()}


async def nothing() -> None: ...


@pytest.mark.parametrize(
    ("rate_bps", "pads", "verdict"), [(800_000, 1, "warning"), (100_000, 1, "warning"), (50e6, 1 + PADS, "ok")]
)
async def test_a_slow_line_is_known_by_one_message(rate_bps: float, pads: int, verdict: str, tmp_path: Path) -> None:
    line = Line(rate_bps)
    parts = LineParts(lambda: "connected", line.ask, nothing, tuple, tuple, tmp_path, 3e6, HostLimits(), Hardware)
    found = await LineTest(parts, is_quiet=False).uplink()
    assert (line.pads, found.verdict) == (pads, verdict)
    if verdict == "warning":
        assert found.variant == "narrow"
        assert found.value is not None
        assert found.value <= 1.2 * max(rate_bps, 8 * PAD_BYTES / 2) / 1e6
