"""What a program and all its children take: processor time, user and system, and memory."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass

import psutil

LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class Use:
    """``cpu_percent`` is of one core, over the whole time; ``pss_mb`` (1e6 bytes) is the most that was seen."""

    cpu_percent: float
    pss_mb: float
    seconds: float


async def measure(root: psutil.Process, seconds: float) -> Use:
    """Watch a process tree for so long; children that come and go meanwhile count."""
    began_s, before_s = time.monotonic(), cpu_s(root)
    most = 0
    while time.monotonic() - began_s < seconds:
        most = max(most, _pss_bytes(root))
        await asyncio.sleep(LOOK_S)
    took_s = time.monotonic() - began_s
    return Use((cpu_s(root) - before_s) / took_s * 100, most / 1e6, took_s)


def _tree(root: psutil.Process) -> list[psutil.Process]:
    return [root, *root.children(recursive=True)]


def cpu_s(root: psutil.Process) -> float:
    """Return the processor time of the tree, with that of children that have ended and were waited for."""
    total = 0.0
    for process in _tree(root):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def _pss_bytes(root: psutil.Process) -> int:
    """Return the proportional set size of the tree: a page that n processes share counts one n-th for each."""
    total = 0
    for process in _tree(root):
        with suppress(psutil.NoSuchProcess):
            total += int(process.memory_full_info().pss)
    return total
