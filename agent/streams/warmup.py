"""Pays once, at boot, what the first viewer of a process would otherwise wait for."""

from __future__ import annotations

import asyncio
import gc
import logging
import time

import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection

from agent.media import Frame
from agent.streams import wire
from agent.streams.clock import VIDEO_RATE_HZ, RoomClock
from agent.streams.codecs import open_h264, open_opus
from agent.streams.encoders import Picture
from agent.streams.layers import StreamSettings
from agent.streams.preview import to_jpeg
from agent.streams.senders import AiortcSender

log = logging.getLogger(__name__)

CONNECT_S = 3.0
"""Two peers of one process meet in 0.1 s; a machine without any network address never does, and needs no waiting."""


async def warm_up() -> None:
    """Connect two peers to each other inside the process and open each codec once. Takes about a second."""
    began_s = time.monotonic()
    await asyncio.to_thread(_codecs)
    await _peers()
    # What lives now lives as long as the process: a full collection through it costs 50 ms, in the middle of a join.
    gc.collect()
    gc.freeze()
    log.info("Streams are warm", extra={"took_s": round(time.monotonic() - began_s, 2)})


async def _peers() -> None:
    here, there = (RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2))
    try:
        for kind in ("audio", "video"):
            transceiver = wire.add_sending(here, kind, kind, "warm-up")
            wire.take_over(transceiver.sender, AiortcSender(), RoomClock(), VIDEO_RATE_HZ)
        opened = asyncio.Event()
        there.on("datachannel", lambda _: opened.set())
        here.createDataChannel("warm-up")
        await here.setLocalDescription(await here.createOffer())
        await there.setRemoteDescription(here.localDescription)
        wire.be_dtls_server(there)
        await there.setLocalDescription(await there.createAnswer())
        await here.setRemoteDescription(there.localDescription)
        async with asyncio.timeout(CONNECT_S):
            await opened.wait()
    except TimeoutError:
        log.warning("Two peers of this process did not meet; is there a network address?")
    finally:
        await wire.close_peer(here, 1.0)
        await wire.close_peer(there, 1.0)


def _codecs() -> None:
    settings = StreamSettings()
    for layer in (*settings.camera_layers(), *settings.board_layers()):
        open_h264(layer, layer.max_width_px, layer.max_height_px)
    open_opus(settings.sound_layers()[0])
    frame = Frame(np.full((96, 64), 128, np.uint8), 64, 64, 0.0, 0)
    to_jpeg(Picture(0.0, lambda: frame), 64)
