"""What the kernel says of this machine's own addresses and cables: rtnetlink(7).

TCP never learns that its own address is gone: it sends on, from an address that nobody answers, until a time-out.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

log = logging.getLogger(__name__)

_GROUPS = 0x1 | 0x10 | 0x100
"""RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR (linux/rtnetlink.h)."""
_MOST_BYTES = 65536


@contextmanager
def network_changes(on_change: Callable[[], None]) -> Iterator[None]:
    """Call back, on the running loop, when a cable or an address came or went; many at once are one.

    Where the kernel tells nothing (no Linux, a sandbox) nothing is called, and time-outs have to do.
    """
    try:
        ear = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
    except (AttributeError, OSError) as error:
        log.info("Changes of the network are not heard of", extra={"reason": str(error)})
        yield
        return
    with ear:
        ear.bind((0, _GROUPS))
        loop = asyncio.get_running_loop()

        def hear() -> None:
            with suppress(BlockingIOError):
                while True:
                    try:
                        ear.recv(_MOST_BYTES)  # what it was does not matter: the answer is to look
                    except OSError as error:
                        if error.errno != errno.ENOBUFS:  # more happened than was kept
                            raise
            on_change()

        loop.add_reader(ear.fileno(), hear)
        try:
            yield
        finally:
            loop.remove_reader(ear.fileno())


def has_address(connected: socket.socket) -> bool:
    """Return whether a connected socket's own address is still one of this machine's."""
    family, name = connected.family, connected.getsockname()
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((name[0], 0, *name[2:]))
        except OSError as error:
            return error.errno != errno.EADDRNOTAVAIL
    return True
