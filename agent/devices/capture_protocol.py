"""What crosses between the agent, the spare process and a capture process: message kinds and their packing.

Two Unix SEQPACKET sockets (one message a packet, end of file when the other side is gone, however it went):
*control*, agent ↔ spare, JSON with file descriptors; *device*, agent ↔ one capture process, the packets below.

A picture never crosses the socket: it lies in a slot of a memfd shared by both. A slot belongs to the capture process
until it is announced by ``FRAME`` and to the agent from then until ``RELEASE``; so nobody writes what another reads,
and the socket's own ordering is all the synchronisation there is.
"""

from __future__ import annotations

import importlib
import struct
from operator import attrgetter
from typing import Any

OPENED = b"o"
"""Capture process → agent, JSON ``{name, width_px, height_px, rate_hz, capabilities, settings, notes,
first_opened_mono_s}``: the device streams. The last is for the next process of the same device, so that all of them
count from one instant."""
FRAME = b"f"
"""Capture process → agent, `STAMP` with the slot's number: the slot holds a picture and is the agent's now."""
BLOCK = b"b"
"""Capture process → agent, `STAMP` and 1920 bytes: 20 ms of sound."""
ALIVE = b"a"
"""Capture process → agent: nothing changed, and the driver's own loop still turns."""
FAILED = b"e"
"""Capture process → agent, JSON ``{code, message}``: the driver gave up; the process ends."""
RELEASE = b"r"
"""Agent → capture process, one byte, the slot: it may be written again."""
STOP = b"s"
"""Agent → capture process: end in good order."""
PLAY = b"p"
"""Agent → capture process, 1920 bytes: play these 20 ms."""
REFERENCE = b"x"
"""Agent → capture process, `STAMP` and 1920 bytes: these 20 ms sound in the room at that time, played by another."""

STAMP = struct.Struct("<cBQd")
"""Kind, slot (0 for sound), sequence, CLOCK_MONOTONIC of capture in seconds."""

SLOTS = 4
"""One the agent has not taken yet, one being written, two for a loop that is late by two pictures."""

LARGEST_PACKET = 65_536


def slot_bytes(width_px: int, height_px: int) -> int:
    """Return the bytes of one I420 picture, rounded up to whole memory pages."""
    return -(-(width_px * height_px * 3 // 2) // 4096) * 4096


def resolve(address: str) -> Any:
    """Import what ``"package.module:name"`` names. Raises ImportError or AttributeError."""
    module, _, name = address.partition(":")
    return attrgetter(name)(importlib.import_module(module))


def address_of(thing: type) -> str:
    """Return the address that `resolve` turns back into this class."""
    return f"{thing.__module__}:{thing.__qualname__}"
