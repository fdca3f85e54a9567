"""The loop that each burst of each viewer goes through, in C: see ``fan_loop.c``."""

from typing import Final, final

MOST_PACKETS: Final[int]
MOST_BYTES: Final[int]
REFUSED: Final[int]
"""Trouble: libsrtp would not protect a packet, and nothing left to this viewer."""
NO_RUNS: Final[int]
"""Trouble: the kernel takes no runs of packets on this viewer's way; they were sent singly."""

_Row = tuple[object, int, int, bytes, bool, int, int, int]

@final
class Rows:
    def __new__(cls, protect: int, tag_bytes: int, rows: tuple[_Row, ...], /) -> Rows:
        """Pack viewers who are sent the same bursts. Raises ValueError for what cannot be sent to.

        ``protect`` is the address of srtp_protect. Of each: what keeps its session alive, the session's address, the
        descriptor of its socket, a ``sockaddr_in`` or ``sockaddr_in6``, whether the kernel takes runs of packets, the
        sequence number of packet 0, the RTP time 0, the SSRC. Descriptors must stay open for as long as this is used.
        """

    def __len__(self) -> int: ...
    def send(self, image: bytes | bytearray, lengths: bytes, number: int, rtp: int, /) -> list[tuple[int, int, int]]:
        """Send a burst to each: its packets behind each other, each with room for its tag. Never waits.

        ``lengths`` are of the packets without tags, as native 16-bit integers; ``number`` is of its first packet,
        modulo 2¹⁶, ``rtp`` its time counted from RTP time 0. Return row, packets lost and trouble where not all left.
        """
