"""A room that publishes to a real Janus: what players get from there, and what a refusal or a death does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import httpx
import pytest
from aiortc import RTCSessionDescription

from agent.lesson import Lesson
from agent.line_watch import LineWatch
from agent.streams.layers import StreamSettings
from agent.streams.relay import Relay
from agent.streams.relay_settings import RelaySettings
from protocol import channel
from protocol.errors import SignallingError
from tests.integration.streams.conftest import Room, open_room
from tests.integration.streams.peer import Arrival, CountingReceiver, Peer, decoded
from tests.integration.streams.sources import film, picture, speak
from tests.media_server import TOKEN, MediaServer
from tests.waiting import until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MediaServer]:
    started = MediaServer(tmp_path_factory.mktemp("media-server"))
    started.start()
    yield started
    started.kill()


@dataclass
class Publishing:
    """A room that is told to publish, without pupils who would make it necessary."""

    room: Room
    relay: Relay


@pytest.fixture
async def publishing(server: MediaServer, tmp_path: Path) -> AsyncIterator[Publishing]:
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    settings = RelaySettings(server.whip("b12-lesson"), server.door("b12-board"), token_file=token)
    async with open_room() as room:
        publisher = room.publisher
        room.feed(film(publisher, "camera"))
        room.feed(film(publisher, "board", rate_hz=5, make=lambda n: picture(n, 640, 360)))
        room.feed(speak(publisher))
        relay = Relay(
            settings,
            publisher._tracks.best,
            publisher.clock,
            on_packet=lambda: room.left.append(0.0),
            on_change=lambda: None,
        )
        running = asyncio.create_task(relay.run())
        yield Publishing(room, relay)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    server.refuse(0)


async def say(peer: Peer, message: channel.FromPupil) -> None:
    await peer.until(lambda: peer.data is not None and peer.data.readyState == "open")
    assert peer.data is not None
    peer.data.send(message.model_dump_json())


async def is_quiet(peer: Peer) -> bool:
    """Say whether nothing more comes; at most one packet that was on its way."""
    before = len(peer.sound.arrivals)
    await asyncio.sleep(0.5)
    return len(peer.sound.arrivals) - before <= 1


def from_key(receiver: CountingReceiver) -> list[list[Arrival]]:
    """Return the whole pictures that a player can decode: those from the first key frame on."""
    pictures = receiver.pictures()
    first = next((i for i, picture in enumerate(pictures) if _begins_with_sps(picture[0].payload)), len(pictures))
    return pictures[first:]


def _begins_with_sps(payload: bytes) -> bool:
    """Say whether a packet is a sequence parameter set, or an aggregate that begins with one (RFC 6184 §5.7.1)."""
    kind = payload[0] & 0x1F
    return (payload[3] if kind == 24 else payload[0]) & 0x1F == 7


async def play(url: str, *kinds: str) -> Peer:
    """Play what is published, as any WHEP player does."""
    peer = Peer(kinds, with_channel=False)
    async with httpx.AsyncClient() as http:
        answer = await http.post(url, content=await peer.offer(), headers={"Content-Type": "application/sdp"})
    assert answer.status_code == 201, answer.text
    await peer.pc.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
    return peer


async def test_players_get_board_camera_and_sound_from_there(publishing: Publishing, server: MediaServer) -> None:
    publishing.relay.want(True)
    await until(lambda: publishing.relay.is_publishing, "the room to publish")
    assert server.published() == {"b12-lesson", "b12-board"}
    lesson = await play(server.whep("b12-lesson"), "audio", "video")
    board = await play(server.whep("b12-board"), "video")
    for peer in (lesson, board):  # as a browser does: what came before its own transport stood had the first key frame
        await peer.until(lambda peer=peer: peer.camera.arrivals)  # type: ignore[misc]  # bound now
        await peer.camera.ask_key()
    await lesson.until(lambda: len(from_key(lesson.camera)) >= 20 and len(lesson.sound.arrivals) >= 50)
    await board.until(lambda: len(from_key(board.camera)) >= 3)
    for peer in (lesson, board):
        await peer.close()
        peer.camera.arrivals = [one for picture in from_key(peer.camera) for one in picture]
    cameras, boards = decoded(lesson.camera, lesson.codec), decoded(board.camera, board.codec)
    assert (cameras[-1].width, cameras[-1].height) == (320, 180)
    assert (boards[-1].width, boards[-1].height) == (640, 360)
    assert len(cameras) >= 10

    publishing.relay.want(False)
    await until(lambda: not server.published(), "the room to take back what it published")
    left = len(publishing.room.left)
    await asyncio.sleep(0.3)
    assert len(publishing.room.left) == left, "nothing leaves for a media server that is not wanted"


async def test_a_refusal_is_told_in_its_words_and_asked_again(publishing: Publishing, server: MediaServer) -> None:
    server.refuse(503)
    publishing.relay.want(True)
    await until(lambda: publishing.relay.problem is not None, "a refusal")
    problem = publishing.relay.problem
    assert problem is not None
    assert (problem.code, problem.retryable) == ("media-server-refused", True)
    assert "503" in problem.message
    assert "the house is full" in problem.message
    server.refuse(0)
    await until(lambda: publishing.relay.is_publishing, "the next attempt")
    assert publishing.relay.problem is None


@pytest.mark.parametrize("authority", [None, "no certificate"])
async def test_an_authority_that_is_none_is_told_and_no_lesson_falls(
    server: MediaServer, tmp_path: Path, authority: str | None
) -> None:
    ca_file = tmp_path / "ca.pem"
    if authority is not None:
        ca_file.write_text(authority)
    settings = RelaySettings(server.whip("b14-lesson"), server.whip("b14-board"), ca_file=ca_file)
    async with open_room(StreamSettings(relay=settings)) as room:
        relay, pupil = room.publisher.relay, Peer()
        assert relay is not None
        relay.want(True)
        await until(lambda: relay.problem is not None, "a sentence")
        assert relay.problem is not None
        assert "cannot publish" in relay.problem.message
        room.feed(speak(room.publisher))
        await pupil.join(room.publisher, "v1", "first")
        await pupil.until(lambda: pupil.sound.arrivals)
        await pupil.close()


async def test_pupils_move_to_the_media_server_and_back_without_a_new_connection(
    server: MediaServer, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    settings = RelaySettings(server.whip("b13-lesson"), server.whip("b13-board"), token_file=token)
    async with open_room(StreamSettings(relay=settings, uplink_bps=500_000)) as room:
        room.feed(film(room.publisher, "camera"))
        room.feed(film(room.publisher, "board", rate_hz=5, make=lambda n: picture(n, 640, 360)))
        room.feed(speak(room.publisher))
        first, second = Peer(), Peer()
        await first.join(room.publisher, "v1", "first")
        await say(first, channel.Hello(name="Lina"))
        await first.until(lambda: len(first.sound.arrivals) >= 10)
        await second.join(room.publisher, "v2", "second")
        await say(second, channel.Hello(name="Noé"))
        go = channel.PlayFrom(source="media-server")
        for peer in (first, second):
            await peer.until(lambda peer=peer: go in peer.heard)  # type: ignore[misc]  # bound now
        room.publisher.check_relay("first")
        heard = len(first.sound.arrivals)
        await first.until(
            lambda: len(first.sound.arrivals) > heard + 10
        )  # until its page says that it plays from there
        for peer in (first, second):
            await say(peer, channel.PlaysFrom(source="media-server"))
        for peer in (first, second):
            while not await is_quiet(peer):
                continue
        heard = len(first.sound.arrivals)

        room.publisher.set_speaker("second")  # at the media server it would hear itself
        await second.until(lambda: second.heard[-1] == channel.PlayFrom(source="room"))
        await say(second, channel.PlaysFrom(source="media-server"))  # it was on its way there
        before = len(second.sound.arrivals)
        await second.until(lambda: len(second.sound.arrivals) > before + 20)
        room.publisher.set_speaker(None)
        await second.until(lambda: second.heard[-1] == go)
        await say(second, channel.PlaysFrom(source="media-server"))
        while not await is_quiet(second):
            continue

        server.kill()
        await say(first, channel.PlaysFrom(source="room"))  # its page notices within a second
        await first.until(lambda: len(first.sound.arrivals) > heard + 20)
        back = channel.PlayFrom(source="room")
        for peer in (first, second):  # the room itself by the server's silence
            await peer.until(lambda peer=peer: back in peer.heard)  # type: ignore[misc]
        await second.until(lambda: len(second.sound.arrivals) > 20 and second.camera.pictures())
        third = Peer()
        with pytest.raises(SignallingError) as refused:
            await third.join(room.publisher, "v3", "third")
        assert (refused.value.code, refused.value.retryable) == ("uplink-full", True)
        assert "media server" in refused.value.message
        watch = LineWatch(cast("Lesson", SimpleNamespace(publisher=room.publisher)), 3_000_000)
        watch.look()
        [check] = [one for one in watch.checks() if one.id == "media-server"]
        assert check.message is not None
        assert room.publisher.relay is not None
        assert room.publisher.relay.problem is not None
        assert room.publisher.relay.problem.message in check.message.en
        for peer in (first, second, third):
            assert "failed" not in peer.states
            await peer.close()
    server.start()


async def test_the_end_sends_nothing_to_those_who_play_from_the_media_server(
    server: MediaServer, tmp_path: Path
) -> None:
    """The end of what is published would else be a reason to send to them again."""
    token = tmp_path / "token"
    token.write_text(TOKEN)
    settings = RelaySettings(server.whip("b14-lesson"), server.whip("b14-board"), token_file=token)
    async with open_room(StreamSettings(relay=settings, uplink_bps=500_000)) as room:
        room.feed(film(room.publisher, "camera"))
        room.feed(speak(room.publisher))
        peers = Peer(), Peer()
        for number, peer in enumerate(peers):
            await peer.join(room.publisher, f"v{number}", f"holder-{number}")
            await say(peer, channel.Hello(name="Lina"))
        for peer in peers:
            go = channel.PlayFrom(source="media-server")
            await peer.until(lambda peer=peer, go=go: go in peer.heard)  # type: ignore[misc]  # bound now
            await say(peer, channel.PlaysFrom(source="media-server"))
        for peer in peers:
            while not await is_quiet(peer):
                continue
        told = [len(peer.heard) for peer in peers]
        received = [(len(peer.sound.arrivals), len(peer.camera.pictures())) for peer in peers]
    for peer in peers:
        await peer.until(lambda peer=peer: peer.states[-1] == "closed")  # type: ignore[misc]  # bound now
    assert [(len(peer.sound.arrivals), len(peer.camera.pictures())) for peer in peers] == received
    assert [peer.heard[before:] for peer, before in zip(peers, told, strict=True)] == [
        [channel.Ended(reason="lesson-ended")]
    ] * 2
    for peer in peers:
        await peer.close()
