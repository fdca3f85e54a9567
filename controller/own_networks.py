"""The networks that this machine's interfaces are in, as the kernel tells them (rtnetlink(7))."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network

_HEADER = struct.Struct("=IHHII")
"""nlmsghdr of linux/netlink.h: length, type, flags, sequence, port."""
_ADDRESS = struct.Struct("=BBBBI")
"""ifaddrmsg of linux/if_addr.h: family, length of the prefix, flags, scope, interface."""
_ATTRIBUTE = struct.Struct("=HH")
_ERROR, _DONE, _NEW_ADDRESS, _GET_ADDRESS = 2, 3, 20, 22
_REQUEST_OF_ALL = 0x301
_ADDRESS_ATTRIBUTES = (1, 2)
"""IFA_ADDRESS and IFA_LOCAL: the other end of a line between two, and ours."""
_MOST_BYTES = 65_536


def own_networks() -> frozenset[IPv4Network | IPv6Network]:
    """Return the networks of all interfaces as they are now; OSError where the kernel does not tell."""
    request = _HEADER.pack(_HEADER.size + _ADDRESS.size, _GET_ADDRESS, _REQUEST_OF_ALL, 1, 0)
    networks: set[IPv4Network | IPv6Network] = set()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as line:
        line.settimeout(1.0)  # the kernel answers at once
        line.send(request + _ADDRESS.pack(socket.AF_UNSPEC, 0, 0, 0, 0))
        while True:
            for kind, body in _parts(line.recv(_MOST_BYTES), _HEADER):
                if kind == _DONE:
                    return frozenset(networks)
                if kind == _ERROR:
                    raise OSError("the kernel does not tell the addresses of this machine")
                if kind == _NEW_ADDRESS:
                    prefix = body[1]
                    networks.update(
                        ip_network((value, prefix), strict=False)
                        for name, value in _parts(body[_ADDRESS.size :], _ATTRIBUTE)
                        if name in _ADDRESS_ATTRIBUTES
                    )


def _parts(data: bytes, header: struct.Struct) -> Iterator[tuple[int, bytes]]:
    """Yield type and content of what stands one after the other, each filled up to four bytes."""
    at = 0
    while at + header.size <= len(data):
        length, kind, *_ = header.unpack_from(data, at)
        yield kind, data[at + header.size : at + length]
        at += max(length + 3 & ~3, header.size)
