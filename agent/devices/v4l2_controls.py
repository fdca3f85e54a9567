"""A camera's own settings through V4L2: mains frequency, exposure, white balance, focus, and any other by its name.

What is asked for is applied at each opening, because cameras forget it with their power. A control that this camera has
not, or a value outside of its range, is a note and no failure: the picture is more worth than its colour.
Structures and numbers: linux/videodev2.h and linux/v4l2-controls.h.
"""

from __future__ import annotations

import errno
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from agent.devices.base import DriverConfig

QUERY = struct.Struct("<II32siiiiI8x")
"""struct v4l2_queryctrl: id, type, name, minimum, maximum, step, default, flags."""
CONTROL = struct.Struct("<Ii")
"""struct v4l2_control: id, value."""
VIDIOC_QUERYCTRL, VIDIOC_G_CTRL, VIDIOC_S_CTRL = 0xC0445624, 0xC008561B, 0xC008561C
NEXT = 0x8000_0000
"""Or-ed to an id: the control after it."""
DISABLED, READ_ONLY = 0x01, 0x04

AUTO_WHITE_BALANCE, POWER_LINE_FREQUENCY, WHITE_BALANCE_TEMPERATURE = 0x98090C, 0x980918, 0x98091A
EXPOSURE_AUTO, EXPOSURE_ABSOLUTE, FOCUS_ABSOLUTE, FOCUS_AUTO = 0x9A0901, 0x9A0902, 0x9A090A, 0x9A090C
EXPOSURE_MANUAL, EXPOSURE_SHUTTER, EXPOSURE_APERTURE, EXPOSURE_FULL = 1, 2, 3, 0
POWER_LINE = {0: 0, 50: 1, 60: 2}

MOST_CONTROLS = 500
"""More than any camera has; a driver that never ends its list must not hold an opening up."""

Auto = Literal["auto"]
ControlName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,32}$")]

Ioctl = Callable[[int, bytearray], object]
"""``fcntl.ioctl`` on an open camera: number and structure, which it may change. Raises OSError."""


class CameraSettings(DriverConfig):
    """What a configuration may say of a camera's own settings. None leaves it as the camera has it."""

    power_line_hz: Literal[0, 50, 60] | None = Field(
        default=50, description="the mains: at the wrong one the picture flickers under lamps; 0 switches it off"
    )
    exposure_ms: Auto | Annotated[float, Field(gt=0, le=1000)] | None = None
    white_balance_k: Auto | Annotated[int, Field(ge=1000, le=12000)] | None = None
    focus: Auto | Annotated[int, Field(ge=0)] | None = Field(default=None, description="the camera's own steps")
    controls: Mapping[ControlName, int] = Field(
        default_factory=dict, description="any other, by its name in v4l2-ctl --list-ctrls"
    )


@dataclass(frozen=True, slots=True)
class Control:
    """A control as the camera describes it."""

    id: int
    name: str
    """As v4l2-ctl writes it."""
    least: int
    most: int
    is_settable: bool


@dataclass(frozen=True, slots=True)
class Wish:
    """One control to set: the first of ``values`` that the camera takes. ``key`` is the configuration's."""

    key: str
    control: int | str
    values: tuple[int, ...]


@dataclass(slots=True)
class Outcome:
    """``settings``: control → value that the camera has now. ``notes``: what it did not take, a sentence each."""

    settings: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def wishes(config: CameraSettings) -> list[Wish]:
    """Return what to set, in order: a mode before its value, which a camera refuses while it chooses it itself."""
    found = []
    if config.power_line_hz is not None:
        found.append(Wish("power_line_hz", POWER_LINE_FREQUENCY, (POWER_LINE[config.power_line_hz],)))
    if config.exposure_ms == "auto":
        found.append(Wish("exposure_ms", EXPOSURE_AUTO, (EXPOSURE_APERTURE, EXPOSURE_FULL)))
    elif config.exposure_ms is not None:
        found.append(Wish("exposure_ms", EXPOSURE_AUTO, (EXPOSURE_MANUAL, EXPOSURE_SHUTTER)))
        found.append(Wish("exposure_ms", EXPOSURE_ABSOLUTE, (max(1, round(config.exposure_ms * 10)),)))  # 100 µs
    if config.white_balance_k == "auto":
        found.append(Wish("white_balance_k", AUTO_WHITE_BALANCE, (1,)))
    elif config.white_balance_k is not None:
        found.append(Wish("white_balance_k", AUTO_WHITE_BALANCE, (0,)))
        found.append(Wish("white_balance_k", WHITE_BALANCE_TEMPERATURE, (config.white_balance_k,)))
    if config.focus == "auto":
        found.append(Wish("focus", FOCUS_AUTO, (1,)))
    elif config.focus is not None:
        found.append(Wish("focus", FOCUS_AUTO, (0,)))
        found.append(Wish("focus", FOCUS_ABSOLUTE, (config.focus,)))
    return found + [Wish(f"controls.{name}", name, (value,)) for name, value in config.controls.items()]


def list_controls(ioctl: Ioctl) -> list[Control]:
    """Return the camera's controls in its own order; none where it has none, or does not know the question."""
    found: list[Control] = []
    last = 0
    while len(found) < MOST_CONTROLS:
        query = bytearray(QUERY.pack(last | NEXT, 0, b"", 0, 0, 0, 0, 0))
        try:
            ioctl(VIDIOC_QUERYCTRL, query)
        except OSError:
            break
        number, _kind, name, least, most, _step, _default, flags = QUERY.unpack(query)
        if number <= last:
            break
        last = number
        if not flags & DISABLED:
            words = name.split(b"\0", 1)[0].decode(errors="replace").lower()
            plain = re.sub(r"[^a-z0-9]+", "_", words).strip("_")
            found.append(Control(number, plain, least, most, not flags & READ_ONLY))
    return found


def apply(ioctl: Ioctl, wanted: Sequence[Wish]) -> Outcome:
    """Set what is wanted as far as this camera can; never raises for what it cannot."""
    outcome = Outcome()
    there = list_controls(ioctl) if wanted else []
    for wish in wanted:
        control = next((one for one in there if wish.control in (one.id, one.name)), None)
        if control is None or not control.is_settable:
            what = "does not have this control" if control is None else "does not let it be set"
            outcome.notes.append(f"{wish.key}: the camera {what}; leave it out of the configuration")
            continue
        problem = _set(ioctl, control, wish)
        if problem:
            outcome.notes.append(f"{wish.key}: {problem}")
        try:
            got = bytearray(CONTROL.pack(control.id, 0))
            ioctl(VIDIOC_G_CTRL, got)
            outcome.settings[control.name] = CONTROL.unpack(got)[1]
        except OSError:
            pass  # write-only
    outcome.notes = list(dict.fromkeys(outcome.notes))  # mode and value of one key say the same
    return outcome


def _set(ioctl: Ioctl, control: Control, wish: Wish) -> str:
    """Set a control; return why the camera did not take it, or nothing."""
    in_range = [value for value in wish.values if control.least <= value <= control.most]
    if not in_range:
        return f"{control.name} = {wish.values[0]} is outside of the camera's {control.least} to {control.most}"
    for value in in_range:
        try:
            ioctl(VIDIOC_S_CTRL, bytearray(CONTROL.pack(control.id, value)))
        except OSError as error:
            refused = error
        else:
            return ""
    if refused.errno in (errno.EBUSY, errno.EACCES):
        return f"{control.name} cannot be set at present ({refused.strerror}); another program or mode holds it"
    return f"the camera refused {control.name} = {in_range[0]} ({refused.strerror}); choose another value"
