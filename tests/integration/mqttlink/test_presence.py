"""Births and deaths as somebody else hears them, on every way out."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from mqttlink import Link
from protocol.messages import DeathReason
from tests.broker import Broker
from tests.integration.mqttlink.conftest import WAIT_S, History, presence

TOPIC = "estrade/v1/075/room-a/status"


def make_link(broker: Broker, *, will_delay_s: int = 0, **settings: object) -> Link:
    return Link(replace(broker.room("room-a"), **settings), presence(TOPIC, will_delay_s=will_delay_s))  # type: ignore[arg-type]  # replace is not typed by field


async def test_a_body_that_raises_tells_failed(plain_broker: Broker) -> None:
    async with History(plain_broker.room("ear"), TOPIC) as history:
        link = make_link(plain_broker)

        async def body() -> None:
            async with link.running():
                await link.wait_connected()
                raise ValueError("ours")

        with pytest.raises(ValueError, match="ours"):
            await body()
        assert await history.until(lambda words: len(words) == 2) == ["online", "failed"]
        assert len(set(history.sids)) == 1


async def test_a_body_that_ends_tells_shutdown(plain_broker: Broker) -> None:
    async with History(plain_broker.room("ear"), TOPIC) as history:
        async with make_link(plain_broker).running() as link:
            await link.wait_connected()
        assert await history.until(lambda words: len(words) == 2) == ["online", "shutdown"]


async def test_being_cancelled_tells_shutdown(plain_broker: Broker) -> None:
    async with History(plain_broker.room("ear"), TOPIC) as history:
        link = make_link(plain_broker)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(link.run())
            await link.wait_connected()
            task.cancel()
        assert await history.until(lambda words: len(words) == 2) == ["online", "shutdown"]


async def test_leaving_for_a_reason_tells_it(plain_broker: Broker) -> None:
    async with History(plain_broker.room("ear"), TOPIC) as history:
        async with make_link(plain_broker).running() as link:
            await link.wait_connected()
            link.leave_with(DeathReason.REBOOT)
        assert await history.until(lambda words: len(words) == 2) == ["online", "reboot"]


async def test_a_callback_that_raises_tells_failed(plain_broker: Broker) -> None:
    async with History(plain_broker.room("ear"), TOPIC) as history:
        link = make_link(plain_broker)

        async def fault() -> None:
            raise ValueError("ours")

        link.on_connected(fault)
        with pytest.raises(ExceptionGroup):
            await link.run()
        assert await history.until(lambda words: len(words) == 2) == ["online", "failed"]


async def test_a_line_that_is_cut_tells_lost_by_the_will(plain_broker: Broker) -> None:
    async with History(plain_broker.room("ear"), TOPIC) as history, asyncio.TaskGroup() as group:
        proxy = await cut_off_proxy(plain_broker.port)
        link = make_link(plain_broker, port=proxy.port, first_backoff_s=0.01)
        task = group.create_task(link.run())
        await link.wait_connected()
        await proxy.cut()
        words = await history.until(lambda words: len(words) >= 2)
        task.cancel()
        await proxy.close()
    assert words[:2] == ["online", "lost"]


async def test_a_will_waits_for_a_room_that_comes_back_at_once(plain_broker: Broker) -> None:
    async with History(plain_broker.room("ear"), TOPIC) as history, asyncio.TaskGroup() as group:
        proxy = await cut_off_proxy(plain_broker.port)
        link = make_link(
            plain_broker, will_delay_s=2, port=proxy.port, first_backoff_s=0.01, session_expiry_s=60, clean_start=False
        )
        task = group.create_task(link.run())
        await link.wait_connected()
        await proxy.cut(and_refuse=False)
        words = await history.until(lambda words: len(words) >= 2)
        assert words == ["online", "online"]
        assert len(set(history.sids)) == 2
        task.cancel()
        words = await history.until(lambda words: len(words) >= 3)
        assert words == ["online", "online", "shutdown"]
        assert history.sids[1] == history.sids[2]
        await proxy.close()


async def test_a_broker_killed_and_started_again_hears_the_birth_again(plain_broker: Broker) -> None:
    link = make_link(plain_broker)
    sids: list[str | None] = []
    link.on_connected(lambda: sids.append(link.sid))
    lost = asyncio.Event()
    link.on_lost(lost.set)
    async with asyncio.timeout(WAIT_S), link.running():
        await link.wait_connected()
        plain_broker.kill()
        await lost.wait()
        assert not link.is_connected
        plain_broker.start()
        await link.wait_connected()
        async with History(plain_broker.room("ear"), TOPIC) as history:
            assert await history.until(lambda words: bool(words)) == ["online"]
            assert history.messages[0].retain
            assert history.sids == [link.sid]
    assert len(set(sids)) == 2


async def test_a_frozen_broker_is_noticed_and_found_again(plain_broker: Broker) -> None:
    link = make_link(plain_broker, keepalive_s=1, connect_timeout_s=1.0)
    lost = asyncio.Event()
    link.on_lost(lost.set)
    async with asyncio.timeout(WAIT_S), link.running():
        await link.wait_connected()
        plain_broker.freeze()
        await lost.wait()
        plain_broker.thaw()
        await link.wait_connected()


async def test_leaving_a_frozen_broker_takes_a_moment_and_the_will_speaks(plain_broker: Broker) -> None:
    link = make_link(plain_broker)
    async with History(plain_broker.room("ear"), TOPIC) as history:
        async with asyncio.timeout(8), link.running():
            await link.wait_connected()
            await history.until(lambda words: words == ["online"])
            plain_broker.freeze()
        plain_broker.thaw()
        # The broker finds our last words in its buffer, the line cut behind them, and says what it knows.
        words = await history.until(lambda words: len(words) >= 2)
    assert words[0] == "online"
    assert words[1:] in (["shutdown"], ["shutdown", "lost"], ["lost"])


class CutOffProxy:
    """Passes bytes between a client and the broker until told to cut."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._writers: list[asyncio.StreamWriter] = []
        self._refuses = False
        self._pumps: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self, *, and_refuse: bool = True) -> None:
        """Reset every connection; refuse new ones from now on, or not."""
        self._refuses = and_refuse
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def close(self) -> None:
        await self.cut()
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()
        await asyncio.gather(*self._pumps)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            writer.transport.abort()
            return
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._to_port)
        self._writers += [writer, to_writer]
        for source, target in ((reader, to_writer), (to_reader, writer)):
            pump = asyncio.create_task(self._pump(source, target), name="pump")
            self._pumps.add(pump)

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65_536):
                target.write(data)
                await target.drain()
        except OSError:
            pass
        target.transport.abort()


async def cut_off_proxy(to_port: int) -> CutOffProxy:
    proxy = CutOffProxy(to_port)
    await proxy.open()
    return proxy
