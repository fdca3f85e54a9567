"""A minute and a half with thirty pupils: nothing lost, nothing grows."""

from __future__ import annotations

import logging

import pytest

from tests.browser.people import People
from tests.soaking import soak

pytestmark = [pytest.mark.alone, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

log = logging.getLogger(__name__)

SECONDS, VIEWERS = 90.0, 30
STARVED = 0.7
"""Above this share of all cores' time, room, browser and thirty pupils on one machine take pictures from each other."""
AFTER_MB = 270.0
"""Some seconds after the lesson, in an agent that had several before: 170 MB are left by the first, and up to 25 more
by each of the next ones, 232 at most. Why they are left is not known yet; DESIGN §10 allows 200 after one."""


async def test_thirty_pupils_lose_nothing_and_cost_no_more_at_the_end(people: People) -> None:
    got = await soak(people, SECONDS, VIEWERS)
    log.info("Soaked: %s", got)
    assert got.lost_packets == 0
    if got.machine_busy < STARVED:
        assert got.freezes == 0
        assert got.pictures_least > 25
        assert got.pss_mb_end < got.pss_mb_start + 15
    assert got.pictures_least > 15
    assert got.pss_mb_end < got.pss_mb_start + 25  # who is starved is given other layers, each with an encoder
    assert got.pss_mb_after < AFTER_MB
    assert got.fds_end <= got.fds_start + 5  # one of a pupil each would be thirty
