"""What viewers' own reports say of the room's line, by real RTP and RTCP."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agent.health.line import WINDOW_S
from agent.line_watch import LOOK_S, LineWatch
from protocol.messages import Check, CheckStatus
from tests.integration.streams.conftest import Room
from tests.integration.streams.peer import Peer
from tests.integration.streams.sources import film, speak

FASTER = 3
"""The watch's clock; packets come as they do."""


async def test_loss_of_most_viewers_at_once_is_told_as_the_rooms(room: Room) -> None:
    room.feed(film(room.publisher, "camera"))
    room.feed(speak(room.publisher))
    lesson = cast("Any", SimpleNamespace(publisher=room.publisher))
    watch = LineWatch(lesson, 3_000_000, clock=lambda: FASTER * time.monotonic())
    peers = [Peer() for _ in range(3)]
    for n, peer in enumerate(peers):
        await peer.join(room.publisher, f"v{n}")

    async def until_loss_is(wanted: CheckStatus) -> dict[str, Check]:
        told: list[Check | None] = []
        while len(told) * LOOK_S < 5 * WINDOW_S:
            await asyncio.sleep(LOOK_S / FASTER)
            watch.look()
            checks = {check.id: check for check in watch.checks()}
            told.append(checks.get("line-loss"))
            if "line-loss" in checks and checks["line-loss"].status is wanted:
                return checks
        raise AssertionError(told)

    await until_loss_is(CheckStatus.OK)
    for peer in peers[:2]:
        peer.sound.loses_every = 8
    checks = await until_loss_is(CheckStatus.CRITICAL)
    assert checks["line-loss"].value == pytest.approx(12.5, abs=4)
    round_trip_ms = checks["line-delay"].value
    assert round_trip_ms is not None
    assert 0 <= round_trip_ms < 1000
    lesson.publisher = None
    watch.look()
    assert not watch.checks()
    await asyncio.gather(*(peer.close() for peer in peers))
