"""Whoever watches the centre hears of it each minute, and no more once it is not well."""

from __future__ import annotations

import asyncio
import logging
from ipaddress import ip_network
from pathlib import Path

import pytest

from controller import heartbeat
from controller.config import FetchConfig, NoticesConfig
from controller.safe_http import SafeHttp
from protocol.errors import ConfigError
from tests.broker import Broker
from tests.integration.controller.scripted import centre_config, register, running_centre
from tests.outside import outside, saying
from tests.waiting import until


def _fetch(port: int) -> FetchConfig:
    return FetchConfig(plain_http=True, ports=(port,), allowed=(ip_network("127.0.0.0/8"),))


async def test_a_centre_that_is_well_tells_it(tmp_path: Path, broker: Broker) -> None:
    async with outside(saying(b"OK")) as server:
        address = f"http://127.0.0.1:{server.port}/ping/1f2e"
        config = centre_config(
            tmp_path / "centre", broker, fetch=_fetch(server.port), notices=NoticesConfig(heartbeat_url=address)
        )
        await register(config)
        async with running_centre(config):
            await until(lambda: bool(server.asked), "the first heartbeat", 20)
    assert (server.asked[0].method, server.asked[0].target) == ("GET", "/ping/1f2e")


async def test_an_authority_that_is_none_is_one_sentence(tmp_path: Path, broker: Broker) -> None:
    fetch, notices = FetchConfig(ca_file=tmp_path / "none.pem"), NoticesConfig(heartbeat_url="https://192.0.2.1/")
    config = centre_config(tmp_path / "centre", broker, fetch=fetch, notices=notices)
    with pytest.raises(ConfigError, match=r"\[fetch\] ca_file .*none\.pem"):
        async with running_centre(config):
            pass


async def test_it_stays_away_when_the_centre_is_not_well_and_a_refusal_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "controller.heartbeat")
    turns = [
        ("200 OK", True), ("200 OK", False), ("500 Oh", True), ("500 Oh", True), ("200 OK", True)
    ]  # fmt: skip
    asked: list[int] = []
    turn = 0

    async with outside(saying(b"")) as server:

        async def is_well() -> bool:
            server.serve = saying(b"", turns[turn][0])
            return turns[turn][1]

        async def sleep(seconds: float) -> None:
            nonlocal turn
            assert seconds == (heartbeat.EVERY_S if turns[turn][1] else heartbeat.LOOK_AGAIN_S)
            asked.append(len(server.asked))
            turn += 1
            if turn == len(turns):
                raise asyncio.CancelledError

        http, address = SafeHttp(_fetch(server.port)), f"http://127.0.0.1:{server.port}/"
        with pytest.raises(asyncio.CancelledError):
            await heartbeat.run(http, address, is_well, sleep=sleep)
    assert asked == [1, 1, 2, 3, 4]
    assert [record.getMessage() for record in caplog.records] == [
        "nobody takes the heartbeat: the server answers with 500",
        "the heartbeat is taken again",
    ]
