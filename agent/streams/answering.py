"""What every peer connection that answers an offer does alike: its transport, and the addresses of the other end; and
all of a connection over which somebody sends to us but what it is that comes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Literal

from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection
from aiortc import RTCSessionDescription as Description

from agent.streams import wire, wire_sctp
from agent.streams.offers import MAX_CANDIDATES, Plan, on_line, read_candidate, read_publish_offer
from protocol.errors import SignallingError
from protocol.messages import IceServer

log = logging.getLogger(__name__)

ANSWER_S = 10.0
"""As for a viewer: aioice gives up on a relay that does not answer after 5 s."""


def answering_peer(plan: Plan, ice_servers: Sequence[IceServer]) -> RTCPeerConnection:
    """Make the peer connection for an offer.

    aiortc moves m-lines onto the bundle's transport only if that is not the first m-line's; with the policy that has
    one transport from the start it would close that one then, with any other it builds four to drop three.
    """
    policy = RTCBundlePolicy.MAX_BUNDLE if plan.is_plain_bundle else RTCBundlePolicy.MAX_COMPAT
    return RTCPeerConnection(RTCConfiguration(iceServers=wire.ice_servers(ice_servers), bundlePolicy=policy))


async def answer_sender(
    peer: RTCPeerConnection, plan: Plan, add_receiving: Callable[[], object], *, no_codec: str
) -> str:
    """Return the complete answer to an offer to send to us; ``add_receiving`` is called for the m-line that does.

    Raises SignallingError, with ``no_codec`` where what is sent is of no kind that we read.
    """
    for line in plan.lines:
        if line.track is not None:
            add_receiving()
        elif line.kind != "application":
            wire.add_silent(peer, line.kind)
    try:
        async with asyncio.timeout(ANSWER_S):
            await peer.setRemoteDescription(Description(plan.sdp, "offer"))
            wire.be_dtls_server(peer)
            await peer.setLocalDescription(await peer.createAnswer())
        wire.be_patient(peer)
    except wire.NoCommonCodec as error:
        raise SignallingError(no_codec, code="no-common-codec") from error
    except TimeoutError as error:
        raise SignallingError(
            "the room found no way to the network in time", code="room-timeout", retryable=True
        ) from error
    except Exception as error:  # an offer may be readable and still provoke anything inside aiortc
        raise SignallingError("the offer cannot be answered") from error
    return str(peer.localDescription.sdp)


class IncomingConnection:
    """A connection over which somebody sends one track to us. Single use; whoever makes it closes it.

    ``on_gone`` comes once, with this object and why, unless it was ended by us first; ``spawn`` starts a task that
    somebody owns.
    """

    def __init__(
        self,
        sender: str,
        sdp: str,
        track: Literal["sound", "board"],
        ice_servers: Sequence[IceServer],
        *,
        on_gone: Callable[[Any, str], None],
        spawn: Callable[[Coroutine[Any, Any, None], str], object],
    ) -> None:
        self.id = sender
        self.ended = False
        self._plan = read_publish_offer(sdp, track)
        self._on_gone, self._spawn = on_gone, spawn
        self._peer = answering_peer(self._plan, ice_servers)
        self._candidates = Candidates(self._peer, self._plan, sender, spawn)
        self._peer.on("connectionstatechange", self._state_changed)

    async def add_candidates(self, lines: Sequence[str], mid: str | None) -> None:
        """Give ICE more of the sender's addresses. Raises SignallingError ``candidate-invalid``; all or none."""
        self._candidates.add(lines, mid)

    def on_bye(self) -> None:
        """Hear the sender's goodbye."""
        self._gone("left")

    async def _answered(self, add_receiving: Callable[[], object], *, no_codec: str) -> str:
        """Return the complete answer, as `answer_sender` does."""
        answer = await answer_sender(self._peer, self._plan, add_receiving, no_codec=no_codec)
        wire_sctp.adapt(self._peer, lambda: self._gone("misused"))  # we need no data channel; others may open one
        self._candidates.add(self._plan.candidates, None)
        return answer

    def _state_changed(self) -> None:
        if self._peer.connectionState in ("failed", "closed"):
            self._gone(f"connection {self._peer.connectionState}")

    def _gone(self, reason: str) -> None:
        if not self.ended:
            self.ended = True
            self._on_gone(self, reason)


class Candidates:
    """Gives ICE the addresses of the other end, as many as one connection may have."""

    def __init__(
        self,
        peer: RTCPeerConnection,
        plan: Plan,
        viewer: str,
        spawn: Callable[[Coroutine[Any, Any, None], str], object],
    ) -> None:
        self._peer, self._plan, self._viewer, self._spawn = peer, plan, viewer, spawn
        self._count = 0

    def add(self, lines: Sequence[str], mid: str | None) -> None:
        """Give ICE more addresses. Raises SignallingError ``candidate-invalid``; all or none."""
        if mid is not None and mid not in {line.mid for line in self._plan.lines}:
            raise SignallingError(f'the offer has no m-line "{mid[:16]}"', code="candidate-invalid")
        candidates = [c for c in map(read_candidate, lines) if c is not None]
        if self._count + len(candidates) > MAX_CANDIDATES:
            raise SignallingError(f"more than {MAX_CANDIDATES} candidates", code="candidate-invalid")
        self._count += len(candidates)
        for candidate in candidates:
            # All m-lines share one transport. A .local name is looked up by multicast for up to a second: beside us.
            self._spawn(self._add(on_line(candidate, self._plan.primary_mid)), f"candidate {self._viewer}")

    async def _add(self, candidate: Any) -> None:
        try:
            await self._peer.addIceCandidate(candidate)
        except Exception:  # aioice's, for an address it cannot use: the other candidates stand
            log.debug("A candidate could not be used", extra={"viewer": self._viewer}, exc_info=True)
