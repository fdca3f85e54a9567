"""What one aiortc peer gets from a running publisher: packets, pictures, names, reports, the lesson channel."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from aiortc.rtp import RtcpSrPacket

from agent.streams.publisher import Publisher, warm_up
from protocol import channel
from tests.integration.streams.conftest import Room, open_room
from tests.integration.streams.peer import CountingReceiver, Peer, decoded
from tests.integration.streams.sources import film, picture, speak

pytestmark = pytest.mark.timed

LATE_S = 0.08
"""Between capture and hand-over in the test of sender reports."""
GONE_S = 30.0
"""Whose last word is lost is known to be gone by their silence, after nine seconds."""


async def test_a_viewer_gets_board_camera_and_sound_that_decode(room: Room) -> None:
    room.feed(film(room.publisher, "camera"))
    room.feed(film(room.publisher, "board", rate_hz=5, make=lambda n: picture(n, 640, 360)))
    room.feed(speak(room.publisher))
    peer = Peer()
    await peer.join(room.publisher, "v1")
    await peer.until(
        lambda: len(peer.camera.pictures()) >= 30 and len(peer.board.pictures()) >= 5 and len(peer.sound.arrivals) >= 50
    )
    await peer.close()
    cameras, boards = decoded(peer.camera, peer.codec), decoded(peer.board, peer.codec)
    assert len(cameras) >= 30
    assert (cameras[-1].width, cameras[-1].height) == (320, 180)
    assert (boards[-1].width, boards[-1].height) == (640, 360)
    assert peer.camera.lost() == peer.board.lost() == peer.sound.lost() == 0
    assert peer.states[:2] == ["connecting", "connected"]


async def test_the_answer_names_streams_level_and_dtls_role(room: Room) -> None:
    peer = Peer()
    answer = await peer.join(room.publisher, "v1")
    await peer.close()
    _, sound, board, camera, data = answer.split("\r\nm=")
    assert "msid:estrade-lesson sound" in sound
    assert "msid:estrade-lesson camera" in camera
    assert "msid:estrade-board board" in board
    assert "profile-level-id=42e028" in board
    assert "profile-level-id=42e01f" in camera
    assert data.startswith("application")
    for part in (sound, board, camera, data):
        assert "a=setup:passive" in part
    for part in (sound, board, camera):
        assert "a=sendonly" in part
    assert "VP8" not in answer


async def test_sender_reports_carry_the_time_of_capture(room: Room) -> None:
    """Pictures are handed over 80 ms after their capture: reports must lead back to the capture, not the sending."""

    def late(number: int) -> object:
        return replace(picture(number), captured_mono_s=time.monotonic() - LATE_S)

    room.feed(film(room.publisher, "camera", make=late))  # type: ignore[arg-type]  # a Frame
    room.feed(speak(room.publisher))
    peer = Peer()
    await peer.join(room.publisher, "v1")
    # from the second on: the first may be about the stand-in that came before
    await peer.until(lambda: len(peer.camera.reports) >= 2 and len(peer.sound.reports) >= 2)
    await peer.close()

    def delays(receiver: CountingReceiver, report: RtcpSrPacket, rate_hz: int) -> np.ndarray[tuple[int], np.dtype]:
        captured_s = room.publisher.clock.mono_from_ntp(report.sender_info.ntp_timestamp)
        return np.array(
            [
                a.mono_s
                - captured_s
                - ((a.timestamp - report.sender_info.rtp_timestamp + 2**31) % 2**32 - 2**31) / rate_hz
                for a in receiver.arrivals[-30:]
            ]
        )

    camera = delays(peer.camera, peer.camera.reports[-1], 90_000)
    sound = delays(peer.sound, peer.sound.reports[-1], 48_000)
    assert LATE_S <= np.median(camera) <= LATE_S + 0.06
    assert 0.02 <= np.median(sound) <= 0.02 + 0.06


async def test_a_lost_picture_is_answered_by_one_key_frame(room: Room) -> None:
    room.feed(film(room.publisher, "camera"))
    peer = Peer()
    await peer.join(room.publisher, "v1")
    await peer.until(lambda: len(peer.camera.pictures()) >= 20)
    before = room.publisher.tracks()["camera"].key_frames
    for _ in range(5):
        await peer.camera.ask_key()
    seen = len(peer.camera.pictures())
    await peer.until(lambda: len(peer.camera.pictures()) >= seen + 15)
    assert room.publisher.tracks()["camera"].key_frames == before + 1
    await peer.close()


async def test_a_board_that_has_not_changed_is_there_for_a_newcomer(room: Room) -> None:
    room.publisher.push_frame("board", picture(3, 640, 360))
    first = Peer()
    await first.join(room.publisher, "v1")
    await first.until(lambda: len(first.board.pictures()) >= 4)
    second = Peer()
    await second.join(room.publisher, "v2")
    await second.until(lambda: second.board.pictures())
    await second.close()
    await first.close()
    shown = decoded(second.board, second.codec)[0].to_ndarray()
    assert (shown[:360] > 200).any(), "the bright bar of picture 3"


async def test_an_offer_of_one_picture_gets_the_camera_in_the_lessons_stream(room: Room) -> None:
    room.feed(film(room.publisher, "camera"))
    peer = Peer(kinds=("audio", "video"), with_channel=False)
    answer = await peer.join(room.publisher, "v1")
    await peer.until(lambda: len(peer.camera.pictures()) >= 10)
    await peer.close()
    assert answer.count("msid:estrade-lesson") == 2
    assert len(decoded(peer.camera, peer.codec)) >= 10


async def test_sound_alone_is_sent(room: Room) -> None:
    room.feed(speak(room.publisher))
    peer = Peer(kinds=("audio",), with_channel=False)
    await peer.join(room.publisher, "v1")
    await peer.until(lambda: len(peer.sound.arrivals) >= 50)
    await peer.close()
    steps = np.diff([a.timestamp for a in peer.sound.arrivals]) & 0xFFFFFFFF
    assert set(steps.tolist()) == {960}


async def test_hello_is_answered_at_once_and_what_a_page_says_is_handed_on(room: Room) -> None:
    peer = Peer()
    await peer.join(room.publisher, "v1")
    assert peer.data is not None
    data = peer.data
    await peer.until(lambda: data.readyState == "open")
    data.send('{"type": "hello", "name": "Zoé", "is_in_room": true}')
    await peer.until(lambda: len(peer.heard) == 2)
    data.send('{"type": "reception", "board_fps": 5, "camera_fps": 29, "is_heard": true, "loss_percent": 0}')
    room.publisher.tell_viewers()
    await peer.until(lambda: len(peer.heard) == 3)
    await peer.until(lambda: len(room.said) == 2)
    (viewer,) = room.publisher.viewers()
    assert (viewer.name, viewer.is_in_room, viewer.is_connected) == ("Zoé", True, True)
    assert [who for who, _ in room.said] == ["v1", "v1"]
    reception = room.said[1][1]
    assert isinstance(reception, channel.Reception)
    assert reception.camera_fps == 29
    assert isinstance(peer.heard[0], channel.Notice)
    assert peer.heard[0].viewers == 1
    assert peer.heard[1] == channel.Sending(sound="voice", board="full", camera="720p", why="best")
    data.send('{"type": "bye"}')
    await peer.until(lambda: peer.states[-1] == "closed")
    assert room.publisher.viewers() == ()
    assert [(c.kind, c.reason) for c in room.changes] == [
        ("joined", ""),
        ("changed", ""),
        ("left", "left"),
    ]
    await peer.close()


async def test_what_a_page_knows_already_is_not_told_it_again(room: Room) -> None:
    peer = Peer()
    await peer.join(room.publisher, "v1")
    assert peer.data is not None
    data = peer.data
    await peer.until(lambda: data.readyState == "open")
    for place in (1, 2):
        room.publisher.tell_viewers()
        room.publisher.send("v1", channel.You(hand="raised", place=place))
    await peer.until(lambda: len(peer.heard) == 3)
    await peer.close()
    assert [type(message) for message in peer.heard] == [channel.Notice, channel.You, channel.You]


async def test_the_end_of_the_lesson_is_told_and_quick() -> None:
    threads = set(threading.enumerate())
    async with open_room() as room:
        peers = [Peer(), Peer()]
        for n, peer in enumerate(peers):
            await peer.join(room.publisher, f"v{n}")
            data = peer.data
            assert data is not None
            await peer.until(lambda data=data: data.readyState == "open")  # type: ignore[misc]  # bound now
        begun_s = time.monotonic()
        await room.stop()
        assert time.monotonic() - begun_s <= 1.0
        for peer in peers:
            await peer.until(lambda peer=peer: peer.states[-1] == "closed")  # type: ignore[misc]  # bound now
            assert peer.heard[-1] == channel.Ended(reason="lesson-ended")
            await peer.close()
        assert room.publisher.viewers() == ()
        assert [c.reason for c in room.changes if c.kind == "left"] == ["lesson ended"] * 2
        still = {t.name for t in set(threading.enumerate()) - threads if t.name.startswith("encode")}
        assert still == set()


async def test_a_viewer_shown_out_is_told_and_closed(room: Room) -> None:
    peer = Peer()
    await peer.join(room.publisher, "v1")
    assert peer.data is not None
    data = peer.data
    await peer.until(lambda: data.readyState == "open")
    await room.publisher.close_viewer("v1", "removed")
    await peer.until(lambda: peer.states[-1] == "closed")
    assert peer.heard == [channel.Ended(reason="removed")]
    assert room.changes[-1].reason == "removed"
    await peer.close()


async def test_packets_left_are_known_and_none_leave_without_viewers(room: Room) -> None:
    publisher: Publisher = room.publisher
    room.feed(film(publisher, "camera"))
    room.feed(speak(publisher))
    assert room.left == []
    peer = Peer()
    await peer.join(publisher, "v1")
    await peer.until(lambda: len(peer.camera.pictures()) >= 5)
    assert time.monotonic() - room.left[-1] < 1.0
    await publisher.close_viewer("v1", "left")
    stopped = len(room.left)
    encoded = publisher.tracks()["camera"].frames_encoded
    await peer.until(lambda: peer.states[-1] == "closed")
    again = publisher.tracks()["camera"].frames_in + 10
    await peer.until(lambda: publisher.tracks()["camera"].frames_in >= again)
    assert len(room.left) == stopped
    assert publisher.tracks()["camera"].frames_encoded <= encoded + 2
    await peer.close()


async def test_an_offer_that_begins_with_the_data_channel_gets_everything_too(room: Room) -> None:
    room.feed(film(room.publisher, "camera"))
    room.feed(speak(room.publisher))
    peer = Peer(channel_first=True)
    answer = await peer.join(room.publisher, "v1")
    assert answer.split("\r\nm=")[1].startswith("application")
    await peer.until(lambda: len(peer.sound.arrivals) >= 20 and len(peer.camera.pictures()) >= 5)
    await peer.until(lambda: peer.board.pictures())
    assert peer.data is not None
    data = peer.data
    await peer.until(lambda: data.readyState == "open")
    await peer.close()


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_warming_up_leaves_nothing_behind() -> None:
    files, threads = open_files(), threading.active_count()
    await warm_up()
    assert open_files() <= files
    assert threading.active_count() <= threads + 2, "the loop's own workers stay"
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize("is_shown_out", [True, False], ids=["shown out", "left"])
async def test_nothing_is_kept_of_a_viewer_who_is_gone(room: Room, *, is_shown_out: bool) -> None:
    room.feed(film(room.publisher, "camera"))
    room.feed(speak(room.publisher))
    stays, goes = Peer(), Peer()
    for peer, viewer in ((stays, "stays"), (goes, "goes")):
        await peer.join(room.publisher, viewer, holder=viewer)
        await peer.until(partial(_has_media, peer))
    kept = _parts(room, "goes")
    assert all(part() is not None for part in kept)
    if is_shown_out:
        await room.publisher.close_viewer("goes", "left")
    await goes.close()
    async with asyncio.timeout(GONE_S):
        while _alive(kept):  # noqa: ASYNC110  # only a collector knows, and each look stops everything for 0.1 s
            await asyncio.sleep(0.5)
    seen = len(stays.camera.arrivals)
    await stays.until(lambda: len(stays.camera.arrivals) > seen)
    await stays.close()


def _has_media(peer: Peer) -> bool:
    return len(peer.camera.pictures()) >= 5 and len(peer.sound.arrivals) >= 5


def _parts(room: Room, viewer: str) -> list[weakref.ref[object]]:
    """Return what the room has of a connected viewer, without holding it."""
    connection = room.publisher._roster.connections[viewer]
    feeds, senders = room.publisher._feeds[connection], connection.senders.values()
    parts = [connection, connection._peer, connection._path, connection.channel, feeds, *senders]
    return [weakref.ref(part) for part in (*parts, *(sender.taken for sender in senders))]


def _alive(parts: list[weakref.ref[object]]) -> list[str]:
    gc.collect()
    return [type(part()).__name__ for part in parts if part() is not None]
