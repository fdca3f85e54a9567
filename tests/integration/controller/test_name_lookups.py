"""Names that hang: they hold a bounded number of threads, and nobody waits for them at the end."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence

import pytest

from controller.name_lookups import NameLookups, system_addresses


class HangingNames:
    """A resolver that hangs for names of `hanging.example`, until it is let go; others are found at once."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.asked: list[str] = []

    def __call__(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        if host.endswith("hanging.example"):
            self.let_go.wait(30)
        return ["192.0.2.1"]


@pytest.fixture
def names() -> Iterator[HangingNames]:
    hanging = HangingNames()
    yield hanging
    hanging.let_go.set()


async def test_the_systems_resolver_is_asked() -> None:
    assert await NameLookups().resolve("127.0.0.1") == ["127.0.0.1"]
    with pytest.raises(UnicodeError):
        await NameLookups().resolve("a" * 64 + ".example")
    assert system_addresses("::1") == ["::1"]


async def test_who_stops_waiting_frees_no_thread_and_its_end_does(names: HangingNames) -> None:
    lookups = NameLookups(names, most=1)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(lookups.resolve("hanging.example"), 0.1)
    assert names.asked == ["hanging.example"]
    names.let_go.set()
    async with asyncio.timeout(5):
        assert await lookups.resolve("calendars.example") == ["192.0.2.1"]


async def test_names_that_hang_hold_up_no_others_lookups(names: HangingNames) -> None:
    calendars, webhooks = NameLookups(names, most=2), NameLookups(names, most=2)
    hanging = [asyncio.create_task(calendars.resolve(f"{number}.hanging.example")) for number in range(3)]
    async with asyncio.timeout(5):
        assert await webhooks.resolve("hooks.example") == ["192.0.2.1"]
    for task in hanging:
        task.cancel()
    await asyncio.gather(*hanging, return_exceptions=True)


def test_the_process_ends_without_a_name_that_hangs() -> None:
    program = """
import asyncio, threading
from controller.name_lookups import NameLookups
async def main():
    try:
        await asyncio.wait_for(NameLookups(lambda host: threading.Event().wait()).resolve("hanging.example"), 0.1)
    except TimeoutError:
        print("ends")
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ends\n", "")
