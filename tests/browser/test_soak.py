"""A minute and a half with thirty pupils: nothing lost, nothing grows."""

from __future__ import annotations

import logging

import pytest

from tests.browser.people import People
from tests.soaking import soak

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

log = logging.getLogger(__name__)

SECONDS, VIEWERS = 90.0, 30


async def test_thirty_pupils_lose_nothing_and_cost_no_more_at_the_end(people: People) -> None:
    got = await soak(people, SECONDS, VIEWERS)
    log.info("Soaked: %s", got)
    assert got.lost_packets == 0
    assert got.freezes == 0
    assert got.pictures_least > 25
    assert got.pss_mb_end < got.pss_mb_start + 15
    assert got.fds_end <= got.fds_start
