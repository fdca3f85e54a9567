"""Offers and candidates that cannot be used: one clear error each, and nothing stays behind."""

from __future__ import annotations

import asyncio
import re
import socket
from contextlib import suppress
from pathlib import Path

import pytest
from aiortc import RTCSessionDescription

from agent.streams.publisher import StreamSettings
from protocol.errors import CODES, SignallingError
from protocol.messages import IceServer
from tests.integration.streams.conftest import Room, open_room
from tests.integration.streams.peer import Peer
from tests.integration.streams.sources import film


def open_sockets() -> int:
    """Return how many sockets this process holds; threads that start up open and close files meanwhile."""
    found = 0
    for path in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found += path.readlink().name.startswith("socket:")
    return found


async def refused(room: Room, sdp: str, viewer: str = "bad") -> SignallingError:
    with pytest.raises(SignallingError) as caught:
        await room.publisher.accept(viewer, sdp, ())
    assert caught.value.code in CODES
    return caught.value


async def test_bad_offers_are_refused_and_leave_nothing_behind(room: Room) -> None:
    peer = Peer()
    good = await peer.offer()
    bad = {
        "not SDP": "hello",
        "half of one": good[: len(good) // 2],
        "a megabyte": good + "a=x:" + "y" * 1_000_000,
        "no direction": good.replace("a=recvonly\r\n", ""),
        "a port that is no number": re.sub(r"m=video \d+", "m=video x", good),
        "an unknown role": good.replace("a=setup:actpass", "a=setup:holdconn"),
        "no rtcp-mux": good.replace("a=rtcp-mux\r\n", ""),
    }
    sockets, tasks = open_sockets(), len(asyncio.all_tasks())
    codes = {name: (await refused(room, sdp)).code for name, sdp in bad.items()}
    assert codes == {**dict.fromkeys(bad, "offer-invalid"), "a megabyte": "offer-too-large"}
    assert room.publisher.viewers() == ()
    assert room.changes == []
    assert open_sockets() <= sockets
    assert len(asyncio.all_tasks()) <= tasks

    room.feed(film(room.publisher, "camera"))
    await peer.join(room.publisher, "good")
    await peer.until(lambda: len(peer.camera.pictures()) >= 5)
    await peer.close()


@pytest.mark.parametrize("turns", [1, 2, 3, 4, 5, 6, 8, 10])
async def test_a_viewer_that_is_let_go_while_it_is_answered_is_told_that_and_not_of_a_bad_offer(
    room: Room, turns: int
) -> None:
    """However far its answer has come, in turns of the loop: after some of them aiortc fails at a closed connection."""
    peer = Peer()
    answering = asyncio.create_task(room.publisher.accept("v1", await peer.offer(), ()))
    for _ in range(turns):
        await asyncio.sleep(0)
    assert not answering.done(), "fewer turns are enough"
    await room.publisher.close_viewer("v1", "removed")
    with pytest.raises(SignallingError) as caught:
        await answering
    assert caught.value.code == "viewer-not-found"
    assert room.publisher.viewers() == ()
    await peer.close()


async def test_a_player_without_a_codec_of_ours_is_told_so(room: Room) -> None:
    peer = Peer(has_h264=False)
    offer = await peer.offer()
    sockets = open_sockets()
    assert (await refused(room, offer.replace("VP8/90000", "VP9/90000"))).code == "no-common-codec"
    assert (await refused(room, offer.replace("opus/48000", "speex/16000"))).code == "no-common-codec"
    assert open_sockets() <= sockets
    await peer.close()


async def test_a_room_has_its_limit_and_a_place_that_is_left_is_free() -> None:
    async with open_room(StreamSettings(max_viewers=1)) as room:
        first, second = Peer(), Peer()
        await first.join(room.publisher, "v1")
        offer = await second.offer()
        error = await refused(room, offer, "v2")
        assert (error.code, error.retryable) == ("viewer-limit", True)
        await room.publisher.close_viewer("v1", "left")
        assert await room.publisher.accept("v2", offer, ())
        await first.close()
        await second.close()


async def test_the_same_viewer_again_replaces_itself(room: Room) -> None:
    first, second = Peer(), Peer()
    await first.join(room.publisher, "v1")
    await first.until(lambda: room.changes)
    await second.join(room.publisher, "v1")
    await first.until(lambda: first.states[-1] == "closed")
    assert [v.id for v in room.publisher.viewers()] == ["v1"]
    assert room.changes[1].reason == "replaced"
    await first.close()
    await second.close()


async def test_one_holder_has_three_places_and_a_fourth_connection_takes_the_oldest() -> None:
    async with open_room(StreamSettings(max_viewers=5)) as room:
        peers = [Peer() for _ in range(6)]
        await peers[0].join(room.publisher, "other", "h-2")
        for number, peer in enumerate(peers[1:5], 1):
            await peer.join(room.publisher, f"v{number}", "h-1")
            await peer.until(lambda peer=peer: "connected" in peer.states)  # type: ignore[misc]
        await peers[1].until(lambda: peers[1].states[-1] == "closed")
        assert [peer.states[-1] for peer in peers[:5]] == ["connected", "closed", *["connected"] * 3]
        assert [viewer.id for viewer in room.publisher.viewers()] == ["other", "v4"]  # one pupil, by the newest
        assert [(c.viewer, c.reason) for c in room.changes if c.kind == "left"] == [("v1", "replaced")]
        await room.publisher.close_viewer("v2", "left")
        await peers[5].join(room.publisher, "v5", "h-1")
        await peers[5].until(lambda: "connected" in peers[5].states)
        assert [peer.states[-1] for peer in peers[3:]] == ["connected"] * 3
        assert [viewer.id for viewer in room.publisher.viewers()] == ["other", "v5"]
        for peer in peers:
            await peer.close()


async def test_viewers_without_a_known_holder_have_no_limit_but_the_rooms() -> None:
    async with open_room(StreamSettings(max_viewers=5)) as room:
        peers = [Peer() for _ in range(5)]
        for number, peer in enumerate(peers):
            await peer.join(room.publisher, f"v{number}")
        assert len(room.publisher.viewers()) == 5
        for peer in peers:
            await peer.close()


async def test_candidates_after_the_offer_make_the_connection(room: Room) -> None:
    """The room must be able to send first: here it is the only one that knows an address."""
    peer = Peer()
    offer = await peer.offer()
    candidates = [row[2:] for row in offer.splitlines() if row.startswith("a=candidate:")]
    bare = "".join(row + "\r\n" for row in offer.splitlines() if not row.startswith(("a=candidate", "a=end-of")))
    answer = await room.publisher.accept("v1", bare, ())
    deaf = "".join(row + "\r\n" for row in answer.splitlines() if not row.startswith(("a=candidate", "a=end-of")))
    await peer.pc.setRemoteDescription(RTCSessionDescription(deaf, "answer"))
    await room.publisher.add_candidates("v1", candidates, "0", False)
    await room.publisher.add_candidates("v1", [], None, True)
    await peer.until(lambda: "connected" in peer.states)
    await peer.close()


async def test_candidates_that_cannot_be_used_are_refused(room: Room) -> None:
    peer = Peer()
    await peer.join(room.publisher, "v1")
    good = "candidate:1 1 udp 2113937151 192.0.2.7 50000 typ host"
    cases = [
        ("v1", ["candidate:nonsense"], None, "candidate-invalid"),
        ("v1", [good], "nine", "candidate-invalid"),
        ("v1", [good] * 65, "0", "candidate-invalid"),
        ("v2", [good], "0", "viewer-not-found"),
    ]
    for viewer, candidates, mid, code in cases:
        with pytest.raises(SignallingError) as caught:
            await room.publisher.add_candidates(viewer, candidates, mid, False)
        assert caught.value.code == code
    with pytest.raises(SignallingError, match="v2"):
        await room.publisher.close_viewer("v2", "left")
    await peer.close()


async def test_after_the_lesson_nobody_comes_in() -> None:
    async with open_room() as room:
        peer = Peer()
        offer = await peer.offer()
        await room.stop()
        assert (await refused(room, offer)).code == "lesson-ended"
        await peer.close()


async def test_a_viewer_let_in_while_the_lesson_ends_is_told_that_it_is_over() -> None:
    """A STUN server that is silent makes an answer take 5 s."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        stun = IceServer(urls=(f"stun:127.0.0.1:{silent.getsockname()[1]}",))
        peer = Peer()
        async with open_room() as room:
            answer = asyncio.create_task(room.publisher.accept("v1", await peer.offer(), (stun,)))
            await peer.until(lambda: bool(room.publisher.viewers()))
            assert room.publisher.connected == 0
        with pytest.raises(SignallingError) as caught:
            await answer
        assert caught.value.code == "lesson-ended"
        await peer.close()
