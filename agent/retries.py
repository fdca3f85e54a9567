"""When a device that failed is tried again, and when its driver is set aside. Pure: the clock is passed in.

Most failures heal by a plug, so they are tried again soon and for ever. A driver that *crashes* (its process dies,
hangs or meets a fault of its own) costs each time a process, a half-open device and the pupils' patience; one that goes
on crashing is left alone for a while, and the panel says so.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from protocol.errors import DeviceCrashedError, DeviceError, DeviceSetAsideError

SETTLED_S = 3.0
"""A USB device whose driver crashed often leaves its bus and comes back by itself. A plug so soon after being set aside
is that; a hand takes longer."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """``crashes`` within ``within_s`` set a driver aside, first for ``aside_s[0]``, then doubling to ``aside_s[1]``."""

    first_s: float = 0.5
    most_s: float = 30.0
    calm_s: float = 60.0
    """Having worked for so long, a device is tried soon again."""
    unfit_s: float = 30.0
    """Until what is not retryable is tried again: names and plugs move."""
    crashes: int = 5
    within_s: float = 60.0
    aside_s: tuple[float, float] = (60.0, 600.0)


class Retries:
    """One device's tries, for as long as somebody wants it (a lesson)."""

    def __init__(
        self,
        policy: RetryPolicy,
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.policy = policy
        self._clock = clock
        self._jitter = jitter
        self._began_mono_s = clock()
        self._aside_mono_s: float | None = None
        self.forget()

    def forget(self) -> None:
        """Begin as if nothing had failed yet: a person asked for it."""
        self.failures = 0
        self._wait_s = self.policy.first_s
        self._crashes: list[float] = []
        self._next_aside_s = self.policy.aside_s[0]
        self._on_probation = False

    def began(self) -> None:
        """Note that a try begins."""
        self._began_mono_s = self._clock()
        self._aside_mono_s = None

    def failed(self, error: DeviceError) -> tuple[DeviceError, float]:
        """Note how the try ended; return what to tell of it, and the seconds to wait before the next.

        What is told is the error itself, or a DeviceSetAsideError. Each wait is between half and all of what the
        policy says (jitter), in seconds.
        """
        now_s, policy = self._clock(), self.policy
        lasted_s = now_s - self._began_mono_s
        if lasted_s >= policy.calm_s:
            self.failures, self._wait_s = 0, policy.first_s
        if lasted_s >= policy.within_s:
            self._next_aside_s, self._on_probation = policy.aside_s[0], False
        self.failures += 1
        if isinstance(error, DeviceCrashedError):
            self._crashes = [at_s for at_s in self._crashes if now_s - at_s < policy.within_s] + [now_s]
            if self._on_probation or len(self._crashes) >= policy.crashes:
                return self._set_aside(error, now_s)
        if not error.retryable:
            return error, policy.unfit_s
        wait_s, self._wait_s = self._wait_s, min(self._wait_s * 2, policy.most_s)
        return error, self._jitter(wait_s / 2, wait_s)

    def may_hurry(self) -> bool:
        """Return whether something plugged in is a reason to try at once; the waits then grow from the first again.

        A driver that was set aside is tried too, and once: its next crash sets it aside for longer.
        """
        if self._aside_mono_s is not None and self._clock() - self._aside_mono_s < SETTLED_S:
            return False
        self._wait_s = self.policy.first_s
        return True

    def _set_aside(self, error: DeviceError, now_s: float) -> tuple[DeviceError, float]:
        wait_s = self._next_aside_s
        self._next_aside_s = min(wait_s * 2, self.policy.aside_s[1])
        self._aside_mono_s, self._on_probation = now_s, True
        self._crashes.clear()
        what = f"set aside for {wait_s:g} s, because its driver fails again and again; unplug it and plug it in again"
        return DeviceSetAsideError(f"{error.message}; it is {what}"), wait_s
