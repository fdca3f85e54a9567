"""Wake-on-LAN on a real socket."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address

import pytest

from agent.devices.wake_on_lan import WakeOnLanConfig, connect, magic_packet, wake
from protocol.errors import DeviceNotFoundError, DeviceUnsupportedError

MAC = "00:11:22:aa:bb:cc"


class Card(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.is_awake = asyncio.Event()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.heard.append(data)
        if len(self.heard) == 3:
            self.is_awake.set()


async def test_a_sleeping_card_hears_the_packet_three_times(unused_udp_port: int) -> None:
    loop = asyncio.get_running_loop()
    transport, card = await loop.create_datagram_endpoint(Card, local_addr=("127.0.0.9", unused_udp_port))
    try:
        await wake(MAC, "127.0.0.9", port=unused_udp_port)
        async with asyncio.timeout(5):
            await card.is_awake.wait()
    finally:
        transport.close()
    assert card.heard == [magic_packet(MAC)] * 3


async def test_an_address_that_nothing_can_be_sent_to_is_told() -> None:
    with pytest.raises(DeviceNotFoundError, match="correct wake_address"):
        await wake(MAC, "127.0.0.1", port=0)  # the kernel refuses it, as it does without a route


async def test_it_wakes_and_can_do_nothing_else() -> None:
    config = WakeOnLanConfig(wake_mac=MAC, wake_address=IPv4Address("127.0.0.9"))
    async with connect(config, None) as display:
        await display.power(True)
        assert display.info.capabilities == {"wake"}
        with pytest.raises(DeviceUnsupportedError, match="not switched off"):
            await display.power(False)
        with pytest.raises(DeviceUnsupportedError, match="hdmi"):
            await display.select_input("hdmi")
