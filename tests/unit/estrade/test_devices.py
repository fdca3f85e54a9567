"""What is plugged in is found by names that stay, and becomes a room's file that the agent takes."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from agent import config
from agent.devices import alsa_cards
from agent.devices.alsa import AlsaConfig
from agent.devices.discovery import Found, plugged_in
from agent.devices.hdmi import HdmiConfig
from agent.devices.v4l2 import V4l2Config
from estrade import devices
from protocol.errors import ConfigError
from protocol.messages import DeviceRole
from tests.unit.devices.test_alsa_cards import Kernel

CARDS = """\
 0 [PCH            ]: HDA-Intel - HDA Intel PCH
                      HDA Intel PCH at 0xf7f10000 irq 31
 1 [USB            ]: USB-Audio - Jabra SPEAK 510 USB
                      Jabra SPEAK 510 USB at usb-0000:00:14.0-2, full speed
"""


def put(root: Path, path: str, text: str = "") -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def link(root: Path, path: str, target: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.symlink_to(target)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A mini-PC with a camera, a capture card, a conference bar, a screen, a serial adapter and CEC."""
    root = tmp_path / "machine"
    for number, name, index in (
        (0, "HD Pro Webcam C920", 0),
        (1, "HD Pro Webcam C920", 1),
        (2, "USB3 HDMI Capture", 0),
    ):
        put(root, f"sys/class/video4linux/video{number}/name", name + "\n")
        put(root, f"sys/class/video4linux/video{number}/index", f"{index}\n")
        put(root, f"dev/video{number}")
    link(root, "dev/v4l/by-id/usb-046d_C920_A1-video-index0", "../../video0")
    link(root, "dev/v4l/by-id/usb-046d_C920_A1-video-index1", "../../video1")
    put(root, "proc/asound/cards", CARDS)
    put(root, "proc/asound/card0/id", "PCH\n")
    put(root, "proc/asound/card0/pcm0p/info")
    put(root, "proc/asound/card1/id", "USB\n")
    for pcm in ("pcm0c", "pcm0p"):
        put(root, f"proc/asound/card1/{pcm}/info")
    put(root, "sys/devices/usb1/1-2/idVendor", "0b0e\n")
    put(root, "sys/devices/usb1/1-2/idProduct", "0420\n")
    put(root, "sys/devices/usb1/1-2/serial", "501AA5\n")
    put(root, "sys/devices/usb1/1-2/1-2:1.0/interface")
    link(root, "sys/class/sound/card1/device", "../../../devices/usb1/1-2/1-2:1.0")
    put(root, "tmp/.X11-unix/X0")
    put(root, "dev/ttyUSB0")
    link(root, "dev/serial/by-id/usb-FTDI_A5-if00-port0", "../../ttyUSB0")
    put(root, "dev/ttyACM0")
    put(root, "dev/cec0")
    return root


def said(command: object) -> str:
    """Say what the programs of that machine would."""
    assert isinstance(command, list)
    if command[0] == "v4l2-ctl":
        return "\t[0]: 'MJPG' (Motion-JPEG, compressed)\n\t[1]: 'YUYV' (YUYV 4:2:2)\n"
    if command[-1] == "sources":
        return "1\talsa_input.usb-Jabra\tmodule\ts16le 1ch 16000Hz\tIDLE\n2\tout.monitor\tmodule\ts16le\tIDLE\n"
    return ""


def test_each_device_has_the_name_that_stays(machine: Path) -> None:
    assert plugged_in(machine, said) == [
        Found("camera", "/dev/v4l/by-id/usb-046d_C920_A1-video-index0", "HD Pro Webcam C920", "MJPG, YUYV"),
        Found("capture", "/dev/video2", "USB3 HDMI Capture", "MJPG, YUYV"),
        Found("loudspeaker", "id:PCH", "HDA Intel PCH"),
        Found("microphone", "usb:0b0e:0420:501AA5", "Jabra SPEAK 510 USB", "id:USB"),
        Found("loudspeaker", "usb:0b0e:0420:501AA5", "Jabra SPEAK 510 USB", "id:USB"),
        Found("source", "alsa_input.usb-Jabra", "alsa_input.usb-Jabra", "s16le 1ch 16000Hz"),
        Found("screen", ":0", "X11"),
        Found("serial", "/dev/serial/by-id/usb-FTDI_A5-if00-port0", "usb-FTDI_A5-if00-port0"),
        Found("serial", "/dev/ttyACM0", "ttyACM0"),
        Found("cec", "/dev/cec0", "HDMI-CEC"),
    ]


def test_each_of_two_microphones_that_are_alike_has_a_name_that_means_it_alone(tmp_path: Path) -> None:
    """Their ids go by the order in which they were plugged in: at the next boot one would be heard for the other."""
    kernel = Kernel(tmp_path)
    for number, card_id in ((1, "USB"), (2, "USB_1")):
        kernel.plug(number, card_id, "Samson", usb=("17a0", "0310", ""), port=f"1-{number}")
    found = [one for one in plugged_in(tmp_path, said) if one.kind == "microphone"]
    numbers = [alsa_cards.find(one.address, None, "input", one.name, tmp_path).card.number for one in found]
    assert numbers == [1, 2]
    assert [one.address.partition(":")[0] for one in found] == ["path", "path"]
    built_in = Found("microphone", "id:PCH", "HDA Intel PCH")
    assert f'card = "{found[0].address}"' in devices.room_file([built_in, *found]).splitlines()


def taken(text: str, folder: Path) -> config.RoomSettings:
    """Return the settings that the agent makes of a file, once the room's certificate is there."""
    raw = tomllib.loads(text)
    for key in ("ca_file", "cert_file", "key_file"):
        raw["broker"][key] = str(put(folder, f"{key}.pem"))
    return config.parse(raw, where="the file", base=folder)


def test_the_agent_takes_what_is_written(machine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "room.toml"
    assert devices.run(as_json=True, network=False, write=path, force=False, root=machine) == 0
    assert {one["kind"] for one in json.loads(capsys.readouterr().out)["devices"]} >= {"camera", "capture", "cec"}
    settings = taken(path.read_text(), tmp_path)
    by_role = {choice.role: choice for choice in settings.devices}
    camera, board = by_role[DeviceRole.CAMERA].config, by_role[DeviceRole.BOARD].config
    assert isinstance(camera, V4l2Config)
    assert str(camera.path).startswith("/dev/v4l/by-id/")
    assert isinstance(board, HdmiConfig)
    microphone = by_role[DeviceRole.MICROPHONE].config
    assert isinstance(microphone, AlsaConfig)
    assert microphone.card == microphone.output == "usb:0b0e:0420:501AA5"
    assert path.stat().st_mode & 0o007 == 0


def test_a_file_that_is_there_is_left_unless_forced(machine: Path, tmp_path: Path) -> None:
    path = put(tmp_path, "room.toml", "mine")
    with pytest.raises(ConfigError, match="--force"):
        devices.run(as_json=True, network=False, write=path, force=False, root=machine)
    assert path.read_text() == "mine"
    devices.run(as_json=True, network=False, write=path, force=True, root=machine)
    assert "[camera]" in path.read_text()


def test_an_empty_machine_is_a_room_without_devices(tmp_path: Path) -> None:
    assert plugged_in(tmp_path, lambda command: "") == []
    assert taken(devices.room_file([]), tmp_path).devices == ()


def test_whatever_a_device_calls_itself_the_file_stays_a_file(tmp_path: Path) -> None:
    nasty = 'Cam"\n[broker]\nhost = "elsewhere"\x7f\\'
    found = [
        Found("camera", f"/dev/v4l/by-id/{nasty}", nasty),
        Found("camera", "/dev/b", nasty),
        Found("screen", ":1", ""),
    ]
    settings = taken(devices.room_file(found), tmp_path)
    assert settings.broker.host == "mqtt.example.org"
    assert len(settings.devices) == 2


def test_a_network_camera_is_taken_where_none_is_plugged_in(tmp_path: Path) -> None:
    settings = taken(devices.room_file([Found("network-camera", "10.7.5.20", "http://10.7.5.20/onvif")]), tmp_path)
    assert [choice.driver.name for choice in settings.devices] == ["onvif"]
