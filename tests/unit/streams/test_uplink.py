"""What a room's line may carry: shares before refusals, the media server before either fails, and no flapping."""

from __future__ import annotations

import math

from agent.streams.uplink import STEADY_S, TRUSTED_S, Uplink, WayNumbers

LEAST, MOST = 300_000, 3_000_000


def uplink(budget_bps: int | None = 6_000_000) -> Uplink:
    return Uplink(budget_bps, least_bps=LEAST, most_bps=MOST)


def ways(second: int, *, viewers: int, bps: int, lost_of_ten: int) -> list[WayNumbers]:
    return [WayNumbers(f"v{n}", bps // 8 * second, lost_of_ten * 5 * second, 50 * second) for n in range(viewers)]


def test_shares_shrink_before_anybody_is_refused() -> None:
    line = uplink()
    assert [line.share_bps(viewers) for viewers in (0, 1, 4, 20)] == [6e6, 6e6, 1_500_000, LEAST]
    assert line.holds(20)
    assert not line.holds(21)
    assert uplink(None).holds(1000)
    assert uplink(None).share_bps(1000) == math.inf


def test_to_the_media_server_at_once_and_back_after_a_steady_minute() -> None:
    line = uplink()
    assert not line.wants_relay(0, 20)
    assert line.wants_relay(1, 21)
    assert line.wants_relay(30, 2), "not back at once"
    assert line.wants_relay(60, 17), "one more would send them away again"
    assert line.wants_relay(70, 16)
    assert line.wants_relay(70 + STEADY_S - 1, 16)
    assert not line.wants_relay(70 + STEADY_S, 16)
    assert not line.wants_relay(71 + STEADY_S, 21), "and not there again at once"
    assert line.wants_relay(70 + 2 * STEADY_S, 21)


def test_a_line_that_most_pupils_lose_on_is_full_and_is_believed_again_slowly() -> None:
    line = uplink(None)
    for second in range(6):
        line.hear(second, ways(second, viewers=4, bps=2_000_000, lost_of_ten=1))
    learnt = line.budget_bps
    assert learnt is not None
    assert 6_000_000 < learnt < 8_000_000
    for second in range(6, 6 + int(TRUSTED_S) - 5):
        line.hear(second, ways(second, viewers=4, bps=1_000_000, lost_of_ten=0))
    assert line.budget_bps == learnt
    for second in range(70, 400):
        line.hear(second, ways(second, viewers=4, bps=1_000_000, lost_of_ten=0))
    assert line.budget_bps is None, "it carries all that four pupils can be sent"


def test_one_pupil_on_a_bad_line_says_nothing_of_the_rooms() -> None:
    line = uplink(None)
    for second in range(20):
        good = ways(second, viewers=4, bps=2_000_000, lost_of_ten=0)
        bad = WayNumbers("bad", 250_000 * second, 20 * second, 50 * second)
        line.hear(second, [*good, bad])
    assert line.budget_bps is None
    for second in range(20):
        line.hear(second, ways(second, viewers=2, bps=2_000_000, lost_of_ten=5))
    assert line.budget_bps is None, "two may both live behind a bad line"
