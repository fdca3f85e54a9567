"""A room sends its checks with a health when they are news, and with each one to a centre that knows no other."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent import reporter
from protocol import topics
from protocol.messages import ControllerStatus
from tests.broker import Broker
from tests.integration.agent.conftest import Centre, room_settings, running_room
from tests.waiting import until


async def say_born(centre: Centre, proto: int) -> None:
    status = ControllerStatus(online=True, sid="s-1", proto=proto, at=datetime.now(UTC))
    await centre.link.publish(topics.controller_status("main"), status, retain=True)


async def test_checks_are_left_out_for_a_centre_that_can_do_without_and_for_no_other(
    broker: Broker, centre: Centre, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporter, "HEALTH_S", 0.1)
    async with running_room(room_settings(broker, tmp_path)):
        await until(lambda: len(centre.health) > 5, "the room reports")
        assert None not in [health.checks for health in centre.health]  # nobody said that it may
        await say_born(centre, 2)
        await until(lambda: [health.checks for health in centre.health[-3:]] == [None] * 3, "short ones")
        since = len(centre.health)
        await say_born(centre, 1)
        await until(lambda: all(health.checks for health in centre.health[-3:]), "whole ones again")
        await until(lambda: len(centre.health) > since + 5, "more of them")
        assert None not in [health.checks for health in centre.health[-3:]]
