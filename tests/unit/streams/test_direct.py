"""The direct path: packets as aiortc at the other end reads them, pace, repairs, changes of the way."""

from __future__ import annotations

import socket
import weakref
from types import SimpleNamespace

import pytest
from aiortc.rtp import HeaderExtensionsMap, unwrap_rtx

from agent.streams.datagrams import BURST_PACKETS, MOST_PAYLOAD, Shape, bursts
from agent.streams.history import KEPT_BURSTS, KEPT_S, RepairBudget
from agent.streams.pacing import LEAST_BPS, MOST_BPS, TIMER_S, TIMES_ESTIMATE, UNKNOWN_BPS, Pacer, pace_bps
from tests.unit.streams.direct_viewer import PROFILES, Line, Relay, Viewer, extensions_map, frame

SO_NO_CHECK = 11
FULL = bytes(range(236)) * 5
"""A payload of 1180 bytes."""


def big(packets: int, key: bool = True) -> tuple[bytes, ...]:
    return tuple(number.to_bytes(2, "big") + FULL[2:] for number in range(packets))


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("agreed", [{}, {"mid": 1}, {"send_time": 2}, {"mid": 1, "send_time": 2}, {"send_time": 20}])
def test_packets_say_what_was_meant_with_each_cipher_and_each_set_of_extensions(
    profile: str, agreed: dict[str, int]
) -> None:
    viewer = Viewer(profile, extensions=extensions_map(**agreed))
    frames = [frame(b"small"), frame(b"stap", FULL, FULL, b"the rest"), frame(*big(4))]
    for number, one in enumerate(frames):
        viewer.sender.send(one, 1_000.0 + number / 30)
    packets = viewer.arrived()
    assert [p.payload for p in packets] == [payload for one in frames for payload in one.payloads]
    assert [p.marker for p in packets] == [1, 0, 0, 0, 1, 0, 0, 0, 1]
    assert [p.sequence_number for p in packets] == list(range(5, 14))
    assert [p.timestamp for p in packets] == [77] + [77 + 3000] * 4 + [77 + 6000] * 4
    assert {(p.payload_type, p.ssrc, p.padding_size, len(p.csrc)) for p in packets} == {(102, 0xABCD, 0, 0)}
    send_time = (viewer.clock.ntp(1_000.0) >> 14) & 0xFFFFFF
    assert {p.extensions.mid for p in packets} == {"1" if "mid" in agreed else None}
    assert {p.extensions.abs_send_time for p in packets} == {send_time if "send_time" in agreed else None}
    assert viewer.sender.packets == len(packets)
    assert viewer.sender.payload_bytes == sum(len(p.payload) for p in packets)
    assert viewer.signs == 3


def test_numbers_go_round() -> None:
    viewer = Viewer(first_sequence=0xFFFE)
    viewer.sender.send(frame(*big(4)), 1_000.0)
    viewer.sender.send(frame(b"next"), 1_000.1)
    assert [p.sequence_number for p in viewer.arrived()] == [0xFFFE, 0xFFFF, 0, 1, 2]


def test_a_payload_that_no_datagram_carries_is_refused_with_its_size() -> None:
    with pytest.raises(ValueError, match=r"20 \+ 1501 \+ 16 bytes"):
        bursts([bytes(MOST_PAYLOAD + 1)], Shape(20, 16))


def test_a_large_picture_leaves_at_the_viewers_pace_and_what_follows_waits_in_order() -> None:
    viewer = Viewer()
    drained: list[float] = []
    viewer.sender.on_drained = lambda: drained.append(viewer.mono_s)
    viewer.sender.on_report(None, 1_000_000)
    viewer.sender.send(frame(*big(25), key=True), 1_000.0)
    viewer.sender.send(frame(b"after"), 1_000.033)
    assert len(viewer.packets) == BURST_PACKETS
    assert viewer.sender.backlog == 2
    burst_s = BURST_PACKETS * len(FULL) * 8 / (TIMES_ESTIMATE * 1_000_000)
    viewer.wait(burst_s * 0.99)
    assert len(viewer.packets) == BURST_PACKETS
    viewer.wait(burst_s * 0.02)
    assert len(viewer.packets) == 2 * BURST_PACKETS
    viewer.wait(burst_s)
    assert (len(viewer.packets), viewer.sender.backlog) == (25, 1), "the small one waits for the line too"
    viewer.wait(burst_s)
    packets = viewer.arrived()
    assert [p.payload for p in packets] == [*big(25), b"after"]
    assert [p.sequence_number for p in packets] == list(range(5, 31))
    assert (viewer.sender.backlog, len(drained), viewer.timers) == (0, 1, [])


def test_a_pace_has_bounds() -> None:
    assert pace_bps(None) == UNKNOWN_BPS
    assert pace_bps(0) == LEAST_BPS
    assert pace_bps(2_000_000) == TIMES_ESTIMATE * 2_000_000
    assert pace_bps(10**10) == MOST_BPS


def test_a_late_timer_is_made_up_for_and_many_share_one() -> None:
    viewer = Viewer()
    viewer.sender.on_report(None, 10_000_000)
    viewer.sender.send(frame(*big(60), key=True), 1_000.0)
    assert len(viewer.timers) == 1
    viewer.mono_s += 0.0085  # of 3.8 ms between bursts
    viewer.wait(0)
    assert len(viewer.packets) == 3 * BURST_PACKETS
    viewer.mono_s += 0.05
    viewer.wait(0)
    assert len(viewer.packets) == 4 * BURST_PACKETS, "what a machine slept through does not leave at once"
    assert len(viewer.timers) == 1


def test_no_timer_is_set_for_less_than_uvloop_counts() -> None:
    """It would be called at once, and again, until the time has come."""
    viewer = Viewer()
    calls: list[float] = []
    pacer = Pacer(lambda: viewer.mono_s, viewer._call_later)
    pacer.call_at(viewer.mono_s + 0.0002, lambda: calls.append(viewer.mono_s))
    (timer,) = viewer.timers
    assert timer[0] - viewer.mono_s == pytest.approx(TIMER_S)
    viewer.wait(TIMER_S * 1.01)
    assert len(calls) == 1


def test_the_oldest_that_waits_is_forgotten_whole_though_a_part_of_it_has_left() -> None:
    viewer = Viewer()
    viewer.sender.send(frame(*big(25), key=True), 1_000.0)
    viewer.sender.send(frame(b"after"), 1_000.033)
    viewer.sender.drop_oldest()
    assert viewer.sender.backlog == 1
    viewer.wait(1)
    assert [p.payload for p in viewer.arrived()] == [*big(10), b"after"]
    viewer.sender.send(frame(*big(25), key=True), 1_000.0)
    viewer.sender.drop_oldest()
    viewer.sender.send(frame(*big(25), key=True), 1_000.0)
    assert len(viewer.timers) == 1, "it does not come back twice"


def test_a_missed_packet_is_sent_again_as_rtx() -> None:
    viewer = Viewer()
    viewer.sender.send(frame(*big(3)), 1_000.0)
    viewer.sender.send(frame(b"last"), 1_000.1)
    sent = viewer.arrived()
    viewer.mono_s += 0.5
    signs = viewer.signs
    for missed in (6, 8):
        assert viewer.sender.send_again(missed)
    again = viewer.arrived()
    assert [(p.payload_type, p.ssrc, p.sequence_number) for p in again] == [(103, 0xEF01, 9), (103, 0xEF01, 10)]
    for packet, original in zip(again, (sent[1], sent[3]), strict=True):
        found = unwrap_rtx(packet, 102, 0xABCD)
        assert (found.sequence_number, found.timestamp, found.marker, found.payload) == (
            original.sequence_number,
            original.timestamp,
            original.marker,
            original.payload,
        )
        assert found.extensions.abs_send_time == (viewer.clock.ntp(1_000.5) >> 14) & 0xFFFFFF
    assert viewer.signs == signs + 2
    assert viewer.sender.packets == 4, "repairs are no packets of the track"


def test_without_rtx_the_very_same_packet_leaves_again() -> None:
    viewer = Viewer(rtx_payload_type=None)
    viewer.sender.send(frame(*big(3)), 1_000.0)
    sent = list(viewer.packets)
    viewer.packets.clear()
    viewer.mono_s += 0.5
    viewer.sender.send_again(7)
    assert viewer.packets == [sent[2]]


def test_what_was_not_sent_or_long_ago_is_not_sent_again() -> None:
    viewer = Viewer()
    viewer.sender.send(frame(*big(25), key=True), 1_000.0)
    viewer.packets.clear()
    for sequence in (4, 15, 29, 60_000):
        assert viewer.sender.send_again(sequence), "aiortc has not sent it either"
    assert viewer.packets == []
    viewer.mono_s += KEPT_S + 0.01
    viewer.sender.send_again(5)
    assert viewer.packets == []
    viewer.mono_s = 1_000.0
    for _ in range(KEPT_BURSTS):
        viewer.sender.drop_oldest() if viewer.sender.backlog else viewer.sender.send(frame(b"x"), 1_000.1)
    viewer.sender.send(frame(b"x"), 1_000.1)
    viewer.packets.clear()
    viewer.sender.send_again(5)
    assert viewer.packets == []


def test_a_packet_that_is_repeated_is_the_same_to_the_bit() -> None:
    viewer = Viewer(rtx_payload_type=None)
    viewer.sender.repeat(2)
    for number in range(4):
        viewer.sender.send(frame(bytes([number])), 1_000.0 + number * 0.02)
        viewer.sender.repeat(2)
        viewer.mono_s += 0.02
    zero, one, two, zero_again, three, one_again = viewer.packets
    assert (zero_again, one_again) == (zero, one)
    assert len({zero, one, two, three}) == 4
    assert viewer.sender.packets == 4


def test_nothing_of_a_track_that_rests_is_sent_again() -> None:
    viewer = Viewer()
    viewer.sender.send(frame(*big(3)), 1_000.0)
    viewer.sender.rest()
    viewer.packets.clear()
    assert viewer.sender.send_again(6)
    assert viewer.packets == []
    viewer.sender.send(frame(*big(3)), 1_001.0)
    viewer.packets.clear()
    viewer.sender.send_again(9)
    assert len(viewer.packets) == 1


def test_a_board_that_hardly_changes_keeps_nothing_in_memory() -> None:
    viewer = Viewer()
    frames = [frame(*big(2)) for _ in range(20)]
    alive = [weakref.ref(one) for one in frames]
    while frames:
        viewer.sender.send(frames.pop(0), viewer.mono_s)
        viewer.mono_s += 0.5
    kept = [number for number, one in enumerate(alive) if one() is not None]
    assert kept == list(range(19 - round(KEPT_S / 0.5), 20))


def test_a_flood_of_requests_is_bounded() -> None:
    viewer = Viewer()
    viewer.sender.send(frame(*big(10)), 1_000.0)
    viewer.packets.clear()
    budget = RepairBudget()
    for number in range(5_000):
        viewer.sender.send_again(5 + number % 10)
    assert len(viewer.packets) == budget.burst
    viewer.mono_s += 1.0
    for number in range(5_000):
        viewer.sender.send_again(5 + number % 10)
    assert len(viewer.packets) == 2 * budget.burst


def test_the_way_is_followed_and_a_connection_that_ends_is_sent_nothing() -> None:
    viewer = Viewer()
    viewer.sender.send(frame(b"one"), 1_000.0)
    assert len(viewer.packets) == 1
    elsewhere: list[bytes] = []
    viewer.nominate(Relay(elsewhere.append))
    viewer.sender.send(frame(b"two"), 1_000.1)
    assert (len(viewer.packets), len(elsewhere)) == (1, 1)
    viewer.sender.send(frame(*big(25), key=True), 1_000.2)
    elsewhere.clear()
    viewer.dtls.end()
    viewer.sender.send(frame(b"three"), 1_000.2)
    viewer.sender.send_again(5)
    viewer.wait(1)
    assert (elsewhere, viewer.sender.backlog, viewer.timers) == ([], 0, [])
    viewer.nominate(Relay(elsewhere.append))
    viewer.sender.send(frame(b"four"), 1_000.3)
    assert elsewhere == []


def test_frames_go_through_aiortc_until_there_is_a_socket() -> None:
    viewer = Viewer()
    viewer.nominate(Relay(viewer.packets.append))
    viewer.sender._lane = None
    viewer.sender.send(frame(b"one"), 1_000.0)
    assert (viewer.sender.backlog, viewer.packets) == (1, [])
    assert not viewer.sender.send_again(5), "aiortc has it"
    viewer.nominate(viewer.line)
    viewer.sender.send(frame(b"two"), 1_000.1)
    assert (viewer.sender.backlog, viewer.packets) == (2, []), "in order: aiortc has not sent the first one yet"
    viewer.sender.drop_oldest()
    viewer.sender.drop_oldest()
    viewer.sender.send(frame(b"three"), 1_000.2)
    assert [p.payload for p in viewer.arrived()] == [b"three"]


def test_packets_of_which_a_relay_has_no_place_are_lost_and_nobody_waits() -> None:
    viewer = Viewer()

    def full(data: bytes) -> None:
        raise BlockingIOError

    viewer.nominate(Relay(full))
    viewer.sender.send(frame(*big(3)), 1_000.0)
    assert viewer.path.lost == 3
    viewer.nominate(viewer.line)
    viewer.sender.send(frame(b"next"), 1_000.1)
    assert [p.sequence_number for p in viewer.arrived()] == [8]


def test_what_the_kernel_does_not_take_is_lost_and_nobody_waits() -> None:
    viewer = Viewer()
    viewer.line.address = ("255.255.255.255", 9)  # which a socket has to be allowed first
    viewer.nominate(viewer.line)
    viewer.sender.send(frame(*big(3)), 1_000.0)
    viewer.sender.send(frame(b"one"), 1_000.1)
    assert viewer.path.lost == 4
    assert viewer.path.is_direct


def test_runs_that_the_kernel_refuses_are_sent_singly_from_then_on(caplog: pytest.LogCaptureFixture) -> None:
    viewer = Viewer()
    caplog.set_level("INFO")
    viewer.sender.send(frame(*big(3)), 1_000.0)
    assert caplog.text == ""
    viewer.line.here.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)  # without checksums there are no runs
    viewer.sender.send(frame(*big(3)), 1_000.1)
    viewer.sender.send(frame(*big(3)), 1_000.2)
    assert [p.payload for p in viewer.arrived()] == [*big(3)] * 3
    assert caplog.text.count("takes no runs") == 1
    viewer.line.here.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 0)
    viewer.nominate(viewer.line)
    assert viewer.path.row(0, 0, 0)[4], "another way is asked anew"


def test_a_descriptor_that_was_given_back_is_not_sent_to_though_it_is_another_ones_now() -> None:
    viewer, elsewhere = Viewer(), Line()
    viewer.sender.send(frame(b"one"), 1_000.0)
    before = viewer.path.row(0, 0, 0)[2]
    viewer.connection._nominated.clear()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        assert stranger.fileno() == before
        viewer.sender.send(frame(b"two"), 1_000.1)
        viewer.nominate(elsewhere)
        viewer.sender.send(frame(b"three"), 1_000.2)
    assert len(viewer.packets) == 1
    assert len(elsewhere.come()) == 1
    elsewhere.close()


def test_packets_that_cannot_be_protected_end_this_viewers_path_alone(caplog: pytest.LogCaptureFixture) -> None:
    viewer = Viewer()
    viewer.number(3_000)
    viewer.sender.send(frame(b"far"), 1_000.0)
    viewer.number(5)  # further behind than SRTP's window
    viewer.sender.send(frame(b"one"), 1_000.0)
    viewer.sender.send(frame(b"two"), 1_000.0)
    assert len(viewer.packets) == 1
    assert "could not be protected" in caplog.text


def test_extensions_without_any_are_no_block() -> None:
    viewer = Viewer(extensions=HeaderExtensionsMap())
    viewer.sender.send(frame(b"one"), 1_000.0)
    (packet,) = viewer.packets
    assert packet[0] == 0x80
    assert len(packet) == 12 + 3 + 16
    assert vars(SimpleNamespace(**vars(viewer.arrived()[0].extensions)))["mid"] is None
