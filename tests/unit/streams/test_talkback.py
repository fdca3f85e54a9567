"""The connection over which a pupil speaks, as it is made."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from aiortc import RTCConfiguration, RTCPeerConnection

from agent.streams import wire
from agent.streams.talkback import TalkConnection


async def test_a_slow_line_has_as_long_to_say_that_it_still_wants_packets_as_a_viewers() -> None:
    page = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    page.addTransceiver("audio", direction="sendonly")
    await page.setLocalDescription(await page.createOffer())
    tasks: list[asyncio.Task[None]] = []
    talk = TalkConnection(
        "talk-1",
        page.localDescription.sdp,
        (),
        on_gone=lambda _, reason: None,
        spawn=lambda work, name: tasks.append(asyncio.create_task(work, name=name)),
    )
    await talk.answer()
    transports = cast(Any, talk._peer)._RTCPeerConnection__iceTransports
    protocols = [protocol for transport in transports for protocol in transport._connection._protocols]
    await asyncio.gather(talk.close(), page.close(), *tasks)
    assert protocols
    assert all(isinstance(protocol, wire.PatientStun) for protocol in protocols)
