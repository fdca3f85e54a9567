"""What stands around the centre: a proxy in front, a TURN server beside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import aioice.stun
import aioice.turn
import httpx
import pytest

from controller.config import HttpConfig, IceConfig, TurnConfig
from protocol.messages import IceAsked, IceTold
from tests.broker import Broker, free_port
from tests.integration.controller.scripted import (
    OFFER,
    ROOM,
    SDP,
    RunningCentre,
    centre_config,
    register,
    running_centre,
    scripted_room,
)
from tests.peers import need
from tests.waiting import until

SECRET = "north wind and sun"


async def _wrong_codes(centre: RunningCentre, address: str, times: int) -> list[int]:
    answers = [
        await centre.http.post("/api/v1/join", json={"code": "ABCD-EFGH"}, headers={"X-Forwarded-For": address})
        for _ in range(times)
    ]
    return [answer.status_code for answer in answers]


async def test_behind_a_trusted_proxy_each_pupils_address_counts_for_itself(tmp_path: Path, broker: Broker) -> None:
    http = HttpConfig(port=0, trusted_proxies=("127.0.0.1",))
    config = centre_config(tmp_path / "centre", broker, http=http)
    await register(config)
    async with running_centre(config) as centre:
        assert await _wrong_codes(centre, "192.0.2.1", 12) == [404] * 10 + [429] * 2
        assert await _wrong_codes(centre, "192.0.2.2", 1) == [404]


@pytest.mark.parametrize("piece", [b"X-%d: " + b"a" * 4_000 + b"\r\n", b"a" * 4_096], ids=["many", "one"])
async def test_headers_without_an_end_are_refused_before_they_fill_the_memory(
    centre: RunningCentre, piece: bytes
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(centre.url).port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-First: ")
    sent = 0
    try:
        while sent < 4_194_304 and not writer.is_closing() and not reader.at_eof():
            writer.write(piece % sent if b"%d" in piece else piece)
            await writer.drain()
            sent += len(piece)
    except ConnectionError:
        pass
    finally:
        writer.close()
    assert sent < 4_194_304
    assert (await centre.http.get("/healthz")).status_code == 200


async def test_a_request_with_large_headers_is_still_answered(centre: RunningCentre) -> None:
    assert (await centre.http.get("/healthz", headers={"X-Large": "a" * 16_000})).status_code == 200


async def test_without_one_nobody_chooses_the_address_he_counts_as(centre: RunningCentre) -> None:
    assert [await _wrong_codes(centre, f"192.0.2.{n}", 1) for n in range(12)] == [[404]] * 10 + [[429]] * 2


@pytest.fixture
async def turn_port(tmp_path: Path) -> AsyncIterator[int]:
    """A real coturn with use-auth-secret on loopback."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        need("turnserver", "coturn"), "-n", "--use-auth-secret", f"--static-auth-secret={SECRET}",
        "--realm=estrade", "--fingerprint", "--no-cli", "--no-tls", "--no-dtls", "--allow-loopback-peers",
        "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", f"--listening-port={port}",
        f"--pidfile={tmp_path / 'turn.pid'}", f"--userdb={tmp_path / 'turn.db'}", "--log-file=stdout",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, cwd=tmp_path,
    )  # fmt: skip
    try:
        await until(lambda: _accepts(port), "coturn listens")
        yield port
    finally:
        process.terminate()
        await process.wait()


async def _accepts(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def _allocate(port: int, username: str, password: str) -> Any:
    transport, _ = await aioice.turn.create_turn_endpoint(
        asyncio.DatagramProtocol, server_addr=("127.0.0.1", port), username=username, password=password
    )
    relayed = transport.get_extra_info("sockname")
    transport.close()
    return relayed


async def test_a_ticket_brings_turn_credentials_that_a_real_coturn_takes_until_they_run_out(
    tmp_path: Path, broker: Broker, turn_port: int
) -> None:
    folder = tmp_path / "centre"
    folder.mkdir()
    (folder / "turn.secret").write_text(f"{SECRET}\n")
    url = f"turn:127.0.0.1:{turn_port}?transport=udp"
    turn = TurnConfig(urls=(url,), secret_file=folder / "turn.secret", ttl_s=600)
    config = centre_config(folder, broker, ice=IceConfig(stun=("stun:127.0.0.1",), turn=turn))
    await register(config)
    async with running_centre(config) as centre, scripted_room(broker) as room:
        await room.start()
        joined = await centre.join(code=(await room.access()).code)
        stun, server = joined["ice_servers"]
        assert stun["urls"] == ["stun:127.0.0.1"]
        assert server["urls"] == [url]
        assert (await _allocate(turn_port, server["username"], server["credential"]))[0] == "127.0.0.1"
        expiry, _, subject = server["username"].partition(":")
        assert int(expiry) == int(datetime.fromisoformat(joined["expires_at"]).timestamp()), "through all of its lesson"
        with pytest.raises(aioice.stun.TransactionFailed):
            await _allocate(turn_port, f"{int(expiry) - 86_400}:{subject}", server["credential"])

        async def answered() -> Any:
            headers = SDP | {"Authorization": f"Bearer {joined['token']}"}
            answer = await centre.http.post(joined["whep"], content=OFFER, headers=headers)
            return answer if answer.status_code == 201 else None

        answer = await until(answered, "the offer is answered")
        assert f'<{url}>; rel="ice-server"; username="' in answer.headers["link"]
        [_, for_room] = room.commands_named("rtc.offer")[-1].args["ice_servers"]
        assert for_room["username"].partition(":")[2].startswith(f"{ROOM}.")
        assert (await _allocate(turn_port, for_room["username"], for_room["credential"]))[0] == "127.0.0.1"
        told = await room.link.call(
            room.topics.req("ice"), IceAsked(), reply_topic=room.topics.reply("ice"), timeout_s=5
        )
        [_, to_try] = IceTold.model_validate(told).ice_servers
        assert (to_try.urls, (to_try.username or "").partition(":")[2]) == ((url,), ROOM)
        secret = (await room.access()).link.rsplit("/", 1)[1]
        player = await centre.http.post(f"/whep/{ROOM}?link={secret}", content=OFFER, headers=SDP)
        assert player.status_code == 201
        [_, for_next] = room.commands_named("rtc.offer")[-1].args["ice_servers"]
        assert for_next["username"] != for_room["username"], "coturn's quota of a user is one viewer's, not the room's"
        assert secret not in player.headers["link"], "a TURN server's log would open the lesson"
