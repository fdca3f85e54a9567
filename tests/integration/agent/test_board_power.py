"""A real room with a projector on a socket: the lesson switches it, and never waits for it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from protocol.messages import CheckStatus
from tests.broker import Broker
from tests.fakes.pjlink_projector import Faults, Projector, serve
from tests.integration.agent.conftest import SIMULATED, Centre, room_settings, running_room
from tests.waiting import until


def with_projector(projector: Projector, **keys: Any) -> dict[str, Any]:
    display = {"driver": "pjlink", "host": "127.0.0.1", "port": projector.port, "input": "digital-1", "off_after_s": 0}
    return {**SIMULATED, "display": {**display, **keys}}


def told(centre: Centre) -> tuple[CheckStatus, str | None] | None:
    """Return the newest ``board-power`` that the centre heard: its status and its French sentence."""
    for health in reversed(centre.health):
        for check in health.checks or ():
            if check.id == "board-power":
                return check.status, check.message.fr if check.message else None
    return None


async def test_start_wakes_the_projector_and_stop_puts_it_back(broker: Broker, centre: Centre, tmp_path: Path) -> None:
    async with serve(Projector(input="11", password="Craie", sha256=True)) as projector:
        (tmp_path / "projector.password").write_text("Craie\n")
        devices = with_projector(projector, password_file="projector.password")
        async with running_room(room_settings(broker, tmp_path, devices)) as room:
            await until(lambda: told(centre) == (CheckStatus.OK, None), "the centre hears of the projector")
            assert projector.power == "0"
            assert (await room.press("lesson/start")).status_code == 200
            await until(lambda: (projector.power, projector.input) == ("1", "31"), "it is on, at its input")
            await room.press("lesson/stop")
            await until(lambda: projector.power in "20", "it goes off again")
        assert projector.input == "11"
        assert projector.refusals == 0


@pytest.mark.timed
async def test_a_projector_that_says_nothing_costs_the_lesson_no_time(
    broker: Broker, centre: Centre, tmp_path: Path
) -> None:
    async with serve(Projector(faults=Faults(silent=True))) as projector:
        async with running_room(room_settings(broker, tmp_path, with_projector(projector))) as room:
            began_s = time.monotonic()
            await room.press("lesson/start")
            await room.state_is("live")
            live_s = time.monotonic() - began_s
            await until(lambda: projector.connections, "the projector is tried")
            began_s = time.monotonic()
            await room.press("lesson/stop")
            await room.state_is("idle")
        assert live_s < 3.0  # as without a projector: PREPARE_MOST_S
        assert time.monotonic() - began_s < 3.0


async def test_a_wrong_password_is_sent_once_and_the_centre_is_told_in_words(
    broker: Broker, centre: Centre, tmp_path: Path
) -> None:
    async with serve(Projector(password="right")) as projector:
        (tmp_path / "projector.password").write_text("wrong\n")
        devices = with_projector(projector, password_file="projector.password", login="md5")
        for _ in range(2):
            centre.health.clear()
            async with running_room(room_settings(broker, tmp_path, devices)) as room:
                await room.press("lesson/start")
                await until(lambda: (told(centre) or (None,))[0] is CheckStatus.CRITICAL, "it is told")
        found = told(centre)
        assert found is not None
        assert found[1] == "Le tableau refuse le mot de passe réglé, ou en demande un ; il n’est plus essayé."
        assert projector.refusals == 1
