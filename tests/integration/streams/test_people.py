"""Pupils over real connections: the lobby, a hand that comes back, showing out, and a page that says garbage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiortc import RTCSessionDescription
from aiortc.rtcsctptransport import SCTP_DATA_FIRST_FRAG, SCTP_DATA_LAST_FRAG, SCTP_DATA_UNORDERED, DataChunk

from agent.audience import Door
from agent.people import People
from agent.streams.publisher import StreamSettings
from agent.streams.wire_sctp import MOST_HELD_CHUNKS
from protocol import channel
from protocol.errors import AccessError
from tests.integration.streams.conftest import Room, open_room
from tests.integration.streams.peer import Peer
from tests.integration.streams.sources import film, speak


class Told:
    """What the people of a lesson told the lesson."""

    def __init__(self) -> None:
        self.removed: list[str | None] = []
        self.doors = self.changes = 0

    def door(self) -> None:
        self.doors += 1

    def change(self) -> None:
        self.changes += 1


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def people(told: Told) -> People:
    return People(Door(), on_change=told.change, on_door=told.door, on_removed=told.removed.append)


@pytest.fixture
async def room(people: People, request: pytest.FixtureRequest) -> AsyncIterator[Room]:
    silence_s = getattr(request, "param", 1.5)
    async with open_room(StreamSettings(viewer_silence_s=silence_s), people=people) as opened:
        opened.feed(film(opened.publisher, "camera"))
        opened.feed(speak(opened.publisher))
        yield opened


async def come(room: Room, viewer: str, name: str, holder: str) -> Peer:
    """Join, say hello, and wait until the room has said who one is."""
    peer = Peer()
    await peer.join(room.publisher, viewer, holder)
    data = peer.data
    assert data is not None
    await peer.until(lambda: data.readyState == "open")
    say(peer, channel.Hello(name=name))
    await peer.until(lambda: you(peer) is not None)
    return peer


def say(peer: Peer, message: channel.FromPupil) -> None:
    assert peer.data is not None
    peer.data.send(message.model_dump_json())


def you(peer: Peer) -> channel.You | None:
    return next((one for one in reversed(peer.heard) if isinstance(one, channel.You)), None)


async def test_who_knocks_gets_no_media_before_it_is_let_in_however_long_it_waits(
    room: Room, people: People, told: Told
) -> None:
    people.set_lobby(True)
    lina = await come(room, "v-1", "Lina", "t-1")
    assert you(lina) == channel.You(is_admitted=False)
    await asyncio.sleep(2.5)  # longer than a viewer in class may be silent
    assert lina.states[-1] == "connected"
    assert [len(one.arrivals) for one in lina.receivers] == [0, 0, 0]
    assert room.left == []
    assert room.publisher.connected == 0
    assert [change.kind for change in room.changes] == ["changed", "changed"]

    (knock,) = people.view(is_code_old=False).knocking
    assert knock.name == "Lina"
    people.admit(knock.pupil)
    await lina.until(lambda: len(lina.camera.pictures()) >= 5 and lina.sound.arrivals)
    await lina.until(lambda: you(lina) == channel.You())
    assert room.publisher.connected == 1
    assert room.changes[2].kind == "joined"
    assert people.door.admitted == ("t-1",)
    await lina.until(lambda: len(lina.camera.pictures()) >= 60)  # it stays, as one who reports

    again = await come(room, "v-2", "Lina", "t-1")
    await again.until(lambda: again.camera.pictures())
    assert len(room.publisher.viewers()) == 1
    noe = await come(room, "v-3", "Noé", "t-3")
    people.refuse(people.view(is_code_old=False).knocking[0].pupil)
    await noe.until(lambda: noe.states[-1] == "closed")
    assert noe.heard[-1] == channel.Ended(reason="refused")
    with pytest.raises(AccessError):
        people.check("t-3")
    assert told.removed == [], "the code need not change for one who was never in"
    for peer in (lina, again, noe):
        await peer.close()


async def test_a_hand_is_still_up_after_the_line_broke_and_a_removed_pupil_is_out(
    room: Room, people: People, told: Told
) -> None:
    lina, noe = await come(room, "v-1", "Lina", "t-1"), await come(room, "v-2", "Noé", "t-2")
    say(lina, channel.Hand(is_raised=True))
    await lina.until(lambda: you(lina) == channel.You(hand="raised", place=1))
    say(noe, channel.Hand(is_raised=True))
    await noe.until(lambda: you(noe) == channel.You(hand="raised", place=2))
    await lina.close()
    back = await come(room, "v-3", "Lina", "t-1")
    assert you(back) == channel.You(hand="raised", place=1)
    assert [one.name for one in people.view(is_code_old=False).hands] == ["Lina", "Noé"]

    people.remove(people.pupil_of("v-3"))
    await back.until(lambda: back.states[-1] == "closed")
    assert back.heard[-1] == channel.Ended(reason="removed")
    await noe.until(lambda: you(noe) == channel.You(hand="raised", place=1))
    assert told.removed == ["t-1"]
    with pytest.raises(AccessError):
        people.check("t-1")
    for peer in (back, noe):
        await peer.close()


async def test_a_removed_pupil_does_not_come_in_by_a_connection_that_was_answered_before(
    room: Room, people: People
) -> None:
    lina, half = await come(room, "v-1", "Lina", "t-1"), Peer()
    answer = await room.publisher.accept("v-2", await half.offer(), (), "t-1")
    people.remove(people.pupil_of("v-1"))
    assert not room.publisher.viewers_of("t-1")
    await half.pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    await asyncio.sleep(1.0)
    assert "connected" not in half.states
    assert not people.admits("v-3", "t-1"), "nor one that stands in the very moment"
    for peer in (lina, half):
        await peer.close()


async def test_a_page_that_says_garbage_is_shown_out_and_the_others_stay(
    room: Room, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    lina, bad = await come(room, "v-1", "Lina", "t-1"), await come(room, "v-2", "Mallory", "t-2")
    assert bad.data is not None
    for n in range(300):
        bad.data.send(f"garbage {n}")
    await bad.until(lambda: bad.states[-1] == "closed")
    assert bad.heard[-1] == channel.Ended(reason="misused")
    seen = len(lina.camera.pictures())
    await lina.until(lambda: len(lina.camera.pictures()) > seen + 5)
    assert [one.name for one in room.publisher.viewers()] == ["Lina"]
    assert [record.levelname for record in caplog.records if "misuses" in record.getMessage()] == ["WARNING"]
    for peer in (lina, bad):
        await peer.close()


async def test_a_room_that_falls_has_its_pupils_come_back(people: People) -> None:
    async with open_room(people=people, farewell=lambda: "room-closing") as room:
        lina = await come(room, "v-1", "Lina", "t-1")
    await lina.until(lambda: lina.heard[-1] == channel.Ended(reason="room-closing"))
    await lina.close()


async def test_a_page_that_opens_channels_without_end_is_shown_out(room: Room, people: People) -> None:
    lina = await come(room, "v-1", "Lina", "t-1")
    for number in range(20):
        lina.pc.createDataChannel(f"more {number}")
    await lina.until(lambda: lina.states[-1] == "closed")
    assert lina.heard[-1] == channel.Ended(reason="misused")
    await lina.close()


@pytest.mark.parametrize("room", [30.0], indirect=True, ids=["patient"])  # the flood and Lina share one busy loop
@pytest.mark.parametrize(
    ("step", "flags"), [(1, 0), (2, SCTP_DATA_FIRST_FRAG), (2, SCTP_DATA_FIRST_FRAG | SCTP_DATA_LAST_FRAG)]
)
async def test_a_page_whose_messages_never_end_is_shown_out_and_fills_no_memory(
    room: Room, people: People, caplog: pytest.LogCaptureFixture, step: int, flags: int
) -> None:
    """Fragments without a first one, first ones alone, and whole messages with a gap between any two."""
    lina, bad = await come(room, "v-1", "Lina", "t-1"), await come(room, "v-2", "Mallory", "t-2")
    ours: Any = room.publisher._roster.connections["v-2"]._peer.sctp
    theirs: Any = bad.pc.sctp
    tsn = theirs._local_tsn
    for number in range(2 * MOST_HELD_CHUNKS):
        chunk = DataChunk(flags=flags | SCTP_DATA_UNORDERED)
        chunk.tsn, chunk.stream_id, chunk.protocol = (tsn + (number + 1) * step) % 2**32, 5, 51
        chunk.user_data = bytes(1000)
        await theirs._send_chunk(chunk)
        await asyncio.sleep(0.0005)
        if [one.name for one in room.publisher.viewers()] == ["Lina"]:
            break
    assert sum(len(one.reassembly) for one in ours._inbound_streams.values()) <= MOST_HELD_CHUNKS
    assert len(ours._sack_misordered) <= MOST_HELD_CHUNKS
    assert [one.name for one in room.publisher.viewers()] == ["Lina"]
    assert [record.levelname for record in caplog.records if "misuses" in record.getMessage()] == ["WARNING"]
    for peer in (lina, bad):
        await peer.close()
