"""What ails the mini-PC itself, from numbers that `agent.host_numbers` read. Pure.

Each bound has a margin: what is told at 85 °C is over at 80, so that a number on a bound does not blink.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from agent.health.reading import Reading
from protocol.messages import CheckStatus

THROTTLED_S = OVER_CURRENT_S = 300.0
"""A processor that slowed itself down is told for this long after it last did; so is a socket that was overloaded."""
USB_RETURNS_MOST, USB_WITHIN_S = 3, 3600.0
"""A camera or microphone that came back into its socket more often within an hour drops off it."""
LOAD_WARN = 1.5
"""Programs that want to run, for each core, over five minutes."""
MEMORY_FAIL_PERCENT, DISK_FAIL_PERCENT = 4.0, 3.0
CERTIFICATE_WARN_DAYS, CERTIFICATE_FAIL_DAYS = 21.0, 7.0
WEAR_WARN_PERCENT = 90.0


@dataclass(frozen=True, slots=True)
class HostLimits:
    """The bounds that IT may set."""

    cpu_warn_c: float = 85.0
    cpu_fail_c: float = 95.0
    memory_free_percent: float = 10.0
    disk_free_percent: float = 10.0
    clock_warn_s: float = 0.1
    clock_fail_s: float = 1.0
    link_mbps: int = 1000
    restarts_per_hour: int = 3


@dataclass(frozen=True, slots=True)
class HostNumbers:
    """One look at the machine; None is not known here, and says nothing.

    ``throttles`` counts since the machine started. ``clock_ahead_s`` is our clock against the centre's, and
    ``clock_doubt_s`` how far that may be wrong. ``link_mbps`` and ``is_full_duplex`` are of the cable that the default
    route uses. ``restarts`` are falls of the agent in the last hour. ``over_currents`` counts as ``throttles``;
    ``usb_devices`` has the kernel's number of each camera and sound device by its socket.
    """

    cpu_c: float | None = None
    throttles: int | None = None
    load_per_core: float | None = None
    memory_free_percent: float | None = None
    disk_free_percent: float | None = None
    disk_failing: bool | None = None
    disk_worn_percent: float | None = None
    clock_ahead_s: float | None = None
    clock_doubt_s: float = 0.0
    link_mbps: int | None = None
    is_full_duplex: bool | None = None
    certificate_days: float | None = None
    restarts: int | None = None
    is_undervolted: bool | None = None
    over_currents: int | None = None
    usb_devices: Mapping[str, int] | None = None


class HostChecks:
    """Holds what the next look has to know of the last one."""

    def __init__(self, limits: HostLimits) -> None:
        self._limits = limits
        # Each grows worse upwards; shares that are left are turned round.
        self._cpu = _Band(limits.cpu_warn_c, limits.cpu_fail_c, margin=5.0)
        self._load = _Band(LOAD_WARN, None, margin=0.3)
        self._memory = _left(limits.memory_free_percent, MEMORY_FAIL_PERCENT, margin=2.0)
        self._disk = _left(limits.disk_free_percent, DISK_FAIL_PERCENT, margin=1.0)
        self._clock = _Band(limits.clock_warn_s, limits.clock_fail_s, margin=0.2 * limits.clock_warn_s)
        self._certificate = _left(CERTIFICATE_WARN_DAYS, CERTIFICATE_FAIL_DAYS, margin=0.0)
        self._throttled = _Rising(THROTTLED_S)
        self._overloaded = _Rising(OVER_CURRENT_S)
        self._usb: dict[str, int] = {}
        self._usb_returns: deque[float] = deque()

    def look(self, now: HostNumbers, mono_s: float) -> tuple[Reading, ...]:
        """Judge one look; what is not known has no reading."""
        found = (
            self._of(now.cpu_c, "host-temperature", self._cpu, "°C"),
            self._throttling(now.throttles, mono_s),
            self._of(now.load_per_core, "host-load", self._load, "/core"),
            self._of(now.memory_free_percent, "host-memory", self._memory, "%"),
            self._of(now.disk_free_percent, "host-disk", self._disk, "%"),
            _wear(now),
            self._ahead(now),
            self._link(now),
            self._of(now.certificate_days, "host-certificate", self._certificate, "d"),
            self._fallen(now.restarts),
            self._power(now, mono_s),
            self._usb_drops(now.usb_devices, mono_s),
        )
        return tuple(reading for reading in found if reading is not None)

    def _of(self, value: float | None, check: str, band: _Band, unit: str) -> Reading | None:
        if value is None:
            return None
        variant = "over" if check == "host-certificate" and value <= 0 else ""
        return Reading(check, band.judge(value), round(value, 1), unit, variant)

    def _throttling(self, count: int | None, mono_s: float) -> Reading | None:
        if count is None:
            return None
        is_recent = self._throttled.take(count, mono_s)
        return Reading("host-throttled", CheckStatus.WARNING if is_recent else CheckStatus.OK, float(count))

    def _ahead(self, now: HostNumbers) -> Reading | None:
        """Judge only what is certain: an answer that took 300 ms says no more than 150 either way."""
        if now.clock_ahead_s is None:
            return None
        certain_s = max(0.0, abs(now.clock_ahead_s) - now.clock_doubt_s)
        return Reading(
            "host-clock",
            self._clock.judge(certain_s),
            float(round(1000 * now.clock_ahead_s)),
            "ms",
            "behind" if now.clock_ahead_s < 0 else "",
        )

    def _link(self, now: HostNumbers) -> Reading | None:
        if now.link_mbps is None:
            return None
        is_half = now.is_full_duplex is False
        is_ill = is_half or now.link_mbps < self._limits.link_mbps
        status = CheckStatus.WARNING if is_ill else CheckStatus.OK
        return Reading("host-link", status, float(now.link_mbps), "Mbit/s", "half" if is_half else "")

    def _fallen(self, restarts: int | None) -> Reading | None:
        if restarts is None:
            return None
        status = CheckStatus.WARNING if restarts > self._limits.restarts_per_hour else CheckStatus.OK
        return Reading("host-restarts", status, float(restarts), "/h")

    def _power(self, now: HostNumbers, mono_s: float) -> Reading | None:
        if now.is_undervolted is None and now.over_currents is None:
            return None
        is_overloaded = now.over_currents is not None and self._overloaded.take(now.over_currents, mono_s)
        if now.is_undervolted:
            return Reading("host-power", CheckStatus.WARNING)
        status = CheckStatus.WARNING if is_overloaded else CheckStatus.OK
        return Reading("host-power", status, variant="usb" if is_overloaded else "")

    def _usb_drops(self, devices: Mapping[str, int] | None, mono_s: float) -> Reading | None:
        """Count who came back; what is away now is the hot-plug's to tell, and is remembered here."""
        if devices is None:
            return None
        came_back = sum(self._usb.get(socket, number) != number for socket, number in devices.items())
        self._usb.update(devices)
        self._usb_returns.extend([mono_s] * came_back)
        while self._usb_returns and mono_s - self._usb_returns[0] > USB_WITHIN_S:
            self._usb_returns.popleft()
        count = len(self._usb_returns)
        if not count and not self._usb:
            return None
        status = CheckStatus.WARNING if count > USB_RETURNS_MOST else CheckStatus.OK
        return Reading("host-usb", status, float(count), "/h")


class _Rising:
    """A counter of the kernel's: whether it rose within the last while."""

    def __init__(self, recent_s: float) -> None:
        self._recent_s = recent_s
        self._count: int | None = None
        self._rose_mono_s: float | None = None

    def take(self, count: int, mono_s: float) -> bool:
        if self._count is not None and count > self._count:
            self._rose_mono_s = mono_s
        self._count = count
        return self._rose_mono_s is not None and mono_s - self._rose_mono_s < self._recent_s


class _Band:
    """Bounds upwards with a margin on the way back."""

    def __init__(self, warn: float, fail: float | None, *, margin: float, turned: bool = False) -> None:
        self._sign = -1.0 if turned else 1.0
        self._warn = self._sign * warn
        self._fail = None if fail is None else self._sign * fail
        self._margin = margin
        self._status = CheckStatus.OK

    def judge(self, value: float) -> CheckStatus:
        value *= self._sign
        was_critical, was_ill = self._status is CheckStatus.CRITICAL, self._status is not CheckStatus.OK
        if self._fail is not None and value >= self._fail - (self._margin if was_critical else 0.0):
            self._status = CheckStatus.CRITICAL
        elif value >= self._warn - (self._margin if was_ill else 0.0):
            self._status = CheckStatus.WARNING
        else:
            self._status = CheckStatus.OK
        return self._status


def _left(warn: float, fail: float, *, margin: float) -> _Band:
    """Return bounds for what runs out. What IT allows to run lower than ``fail`` is not critical sooner than told."""
    return _Band(warn, min(warn, fail), margin=margin, turned=True)


def _wear(now: HostNumbers) -> Reading | None:
    if now.disk_failing is None and now.disk_worn_percent is None:
        return None
    if now.disk_failing:
        return Reading("host-disk-wear", CheckStatus.CRITICAL, now.disk_worn_percent, "%", "failing")
    is_worn = now.disk_worn_percent is not None and now.disk_worn_percent >= WEAR_WARN_PERCENT
    status = CheckStatus.WARNING if is_worn else CheckStatus.OK
    return Reading("host-disk-wear", status, now.disk_worn_percent, "%" if now.disk_worn_percent is not None else None)
