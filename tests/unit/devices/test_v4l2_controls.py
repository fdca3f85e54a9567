"""A camera's own settings: what is set, in which order, and what is said of what it does not take."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field

import pytest
from pydantic import ValidationError

from agent.devices import v4l2_controls as v4l2
from agent.devices.v4l2_controls import CameraSettings, Outcome, Wish

C920 = {
    0x980900: ("Brightness", 0, 255, 0),
    v4l2.AUTO_WHITE_BALANCE: ("White Balance, Automatic", 0, 1, 0),
    v4l2.POWER_LINE_FREQUENCY: ("Power Line Frequency", 0, 2, 0),
    v4l2.WHITE_BALANCE_TEMPERATURE: ("White Balance Temperature", 2000, 6500, 0),
    v4l2.EXPOSURE_AUTO: ("Auto Exposure", 0, 3, 0),
    v4l2.EXPOSURE_ABSOLUTE: ("Exposure Time, Absolute", 3, 2047, 0),
    v4l2.FOCUS_ABSOLUTE: ("Focus, Absolute", 0, 250, 0),
    v4l2.FOCUS_AUTO: ("Focus, Automatic Continuous", 0, 1, 0),
    0x9A0950: ("Privacy", 0, 1, v4l2.READ_ONLY),
}


@dataclass
class Camera:
    """Answers the three ioctls from a table of controls; as UVC cameras do, exposure knows manual and aperture only."""

    controls: dict[int, tuple[str, int, int, int]] = field(default_factory=lambda: dict(C920))
    values: dict[int, int] = field(default_factory=lambda: dict.fromkeys(C920, 1))
    told: list[tuple[int, int]] = field(default_factory=list)

    def ioctl(self, number: int, what: bytearray) -> None:
        if number == v4l2.VIDIOC_QUERYCTRL:
            asked = v4l2.QUERY.unpack(what)[0]
            after = sorted(one for one in self.controls if one > asked & ~v4l2.NEXT)
            if not after:
                raise OSError(errno.EINVAL, "Invalid argument")
            name, least, most, flags = self.controls[after[0]]
            what[:] = v4l2.QUERY.pack(after[0], 1, name.encode(), least, most, 1, 0, flags)
            return
        control, value = v4l2.CONTROL.unpack(what)
        if number == v4l2.VIDIOC_G_CTRL:
            what[:] = v4l2.CONTROL.pack(control, self.values[control])
            return
        assert number == v4l2.VIDIOC_S_CTRL
        if control == v4l2.EXPOSURE_AUTO and value not in (1, 3):
            raise OSError(errno.EINVAL, "Invalid argument")
        if control == v4l2.EXPOSURE_ABSOLUTE and self.values[v4l2.EXPOSURE_AUTO] != 1:
            raise OSError(errno.EACCES, "Permission denied")
        self.values[control] = value
        self.told.append((control, value))


def applied(camera: Camera, config: CameraSettings) -> Outcome:
    return v4l2.apply(camera.ioctl, v4l2.wishes(config))


def test_the_mains_are_those_of_france_unless_told_otherwise() -> None:
    camera = Camera()
    outcome = applied(camera, CameraSettings())
    assert camera.told == [(v4l2.POWER_LINE_FREQUENCY, 1)]
    assert outcome == Outcome({"power_line_frequency": 1}, [])
    assert applied(camera, CameraSettings(power_line_hz=60)).settings == {"power_line_frequency": 2}
    assert applied(camera, CameraSettings(power_line_hz=None)) == Outcome()


def test_values_of_one_s_own_come_after_their_mode() -> None:
    camera = Camera()
    camera.values[v4l2.EXPOSURE_AUTO] = 3
    outcome = applied(camera, CameraSettings(power_line_hz=None, exposure_ms=20, white_balance_k=4000, focus=30))
    assert camera.told == [
        (v4l2.EXPOSURE_AUTO, 1),
        (v4l2.EXPOSURE_ABSOLUTE, 200),
        (v4l2.AUTO_WHITE_BALANCE, 0),
        (v4l2.WHITE_BALANCE_TEMPERATURE, 4000),
        (v4l2.FOCUS_AUTO, 0),
        (v4l2.FOCUS_ABSOLUTE, 30),
    ]
    assert outcome.settings["exposure_time_absolute"] == 200
    assert outcome.notes == []


def test_the_camera_may_choose_itself() -> None:
    camera = Camera()
    applied(camera, CameraSettings(exposure_ms="auto", white_balance_k="auto", focus="auto"))
    assert camera.told[1:] == [(v4l2.EXPOSURE_AUTO, 3), (v4l2.AUTO_WHITE_BALANCE, 1), (v4l2.FOCUS_AUTO, 1)]


def test_any_other_control_is_named_as_v4l2_ctl_names_it() -> None:
    camera = Camera()
    outcome = applied(camera, CameraSettings(power_line_hz=None, controls={"brightness": 99}))
    assert (camera.told, outcome.settings) == ([(0x980900, 99)], {"brightness": 99})


def test_a_control_that_the_camera_has_not_is_one_note_and_no_failure() -> None:
    camera = Camera({0x980900: C920[0x980900]})
    outcome = applied(camera, CameraSettings(focus=30, controls={"brightness": 99, "sharpness": 1}))
    assert camera.told == [(0x980900, 99)]
    assert outcome.notes == [
        "power_line_hz: the camera does not have this control; leave it out of the configuration",
        "focus: the camera does not have this control; leave it out of the configuration",
        "controls.sharpness: the camera does not have this control; leave it out of the configuration",
    ]


def test_a_value_outside_of_the_camera_s_range_is_said_with_the_range() -> None:
    outcome = applied(Camera(), CameraSettings(power_line_hz=None, white_balance_k=9000, focus=251))
    assert outcome.notes == [
        "white_balance_k: white_balance_temperature = 9000 is outside of the camera's 2000 to 6500",
        "focus: focus_absolute = 251 is outside of the camera's 0 to 250",
    ]
    assert outcome.settings["focus_absolute"] == 1  # as it was


def test_what_the_camera_refuses_is_said() -> None:
    camera = Camera()
    outcome = applied(camera, CameraSettings(power_line_hz=None, controls={"auto_exposure": 2, "privacy": 0}))
    assert outcome.notes[0].startswith("controls.auto_exposure: the camera refused auto_exposure = 2")
    assert outcome.notes[1].startswith("controls.privacy: the camera does not let it be set")


def test_a_camera_without_controls_gives_its_pictures_all_the_same() -> None:
    def ioctl(_number: int, _what: bytearray) -> None:
        raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")

    outcome = v4l2.apply(ioctl, v4l2.wishes(CameraSettings()))
    assert len(outcome.notes) == 1
    assert outcome.settings == {}


def test_a_list_of_controls_that_never_ends_is_left() -> None:
    def ioctl(number: int, what: bytearray) -> None:
        asked = v4l2.QUERY.unpack(what)[0] & ~v4l2.NEXT
        what[:] = v4l2.QUERY.pack(asked + 1, 1, b"more", 0, 1, 1, 0, 0)

    assert len(v4l2.list_controls(ioctl)) == v4l2.MOST_CONTROLS


@pytest.mark.parametrize(
    "settings",
    [
        {"power_line_hz": 55},
        {"exposure_ms": 0},
        {"exposure_ms": "long"},
        {"focus": -1},
        {"controls": {"Brightness!": 1}},
    ],
)
def test_a_setting_that_no_camera_has_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CameraSettings.model_validate(settings)


def test_a_wish_takes_the_first_value_that_the_camera_takes() -> None:
    camera = Camera()
    v4l2.apply(camera.ioctl, [Wish("exposure_ms", v4l2.EXPOSURE_AUTO, (0, 2, 3))])
    assert camera.told == [(v4l2.EXPOSURE_AUTO, 3)]
