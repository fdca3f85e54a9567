"""What must not stop a lesson, and what must not be lost meanwhile. Longer outages are in `benchmarks.faults`."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time

import pytest

from benchmarks.program_faults import ROWS, Bench, measure
from tests.browser.people import People

pytestmark = [pytest.mark.timed, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(150)]

LENIENCE = 2
"""The bars are `benchmarks.faults`'s, on a machine that does nothing else."""

log = logging.getLogger(__name__)

OUTAGE_S = 12.0


@pytest.mark.parametrize("fault", ["camera-hung", "broker-down-600s", "controller-down", "controller-killed-mid-event"])
async def test_a_fault_stops_no_lesson_and_loses_no_event(people: People, fault: str) -> None:
    pupil = await people.pupil()
    await pupil.enter("Lina")
    people.rig.press("lesson/start")
    await pupil.is_in_class()
    people.complaints.expects_outage = True
    people.complaints.expected |= {502, 503, 504}
    row = await measure(Bench(people.rig, pupil, OUTAGE_S), fault)
    log.info("%s", row)
    assert ROWS[fault].back.is_met(row["back_s"] / LENIENCE)
    assert row["lost_events"] == 0
    assert row["lost_packets"] == 0
    people.rig.wait_for_panel(lambda view: view["centre"] == "connected", "the centre to be back", 60)


async def test_the_panel_says_that_the_class_goes_on_without_the_centre(people: People) -> None:
    panel, pupil = await people.teacher(), await people.pupil()
    await pupil.enter("Lina")
    await panel.click("#start")
    await pupil.is_in_class()
    people.complaints.expects_outage = True
    people.complaints.expected |= {502, 503, 504}
    with people.rig.off(people.rig.broker, people.rig.controller, kill=True):
        await panel.locator("#centre-banner").wait_for()
        await pupil.sees_the_room()
        await panel.click("#stop")
        await asyncio.sleep(0.6)
        await panel.click("#stop-yes")
        await panel.wait_for_selector("#panel[data-state=idle]")
        await panel.click("#start")
        await panel.wait_for_selector("#panel[data-state=live]")
    people.rig.wait_for_panel(lambda view: view["centre"] == "connected", "the centre to be back", 60)


async def test_who_left_without_a_word_is_off_the_list_within_ten_seconds(people: People) -> None:
    people.rig.press("lesson/start")
    people.rig.wait_state("live")
    centre, _, secret = people.rig.links["pupil"].partition("/j/")
    argv = [sys.executable, "-m", "tests.light_pupils", "--count", "1", "--centre", centre, f"--link={secret}"]
    pupil = await asyncio.create_subprocess_exec(*argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    assert pupil.stdout is not None
    assert json.loads(await pupil.stdout.readline()) == {"connected": 1}
    people.rig.wait_for_panel(lambda view: len(view["viewers"]) == 1, "the pupil on the list")
    pupil.kill()
    await pupil.wait()
    left_s = time.monotonic()
    people.rig.wait_for_panel(lambda view: not view["viewers"], "the pupil off the list", 20)
    assert time.monotonic() - left_s < 10.5
