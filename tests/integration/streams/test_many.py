"""Many viewers: one encoder for all, nobody waits for anybody."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agent.streams.publisher import StreamSettings
from tests.integration.streams.conftest import Room, open_room
from tests.integration.streams.peer import Peer, decoded
from tests.integration.streams.sources import film, picture, speak

pytestmark = pytest.mark.alone

MANY = 20


async def test_twenty_viewers_share_one_encoder(room: Room) -> None:
    room.feed(film(room.publisher, "camera"))
    room.feed(film(room.publisher, "board", rate_hz=2, make=lambda n: picture(n, 640, 360)))
    room.feed(speak(room.publisher))
    peers = [Peer() for _ in range(MANY)]
    for n, peer in enumerate(peers):
        await peer.join(room.publisher, f"v{n}")
    for peer in peers:
        await peer.until(lambda peer=peer: len(peer.camera.arrivals) >= 60, 30)  # type: ignore[misc]  # bound now
    health = room.publisher.tracks()
    assert {track: h.viewers for track, h in health.items()} == {"sound": MANY, "board": MANY, "camera": MANY}
    await asyncio.gather(*(peer.close() for peer in peers))
    assert health["camera"].frames_encoded <= health["camera"].frames_in + 2 * MANY
    receivers = [receiver for peer in peers for receiver in peer.receivers]
    lost, came = sum(r.lost() for r in receivers), sum(len(r.arrivals) for r in receivers)
    assert lost <= came / 100, "all twenty read in one thread: on a busy machine a socket of theirs may overflow"
    assert len(decoded(peers[-1].camera, peers[-1].codec)) >= 30
    joined = [c.viewer for c in room.changes if c.kind == "joined"]
    assert sorted(joined) == sorted(f"v{n}" for n in range(MANY))


async def test_a_viewer_that_stops_reading_disturbs_nobody_and_is_reaped() -> None:
    async with open_room(StreamSettings(viewer_silence_s=2.0)) as room:
        room.feed(film(room.publisher, "camera"))
        room.feed(speak(room.publisher))
        stuck, other = Peer(), Peer()
        for name, peer in (("stuck", stuck), ("other", other)):
            await peer.join(room.publisher, name)
            await peer.until(lambda peer=peer: len(peer.camera.pictures()) >= 10)  # type: ignore[misc]  # bound now
        # its data pump stands still: nothing is read, no report is sent; ICE goes on answering
        transport: Any = stuck.pc.getTransceivers()[0].receiver.transport
        stuck.camera.is_deaf = stuck.board.is_deaf = stuck.sound.is_deaf = True
        for receiver in stuck.receivers:
            receiver._RTCRtpReceiver__rtcp_task.cancel()  # type: ignore[attr-defined]  # aiortc's private name
        transport._task.cancel()
        await other.until(lambda: len(room.changes) >= 3, 15)
        await other.until(lambda: len(room.publisher.viewers()) == 1)
        seen = len(other.camera.pictures())
        await other.until(lambda: len(other.camera.pictures()) >= seen + 15)
        left = [c for c in room.changes if c.kind == "left"]
        assert [(c.viewer, c.reason) for c in left] == [("stuck", "silent")]
        assert other.camera.lost() == other.sound.lost() == 0
        await asyncio.gather(stuck.close(), other.close())


async def test_a_viewer_that_never_connects_is_given_up_and_its_encoders_rest() -> None:
    async with open_room(StreamSettings(viewer_connect_s=1.0)) as room:
        room.feed(film(room.publisher, "camera"))
        peer = Peer()
        await room.publisher.accept("v1", await peer.offer(), ())
        assert [v.is_connected for v in room.publisher.viewers()] == [False]
        await peer.until(lambda: not room.publisher.viewers())
        assert [(c.kind, c.reason) for c in room.changes] == [("changed", "never connected")]
        encoded = room.publisher.tracks()["camera"].frames_encoded
        again = room.publisher.tracks()["camera"].frames_in + 10
        await peer.until(lambda: room.publisher.tracks()["camera"].frames_in >= again)
        assert room.publisher.tracks()["camera"].frames_encoded <= encoded + 2
        await peer.close()
