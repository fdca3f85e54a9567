"""A lesson that goes on and on with many pupils: what it takes at the start and at the end, and what gets lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from agent.lesson import CLEAR_S
from benchmarks import process_tree
from tests import light_pupils
from tests.browser.people import People
from tests.rig import Rig

SETTLE_S = 10.0
"""Encoders, caches and the allocator have found their size."""
LOOK_S = 5.0


@dataclass(frozen=True, slots=True)
class Soaked:
    """Memory is the proportional set size of the agent with its children, in 1e6 bytes; ``fds`` are theirs too."""

    seconds: float
    viewers: int
    pss_mb_start: float
    pss_mb_end: float
    fds_start: int
    fds_end: int
    lost_packets: int
    freezes: int
    """Of the browser's camera picture (W3C webrtc-stats, freezeCount)."""
    pictures_least: float
    """Camera pictures a second of the pupil who got fewest."""
    agent_cpu_percent: float
    """Of one core, of the agent with its children."""
    pss_mb_after: float
    """When the lesson has been over for a while."""
    machine_busy: float
    """Share of all its cores' time that was used, by whomever: near 1, a browser freezes for want of it."""


async def soak(people: People, seconds: float, viewers: int, told: Callable[[str], None] = lambda line: None) -> Soaked:
    """Let ``viewers`` pupils, one of them with a browser, attend for so long."""
    rig = people.rig
    pupil = await people.pupil()
    await pupil.enter("Lina")
    await asyncio.to_thread(rig.press, "lesson/start")
    await pupil.is_in_class()
    centre, _, secret = rig.links["pupil"].partition("/j/")
    async with light_pupils.attending("--centre", centre, f"--link={secret}", count=viewers - 1) as got:
        await asyncio.sleep(SETTLE_S)
        agent, began_s = rig.agent, time.monotonic()
        before, first = await pupil.inbound(), await asyncio.to_thread(taken, rig)
        psutil.cpu_percent()  # from here on
        cpu_s = process_tree.cpu_s(agent)
        pss_mb, fds = first
        while (passed_s := time.monotonic() - began_s) < seconds:
            await asyncio.sleep(min(LOOK_S, seconds - passed_s))
            pss_mb, fds = await asyncio.to_thread(taken, rig)
            told(f"{time.monotonic() - began_s:.0f} s: {pss_mb:.0f} MB, {fds} descriptors")
        machine_busy = psutil.cpu_percent() / 100
        cpu_percent = (process_tree.cpu_s(agent) - cpu_s) / (time.monotonic() - began_s) * 100
        after = await pupil.inbound()
        assert agent.is_running(), "the agent fell"
        passed_s = time.monotonic() - began_s
    await asyncio.to_thread(rig.press, "lesson/stop")
    await asyncio.to_thread(rig.wait_state, "idle")
    await asyncio.sleep(CLEAR_S + 2)
    pss_mb_after, _ = await asyncio.to_thread(taken, rig)
    lost = sum(counted["lost"] for each in got for counted in each.values())
    lost += sum(after[track]["packetsLost"] - before[track]["packetsLost"] for track in after)
    return Soaked(
        seconds=passed_s,
        viewers=viewers,
        pss_mb_start=first[0],
        pss_mb_end=pss_mb,
        fds_start=first[1],
        fds_end=fds,
        lost_packets=lost,
        freezes=after["camera"]["freezeCount"] - before["camera"]["freezeCount"],
        pictures_least=min(each["camera"]["pictures_a_second"] for each in got),
        agent_cpu_percent=cpu_percent,
        pss_mb_after=pss_mb_after,
        machine_busy=machine_busy,
    )


def taken(rig: Rig) -> tuple[float, int]:
    """Return memory and descriptors of the agent's process tree."""
    pss = fds = 0
    agent = rig.agent
    for process in (agent, *agent.children(recursive=True)):
        try:
            pss += process.memory_full_info().pss
            fds += process.num_fds()
        except psutil.NoSuchProcess:  # a capture process that is just being changed
            continue
    return pss / 1e6, fds
