"""The loop in C: what leaves to each row, what it says of those to whom it did not, and what it refuses at the door."""

from __future__ import annotations

import gc
import os
import socket
import struct
import subprocess
import sys
import sysconfig
import threading
from pathlib import Path
from typing import Any

import pytest
from aiortc.rtp import RtpPacket
from pylibsrtp import Policy, Session

from agent.streams import fan_loop
from agent.streams.fan_loop import MOST_BYTES, MOST_PACKETS, NO_RUNS, REFUSED, Rows
from agent.streams.wire_path import PROTECT, packed_address, session_address
from tests.peers import need
from tests.unit.streams.direct_viewer import Line

SO_NO_CHECK, SOL_UDP, UDP_GRO = 11, 17, 104
TAG = 16
HEADER = 12


class Receiver:
    """The other end of a row: an SRTP session and a socket that is handed runs whole, as the kernel got them."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        key = os.urandom(44)

        def session(kind: int) -> Session:
            policy = Policy(key=key, ssrc_type=kind, srtp_profile=Policy.SRTP_PROFILE_AEAD_AES_256_GCM)
            policy.allow_repeat_tx, policy.window_size = True, 1024
            return Session(policy)

        self.session, self._unprotect = session(Policy.SSRC_ANY_OUTBOUND), session(Policy.SSRC_ANY_INBOUND).unprotect
        self.line = Line(host)
        self.line.there.setsockopt(SOL_UDP, UDP_GRO, 1)

    def row(self, first: int = 0, origin: int = 0, ssrc: int = 1, *, runs: bool = True) -> Any:
        here = self.line.here
        address = packed_address(here.family, self.line.there.getsockname())
        return self.session, session_address(self.session), here.fileno(), address, runs, first, origin, ssrc

    def runs(self) -> list[list[bytes]]:
        """Return what came since the last call: of each run its packets, protected."""
        self.line.here.sendto(b"end", self.line.there.getsockname())
        found: list[list[bytes]] = []
        while True:
            data, told, _, _ = self.line.there.recvmsg(65_535, socket.CMSG_SPACE(4))
            if data == b"end":
                return found
            size = struct.unpack("=i", told[0][2])[0] if told else len(data)
            found.append([data[at : at + size] for at in range(0, len(data), size)])

    def arrived(self) -> list[RtpPacket]:
        return [RtpPacket.parse(self._unprotect(packet)) for run in self.runs() for packet in run]


@pytest.fixture
def receivers() -> Any:
    made = [Receiver(), Receiver(), Receiver("::1")]
    yield made
    for one in made:
        one.line.close()


def burst(*sizes: int) -> tuple[bytes, bytes]:
    """Return an image of packets whose payloads have these sizes, and the lengths of its packets."""
    image = b"".join(b"\x80\x66" + bytes(10) + bytes([number]) * size + bytes(TAG) for number, size in enumerate(sizes))
    return image, struct.pack(f"={len(sizes)}H", *(HEADER + size for size in sizes))


def test_each_row_is_sent_its_own_numbers_over_either_family(receivers: list[Receiver]) -> None:
    one, two, six = receivers
    rows = Rows(PROTECT, TAG, (one.row(5, 77, 11), two.row(0xFFFE, 0xFFFFFFFF, 0xFFFFFFFF), six.row()))
    assert len(rows) == 3
    assert rows.send(*burst(30, 30, 20), 1, 90) == []
    for receiver, sequences, time, ssrc in (
        (one, [6, 7, 8], 167, 11),
        (two, [0xFFFF, 0, 1], 89, 0xFFFFFFFF),
        (six, [1, 2, 3], 90, 1),
    ):
        packets = receiver.arrived()
        assert [p.sequence_number for p in packets] == sequences
        assert {(p.timestamp, p.ssrc, p.payload_type) for p in packets} == {(time, ssrc, 0x66)}
        assert [p.payload for p in packets] == [bytes(30), b"\x01" * 30, b"\x02" * 20]


@pytest.mark.parametrize(
    ("sizes", "runs"),
    [
        ([9], [1]),
        ([9, 9, 9], [3]),
        ([9, 9, 4], [3]),
        ([4, 9, 9, 2], [1, 3]),
        ([9, 4, 9], [2, 1]),
        ([4, 9, 2, 9, 9], [1, 2, 2]),
        ([300] * MOST_PACKETS, [MOST_PACKETS]),
    ],
)
def test_the_kernel_is_given_runs_of_equal_packets_of_which_the_last_may_be_shorter(
    receivers: list[Receiver], sizes: list[int], runs: list[int]
) -> None:
    assert Rows(PROTECT, TAG, (receivers[0].row(),)).send(*burst(*sizes), 0, 0) == []
    came = receivers[0].runs()
    assert [len(run) for run in came] == runs
    assert [len(packet) for run in came for packet in run] == [HEADER + size + TAG for size in sizes]


def test_a_row_that_takes_no_runs_is_sent_the_same_singly(receivers: list[Receiver]) -> None:
    refusing, known, other = receivers
    refusing.line.here.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
    rows = Rows(PROTECT, TAG, (refusing.row(), known.row(runs=False), other.row()))
    assert rows.send(*burst(40, 40, 50, 50), 0, 0) == [(0, 0, NO_RUNS)]
    assert [[len(run) for run in receiver.runs()] for receiver in receivers] == [[1] * 4, [1] * 4, [2, 2]]


def test_what_is_lost_and_what_is_refused_is_told_of_its_row_alone(receivers: list[Receiver]) -> None:
    left_behind, full, other = receivers
    session, address, descriptor, _, *rest = full.row()
    lost = (session, address, descriptor, packed_address(socket.AF_INET, ("255.255.255.255", 9)), *rest)
    rows = Rows(PROTECT, TAG, (left_behind.row(), lost, other.row()))
    far = struct.pack("!BBHLL", 0x80, 0x66, 9_000, 0, 1)
    left_behind.session.protect(far)
    assert rows.send(*burst(10, 10, 8, 20), 0, 0) == [(0, 0, REFUSED), (1, 4, 0)]
    assert [len(receiver.runs()) for receiver in receivers] == [0, 0, 2]


def test_a_session_lives_as_long_as_its_row(receivers: list[Receiver]) -> None:
    receiver = receivers[0]
    rows = Rows(PROTECT, TAG, (receiver.row(),))
    del receiver.session
    gc.collect()
    assert rows.send(*burst(10), 0, 0) == []
    assert len(receiver.arrived()) == 1


def test_no_rows_are_sent_nothing() -> None:
    assert Rows(PROTECT, TAG, ()).send(*burst(10), 0, 0) == []


@pytest.mark.parametrize(
    ("place", "wrong", "says"),
    [
        (1, 0, "without a session"),
        (1, 1 << 64, "too large"),
        (2, -1, "descriptor -1"),
        (3, b"", "no address"),
        (3, bytes(16), "family 0"),
        (3, struct.pack("=H", socket.AF_INET) + bytes(26), "28 bytes of family 2"),
        (3, struct.pack("=H", socket.AF_INET6) + bytes(14), "16 bytes of family 10"),
        (5, 0x10000, "first sequence 65536"),
        (5, -1, "negative"),
        (6, 1 << 32, "origin"),
        (7, 1 << 32, "ssrc"),
        (7, 1 << 80, "too large"),
        (7, None, "must be int"),
    ],
)
def test_a_row_that_cannot_be_sent_to_is_refused(
    receivers: list[Receiver], place: int, wrong: object, says: str
) -> None:
    good = receivers[0].row()
    row: Any = (*good[:place], wrong, *good[place + 1 :])
    with pytest.raises((ValueError, OverflowError, TypeError), match=says):
        Rows(PROTECT, TAG, (good, row))


@pytest.mark.parametrize(
    "given", [(), (0, TAG, ()), (PROTECT, -1, ()), (PROTECT, 145, ()), (PROTECT, TAG, ((),)), (PROTECT, TAG, [])]
)
def test_rows_are_not_made_of_anything_else(given: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        Rows(*given)


@pytest.mark.parametrize(
    ("sizes", "bytes_more"),
    [([], 0), ([9], 1), ([9], -1), ([9] * (MOST_PACKETS + 1), 0), ([MOST_BYTES], 0), ([0xFFFF - HEADER], 0)],
)
def test_a_burst_that_is_not_what_it_says_is_not_sent(
    receivers: list[Receiver], sizes: list[int], bytes_more: int
) -> None:
    image, lengths = burst(*sizes)
    image = image[:bytes_more] if bytes_more < 0 else image + bytes(bytes_more)
    rows = Rows(PROTECT, TAG, (receivers[0].row(),))
    with pytest.raises(ValueError, match="bytes"):
        rows.send(image, lengths, 0, 0)
    for number, rtp in ((0x10000, 0), (0, 1 << 32), (-1, 0)):
        with pytest.raises((ValueError, OverflowError)):
            rows.send(*burst(9), number, rtp)
    with pytest.raises(ValueError, match="from 12"):
        rows.send(bytes(11 + TAG), struct.pack("=H", 11), 0, 0)
    with pytest.raises(ValueError, match="lengths"):
        rows.send(bytes(12 + TAG), b"\x0c", 0, 0)
    assert receivers[0].runs() == []


def test_a_second_thread_is_not_let_in(receivers: list[Receiver]) -> None:
    """Rows are the loop's alone: two threads in one SRTP session could seal two packets with one number."""
    rows = Rows(PROTECT, TAG, (receivers[0].row(),) * 200)
    refused: list[str] = []

    def send() -> None:
        for number in range(50):
            try:
                rows.send(*burst(1_000), number, 0)
            except RuntimeError as error:
                refused.append(str(error))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(refused) == {"another thread sends to these rows"}


@pytest.mark.timeout(180)
def test_nothing_is_read_or_written_beside_where_it_lies(tmp_path: Path) -> None:
    """All of these tests, and those of who is sent to, with a loop that looks after each access to memory."""
    compiler = need("gcc", "gcc")
    built = tmp_path / "fan_loop.so"
    options = ["-shared", "-fPIC", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    source = Path(fan_loop.__file__).with_name("fan_loop.c")
    include = f"-I{sysconfig.get_paths()['include']}"
    subprocess.run([compiler, *options, include, str(source), "-o", str(built)], check=True)
    libraries = [
        subprocess.run(
            [compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    environment = {
        **os.environ,
        "LD_PRELOAD": " ".join(libraries),
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONMALLOC": "malloc",
    }
    files = [str(Path(__file__).with_name(name)) for name in ("test_fan_loop.py", "test_direct.py", "test_lanes.py")]
    begin = (
        "import sys, importlib.util as u\n"
        "spec = u.spec_from_file_location('agent.streams.fan_loop', sys.argv[1])\n"
        "sys.modules[spec.name] = module = u.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        "import pytest\n"
        "sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', '-k', 'not nothing_is_read', *sys.argv[2:]]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", begin, str(built), *files], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]
    assert " passed" in done.stdout
