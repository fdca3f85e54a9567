"""The time that rooms are told, and the one that deadlines are made of."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from controller import centre as centres
from controller.keys import load_keys
from controller.store.store import open_store
from mqttlink import CentreClock, Link, LinkSettings
from protocol.messages import Command
from protocol.topics import RoomTopics
from tests.broker import Broker
from tests.integration.controller.scripted import ROOM, TERRITORY, centre_config, register


async def test_rooms_are_told_the_time_that_deadlines_come_from_though_the_date_is_set_back(
    tmp_path: Path, broker: Broker
) -> None:
    date_s, mono_s = 1_900_000_000.0, 0.0
    clock = CentreClock.own(mono=lambda: mono_s, wall=lambda: date_s)
    settings = LinkSettings(broker.host, broker.port, "controller")
    rpc, events = Link(settings, clock=clock), Link(replace(settings, client_id="events"))
    config = centre_config(tmp_path / "centre", broker)
    await register(config)
    async with open_store(config.database) as store:
        centre = centres.build(
            config,
            store,
            rpc,
            load_keys(config.state_dir),
            public_url="http://127.0.0.1",
            now=lambda: datetime.fromtimestamp(date_s, UTC),
        )
        centre.ingest.attach(rpc, events)
        await centres.load(centre)
        date_s -= 3600
        mono_s += 10
        told = await centre.ingest.on_request(RoomTopics(TERRITORY, ROOM).req("time"), Command(id="one", deadline=0))
    assert told == {"now": 1_900_000_010.0}
    assert rpc.clock.deadline(5) == 1_900_000_015.0
