"""Which sound card a name means: whatever is plugged in beside it, and wherever it is plugged in itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import ValidationError

from agent.devices import alsa
from agent.devices.alsa import AlsaConfig
from agent.devices.alsa_cards import find, is_there, read_cards
from protocol.errors import DeviceBusyError, DeviceError, DeviceNotFoundError, DeviceUnsupportedError

LABEL = 'microphone "desk"'


@dataclass
class Kernel:
    """The files in which a kernel tells of its sound cards."""

    root: Path

    def plug(
        self,
        number: int,
        card_id: str,
        name: str,
        *,
        usb: tuple[str, str, str] | None = None,
        port: str = "1-2",
        pcms: tuple[str, ...] = ("pcm0c",),
    ) -> None:
        """Plug a card in: a USB one into that port, or the one that is built in."""
        card = self.root / f"proc/asound/card{number}"
        for pcm in pcms:
            (card / pcm / "sub0").mkdir(parents=True)
            (card / pcm / "sub0/status").write_text("closed\n")
        (card / "id").write_text(f"{card_id}\n")
        listed = self.root / "proc/asound/cards"
        told = listed.read_text() if listed.exists() else ""
        listed.write_text(
            f"{told}{number:2d} [{card_id:15}]: USB-Audio - {name}\n                      {name} at usb\n"
        )
        controller = self.root / "sys/devices/pci0000:00/0000:00:14.0"
        device = controller / f"usb1/{port}/{port}:1.0" if usb else controller
        device.mkdir(parents=True, exist_ok=True)
        self._is_a(controller, "pci")
        if usb:
            self._is_a(device, "usb")
            self._is_a(device.parent, "usb")
            for file, value in zip(("idVendor", "idProduct", "serial"), usb, strict=True):
                if value:
                    (device.parent / file).write_text(f"{value}\n")
        shown = self.root / f"sys/class/sound/card{number}"
        shown.mkdir(parents=True)
        (shown / "device").symlink_to(device)

    def _is_a(self, device: Path, kind: str) -> None:
        bus = self.root / "sys/bus" / kind
        bus.mkdir(parents=True, exist_ok=True)
        if not (device / "subsystem").exists():
            (device / "subsystem").symlink_to(bus)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    kernel = Kernel(tmp_path)
    kernel.plug(0, "PCH", "HDA Intel PCH", pcms=("pcm0c", "pcm0p", "pcm3p"))
    kernel.plug(2, "USB", "Jabra SPEAK 510 USB", usb=("0b0e", "0420", "1C48F9"), pcms=("pcm0c", "pcm0p"))
    return kernel


@pytest.mark.parametrize(
    "wanted",
    ["usb:0b0e:0420:1C48F9", "usb:0B0E:0420:1C48F9", "usb:0b0e:0420", "id:USB", "path:pci-0000:00:14.0-usb-0:2:1.0"],
)
def test_a_card_is_found_by_serial_kind_id_and_port(kernel: Kernel, wanted: str) -> None:
    pcm = find(wanted, None, "input", LABEL, kernel.root)
    assert (pcm.card.number, pcm.device) == (2, 0)
    assert pcm.label == "Jabra SPEAK 510 USB (usb:0b0e:0420:1C48F9)"


def test_a_card_keeps_its_name_in_another_port_and_under_another_number(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    kernel.plug(0, "USB", "Jabra SPEAK 510 USB", usb=("0b0e", "0420", "0000AA"), port="1-1")
    kernel.plug(5, "USB_1", "Jabra SPEAK 510 USB", usb=("0b0e", "0420", "1C48F9"), port="1-4.2")
    assert find("usb:0b0e:0420:1C48F9", None, "input", LABEL, tmp_path).card.number == 5
    assert find("path:pci-0000:00:14.0-usb-0:4.2:1.0", None, "input", LABEL, tmp_path).card.number == 5


def test_a_name_that_fits_two_cards_is_answered_with_what_tells_them_apart(kernel: Kernel) -> None:
    kernel.plug(3, "USB_1", "Jabra SPEAK 510 USB", usb=("0b0e", "0420", "1C48F9"), port="1-3")
    with pytest.raises(DeviceNotFoundError) as caught:
        find("usb:0b0e:0420:1C48F9", None, "input", LABEL, kernel.root)
    assert caught.value.code == "device-ambiguous"
    for name in ("id:USB", "id:USB_1", "usb-0:2:1.0", "usb-0:3:1.0"):
        assert name in caught.value.message


def test_a_name_that_fits_none_is_answered_with_those_there_are(kernel: Kernel) -> None:
    with pytest.raises(DeviceNotFoundError, match=r'no sound card is "id:Rode".*"id:PCH".*"usb:0b0e:0420:1C48F9"'):
        find("id:Rode", None, "input", LABEL, kernel.root)


def test_another_serial_of_the_same_kind_is_another_card(kernel: Kernel) -> None:
    with pytest.raises(DeviceNotFoundError):
        find("usb:0b0e:0420:FFFF", None, "input", LABEL, kernel.root)


def test_without_a_name_the_only_card_that_records_is_taken(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    kernel.plug(0, "HDMI", "HDA Intel HDMI", pcms=("pcm3p",))
    with pytest.raises(DeviceNotFoundError, match="there are: none"):
        find(None, None, "input", LABEL, tmp_path)
    kernel.plug(1, "USB", "Samson", usb=("17a0", "0310", ""))
    assert find(None, None, "input", LABEL, tmp_path).label == "Samson (usb:17a0:0310)"
    kernel.plug(2, "USB_1", "Rode", usb=("19f7", "0003", "7"), port="1-3")
    with pytest.raises(DeviceNotFoundError, match=r"Samson.*Rode"):
        find(None, None, "input", LABEL, tmp_path)


def test_a_machine_without_sound_has_no_cards(tmp_path: Path) -> None:
    assert read_cards(tmp_path) == []


def test_one_of_several_devices_of_a_card_is_chosen_and_a_wrong_one_told(kernel: Kernel) -> None:
    assert find("id:PCH", 3, "output", LABEL, kernel.root).device == 3
    with pytest.raises(DeviceUnsupportedError, match="has no device 7; it has 0, 3"):
        find("id:PCH", 7, "output", LABEL, kernel.root)
    kernel.plug(4, "HDMI", "HDMI", pcms=("pcm3p",))
    with pytest.raises(DeviceUnsupportedError, match="has nothing that records"):
        find("id:HDMI", None, "input", LABEL, kernel.root)


def test_a_card_in_use_is_told_with_the_program_that_has_it(kernel: Kernel) -> None:
    status = kernel.root / "proc/asound/card2/pcm0c/sub0/status"
    status.write_text("state: RUNNING\nowner_pid   : 4711\n")
    (kernel.root / "proc/4711").mkdir()
    (kernel.root / "proc/4711/comm").write_text("zoom\n")
    with pytest.raises(DeviceBusyError, match='used by "zoom"'):
        find("id:USB", None, "input", LABEL, kernel.root)
    assert find("id:USB", None, "output", LABEL, kernel.root).card.number == 2  # its loudspeaker is free


def test_a_card_that_was_unplugged_is_known_and_so_is_another_in_its_place(kernel: Kernel) -> None:
    pcm = find("id:USB", None, "input", LABEL, kernel.root)
    assert is_there(pcm, kernel.root)
    (kernel.root / "proc/asound/card2/id").write_text("Webcam\n")
    assert not is_there(pcm, kernel.root)
    (kernel.root / "proc/asound/card2/id").unlink()
    assert not is_there(pcm, kernel.root)


@pytest.mark.parametrize("card", ["hw:0", "0", "usb:jabra", "usb:0b0e", "id:a b", ""])
def test_what_is_no_identity_is_refused_in_the_configuration(card: str) -> None:
    with pytest.raises(ValidationError, match="card"):
        AlsaConfig(card=card)


def test_a_card_s_error_is_one_that_is_tried_again(kernel: Kernel) -> None:
    with pytest.raises(DeviceError) as caught:
        find("id:Rode", None, "input", LABEL, kernel.root)
    assert caught.value.retryable


def test_the_names_to_configure_are_listed_and_that_there_are_none_is_said(
    kernel: Kernel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alsa.main(kernel.root)
    listed = capsys.readouterr().out.splitlines()
    assert [line.split(" = ")[0] for line in listed] == ["card", "output"] * 2
    assert '"usb:0b0e:0420:1C48F9"' in listed[-1]
    with pytest.raises(SystemExit, match="no sound card"):
        alsa.main(tmp_path / "elsewhere")
