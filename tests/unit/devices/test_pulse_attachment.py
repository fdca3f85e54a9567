"""What is sent while a sound server moves the stream: the instants that no real server shows twice alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from agent.devices.pulse import NOWHERE_S, ON_ITS_WAY_S, Attachment, Place
from protocol.errors import DeviceLostError, DeviceMovedError, DeviceNotFoundError

DESK, SPEAKER = "alsa_input.desk", "alsa_output.hdmi.monitor"


class Server:
    """A sound server whose stream is where the test says."""

    def __init__(self) -> None:
        self.at: str | None = DESK
        self.sources = {DESK, SPEAKER}
        self.now_s = 100.0
        self.on_event: Callable[[], None] = lambda: None

    def attached(self) -> str | None:
        return self.at

    def source(self, wanted: str) -> Place:
        if wanted not in self.sources:
            raise DeviceNotFoundError("no such source")
        return Place(wanted, wanted)

    def move_back(self, source: str) -> None:
        self.at = source


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def attachment(server: Server) -> Attachment:
    attachment = Attachment(cast("Any", server), Place(DESK, "Desk"), None, "microphone", clock=lambda: server.now_s)
    assert attachment.may_send is False  # nothing has been asked yet
    attachment.begin()
    assert attachment.may_send is True
    return attachment


def test_from_an_event_until_the_answer_it_is_not_known(server: Server, attachment: Attachment) -> None:
    server.on_event()
    assert attachment.may_send is None
    attachment.check()
    assert attachment.may_send is True


def test_what_was_on_its_way_from_the_wrong_source_is_not_sent(server: Server, attachment: Attachment) -> None:
    server.on_event()
    server.at = SPEAKER
    attachment.check()
    assert attachment.may_send is False
    attachment.check()
    assert attachment.may_send is False
    server.now_s += ON_ITS_WAY_S + 0.01
    assert attachment.may_send is True
    attachment.look()


def test_a_source_that_is_gone_is_lost_or_moved(server: Server, attachment: Attachment) -> None:
    server.sources.discard(DESK)
    server.at = SPEAKER
    attachment.check()
    assert attachment.may_send is False
    with pytest.raises(DeviceMovedError, match=r"alsa_output.hdmi.monitor instead; nothing of that was sent"):
        attachment.look()


def test_a_source_that_is_gone_with_the_stream_is_lost(server: Server, attachment: Attachment) -> None:
    server.sources.discard(DESK)
    server.at = None
    attachment.check()
    with pytest.raises(DeviceLostError, match="was removed") as caught:
        attachment.look()
    assert not isinstance(caught.value, DeviceMovedError)


def test_a_stream_that_is_attached_to_nothing_is_lost_in_the_end(server: Server, attachment: Attachment) -> None:
    server.at = None
    attachment.check()
    attachment.look()
    server.now_s += NOWHERE_S + 0.01
    attachment.check()
    with pytest.raises(DeviceLostError, match="does not attach it"):
        attachment.look()
