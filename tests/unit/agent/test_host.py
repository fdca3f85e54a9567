"""The mini-PC's own checks: numbers from a /sys that a test wrote, bounds that do not blink, words for each."""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agent import host_numbers
from agent.health.host import OVER_CURRENT_S, THROTTLED_S, USB_WITHIN_S, HostChecks, HostLimits, HostNumbers
from agent.health.specs import SPECS
from agent.health.words import words
from agent.health_settings import HealthSettings
from agent.host_watch import READ_MOST_S, HostWatch
from agent.starts import HOUR_S, Starts
from mqttlink.centre_clock import CentreClock
from protocol.messages import CheckStatus

AT = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
OK, WARNING, CRITICAL = CheckStatus.OK, CheckStatus.WARNING, CheckStatus.CRITICAL


def write(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def judged(*looks: HostNumbers, limits: HostLimits | None = None) -> list[tuple[CheckStatus, str]]:
    """Return status and variant of the one check that the numbers speak of, after each look."""
    checks = HostChecks(limits or HostLimits())
    found = []
    for number, numbers in enumerate(looks):
        [reading] = checks.look(numbers, 15.0 * number)
        assert words(reading.check, reading.variant) is not None
        assert reading.check in SPECS
        found.append((reading.status, reading.variant))
    return found


@pytest.mark.parametrize(
    ("values", "statuses"),
    [
        ([84, 85, 81, 79.9, 84], [OK, WARNING, WARNING, OK, OK]),
        ([95, 91, 89, 84, 79], [CRITICAL, CRITICAL, WARNING, WARNING, OK]),
    ],
)
def test_a_temperature_at_its_bound_does_not_blink(values: list[float], statuses: list[CheckStatus]) -> None:
    assert [status for status, _ in judged(*(HostNumbers(cpu_c=value) for value in values))] == statuses


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        (HostNumbers(load_per_core=1.4), (OK, "")),
        (HostNumbers(load_per_core=1.6), (WARNING, "")),
        (HostNumbers(memory_free_percent=10.5), (OK, "")),
        (HostNumbers(memory_free_percent=9.5), (WARNING, "")),
        (HostNumbers(memory_free_percent=3), (CRITICAL, "")),
        (HostNumbers(disk_free_percent=9.9), (WARNING, "")),
        (HostNumbers(disk_free_percent=2), (CRITICAL, "")),
        (HostNumbers(disk_failing=True), (CRITICAL, "failing")),
        (HostNumbers(disk_failing=False), (OK, "")),
        (HostNumbers(disk_worn_percent=90), (WARNING, "")),
        (HostNumbers(clock_ahead_s=0.09), (OK, "")),
        (HostNumbers(clock_ahead_s=-0.2), (WARNING, "behind")),
        (HostNumbers(clock_ahead_s=0.2, clock_doubt_s=0.15), (OK, "")),  # the answer took 300 ms
        (HostNumbers(clock_ahead_s=-3600), (CRITICAL, "behind")),
        (HostNumbers(link_mbps=1000, is_full_duplex=True), (OK, "")),
        (HostNumbers(link_mbps=100, is_full_duplex=True), (WARNING, "")),
        (HostNumbers(link_mbps=1000, is_full_duplex=False), (WARNING, "half")),
        (HostNumbers(certificate_days=22), (OK, "")),
        (HostNumbers(certificate_days=20.9), (WARNING, "")),
        (HostNumbers(certificate_days=6), (CRITICAL, "")),
        (HostNumbers(certificate_days=-1), (CRITICAL, "over")),
        (HostNumbers(restarts=3), (OK, "")),
        (HostNumbers(restarts=4), (WARNING, "")),
    ],
)
def test_each_number_has_its_bounds(numbers: HostNumbers, expected: tuple[CheckStatus, str]) -> None:
    assert judged(numbers) == [expected]


def test_what_it_sets_is_the_bound() -> None:
    assert judged(HostNumbers(link_mbps=100), limits=HostLimits(link_mbps=100)) == [(OK, "")]
    assert judged(HostNumbers(disk_free_percent=4), limits=HostLimits(disk_free_percent=2)) == [(OK, "")]


def test_a_processor_that_slowed_itself_down_is_told_while_it_is_recent() -> None:
    checks = HostChecks(HostLimits())
    seen = [
        checks.look(HostNumbers(throttles=count), mono_s)[0].status
        for count, mono_s in ((7, 0.0), (7, 15.0), (8, 30.0), (8, 30 + THROTTLED_S - 1), (8, 30 + THROTTLED_S))
    ]
    assert seen == [OK, OK, WARNING, WARNING, OK]


def test_a_socket_that_was_overloaded_and_a_low_supply_are_told() -> None:
    checks = HostChecks(HostLimits())
    told = [
        (reading.status, reading.variant)
        for count, low, mono_s in (
            (2, None, 0.0),
            (3, None, 15.0),
            (3, True, 30.0),
            (3, False, 15.0 + OVER_CURRENT_S),
        )
        for reading in checks.look(HostNumbers(over_currents=count, is_undervolted=low), mono_s)
    ]
    assert told == [(OK, ""), (WARNING, "usb"), (WARNING, ""), (OK, "")]


def usb_told(*looks: tuple[float, dict[str, int]]) -> list[tuple[CheckStatus, float | None]]:
    checks = HostChecks(HostLimits())
    return [(r.status, r.value) for mono_s, seen in looks for r in checks.look(HostNumbers(usb_devices=seen), mono_s)]


def test_a_usb_device_that_drops_off_its_socket_again_and_again_is_told() -> None:
    looks = [(60.0 * n, {"1-2": 5 + n, "1-3": 4}) for n in range(5)]
    assert usb_told(*looks) == [(OK, 0), (OK, 1), (OK, 2), (OK, 3), (WARNING, 4)]
    late = (240.0 + USB_WITHIN_S, {"1-2": 9, "1-3": 4})
    assert usb_told(*looks, late)[-1] == (OK, 1)


def test_a_usb_device_that_comes_back_late_or_into_another_socket_is_counted_once() -> None:
    assert usb_told((0.0, {"1-2": 5}), (60.0, {}), (120.0, {"1-2": 6}))[-1] == (OK, 1)
    assert usb_told((0.0, {"1-2": 5}), (60.0, {"1-3": 6}), (120.0, {"1-3": 6}))[-1] == (OK, 0)


def test_a_machine_that_says_nothing_has_nothing_said_of_it() -> None:
    assert HostChecks(HostLimits()).look(HostNumbers(), 0.0) == ()


def test_the_processors_own_thermometers_are_read_and_no_others(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "sys/class/hwmon/hwmon0/name": "nvme\n",
            "sys/class/hwmon/hwmon0/temp1_input": "99000\n",
            "sys/class/hwmon/hwmon1/name": "coretemp\n",
            "sys/class/hwmon/hwmon1/temp1_input": "61000\n",
            "sys/class/hwmon/hwmon1/temp2_input": "63500\n",
            "sys/class/hwmon/hwmon1/temp3_input": "-128000\n",
        },
    )
    assert host_numbers.cpu_c(root) == 63.5
    board = write(tmp_path / "other", {"sys/class/thermal/thermal_zone0/type": "cpu-thermal\n"})
    assert host_numbers.cpu_c(board) is None
    write(board, {"sys/class/thermal/thermal_zone0/temp": "48312\n"})
    assert host_numbers.cpu_c(board) == pytest.approx(48.3, abs=0.1)


def test_throttling_counts_every_core_and_package(tmp_path: Path) -> None:
    assert host_numbers.throttles(tmp_path) is None
    cpu = "sys/devices/system/cpu/cpu{}/thermal_throttle/{}_throttle_count"
    counts = {cpu.format(0, "core"): "2\n", cpu.format(1, "core"): "3\n", cpu.format(0, "package"): "5\n"}
    assert host_numbers.throttles(write(tmp_path, counts)) == 10


def test_cameras_and_sound_devices_on_usb_are_known_by_socket(tmp_path: Path) -> None:
    assert host_numbers.usb_devices(tmp_path) == {}
    assert host_numbers.over_currents(tmp_path) is None
    bus = "sys/bus/usb/devices/"
    root = write(
        tmp_path,
        {
            bus + "usb1/devnum": "1\n",
            bus + "1-0:1.0/bInterfaceClass": "09\n",
            bus + "1-0:1.0/usb1-port1/over_current_count": "0\n",
            bus + "1-0:1.0/usb1-port2/over_current_count": "3\n",
            bus + "1-1/devnum": "4\n",
            bus + "1-1:1.0/bInterfaceClass": "03\n",  # a mouse
            bus + "1-2/devnum": "7\n",
            bus + "1-2:1.0/bInterfaceClass": "0e\n",
            bus + "1-2:1.2/bInterfaceClass": "01\n",
            bus + "1-3.4/devnum": "11\n",
            bus + "1-3.4:1.0/bInterfaceClass": "01\n",
            bus + "1-3.5:1.0/bInterfaceClass": "01\n",  # goes just now
        },
    )
    assert host_numbers.usb_devices(root) == {"1-2": 7, "1-3.4": 11}
    assert host_numbers.over_currents(root) == 3


def test_a_board_that_has_a_sensor_says_that_its_supply_is_low(tmp_path: Path) -> None:
    assert host_numbers.is_undervolted(tmp_path) is None
    chip = "sys/class/hwmon/hwmon2/"
    root = write(tmp_path, {chip + "name": "rpi_volt\n", chip + "in0_lcrit_alarm": "0\n"})
    assert host_numbers.is_undervolted(root) is False
    assert host_numbers.is_undervolted(write(root, {chip + "in0_lcrit_alarm": "1\n"})) is True


ROUTES = """Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT
wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
enp2s0\t00000000\t01054B0A\t0003\t0\t0\t100\t00000000\t0\t0\t0
enp2s0\t00054B0A\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
"""


def test_the_cable_of_the_default_route_is_looked_at(tmp_path: Path) -> None:
    assert host_numbers.link(tmp_path) == (None, None)
    wire, air = "sys/class/net/enp2s0/", "sys/class/net/wlan0/"
    root = write(tmp_path, {"proc/net/route": ROUTES, wire + "speed": "100\n", wire + "duplex": "half\n"})
    assert host_numbers.link(root) == (100, False)
    write(root, {wire + "speed": "-1\n", wire + "duplex": "unknown\n"})
    assert host_numbers.link(root) == (None, None)
    six = f"{'0' * 32} 00 {'0' * 32} 00 {'f' * 32} 00000400 00000001 00000000 00000003 enp2s0\n"
    write(root, {"proc/net/route": ROUTES.splitlines()[0], "proc/net/ipv6_route": six, wire + "speed": "1000\n"})
    assert host_numbers.link(root) == (1000, None)
    write(root, {"proc/net/route": ROUTES.replace("enp2s0", "none0"), air + "speed": "300\n", air + "wireless/x": ""})
    assert host_numbers.link(root) == (None, None)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            b'{"smart_status": {"passed": true}, "nvme_smart_health_information_log": {"percentage_used": 91}}',
            (False, 91),
        ),
        (b'{"smart_status": {"passed": false}}', (True, None)),
        (b'{"smartctl": {"exit_status": 2, "messages": [{"string": "Permission denied"}]}}', (None, None)),
        (b"", (None, None)),
        (b"[1]", (None, None)),
    ],
)
def test_what_smartctl_says_is_read_and_a_refusal_says_nothing(
    said: bytes, expected: tuple[bool | None, float | None]
) -> None:
    assert host_numbers.read_smart(said) == expected


def certificate(path: Path, days: float) -> Path:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "b12")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(AT - timedelta(days=300)).not_valid_after(AT + timedelta(days=days))
    path.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return path


def test_the_rooms_certificate_says_its_own_end(tmp_path: Path) -> None:
    assert host_numbers.certificate_days(certificate(tmp_path / "room.pem", 20), AT) == pytest.approx(20)
    assert host_numbers.certificate_days(tmp_path / "none.pem", AT) is None
    known = x509.load_pem_x509_certificate((tmp_path / "room.pem").read_bytes())
    odd = known.public_bytes(serialization.Encoding.DER).replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05", 1)
    (tmp_path / "odd.pem").write_text(ssl.DER_cert_to_PEM_cert(odd))
    assert host_numbers.certificate_days(tmp_path / "odd.pem", AT) is None, "of a version that there is not"


class Runs:
    """Runs of the agent, one after the other, on one clock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.mono_s = 1000.0

    def start(self, boot: str = "boot-1") -> Starts:
        self.mono_s += 10
        starts = Starts(self.path, boot, clock=lambda: self.mono_s)
        starts.began()
        return starts


def test_falls_are_counted_and_restarts_in_order_are_not(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "starts.json")
    runs.start().left()
    runs.start().left()
    assert runs.start().falls() == 0
    assert [runs.start().falls() for _ in range(4)] == [1, 2, 3, 4]
    runs.mono_s += HOUR_S
    last = runs.start()
    assert last.falls() == 1
    assert runs.start("boot-2").falls() == 0
    runs.path.write_text("{")
    assert runs.start("boot-2").falls() == 0


def watch(
    tmp_path: Path,
    settings: HealthSettings,
    centre: CentreClock,
    starts: Starts | None = None,
    read_most_s: float = READ_MOST_S,
) -> HostWatch:
    pem = certificate(tmp_path / "room.pem", 5)
    times = iter(range(0, 10_000, 15))
    return HostWatch(
        settings, tmp_path, pem, centre, starts or Starts(tmp_path / "starts.json", "boot-1"), root=tmp_path,
        read_most_s=read_most_s, clock=lambda: float(next(times)), now=lambda: AT,
    )  # fmt: skip


async def test_the_watch_tells_what_this_machine_can_say_with_words(tmp_path: Path) -> None:
    wall_s = 1_800_000_000.0
    centre = CentreClock(mono=lambda: 100.0, wall=lambda: wall_s + 2.0)
    centre.learn(wall_s, asked_mono_s=99.9, answered_mono_s=100.1)
    host = watch(tmp_path, HealthSettings(), centre)
    socket = "sys/bus/usb/devices/1-2"
    for number in range(5):
        write(tmp_path, {f"{socket}/devnum": f"{number}\n", f"{socket}:1.0/bInterfaceClass": "0e\n"})
        await host.look()
    found = {check.id: check for check in host.checks()}
    assert "host-temperature" not in found
    assert found["host-certificate"].status is CRITICAL
    assert found["host-certificate"].value == pytest.approx(5)
    assert (found["host-usb"].status, found["host-usb"].value) == (WARNING, 4)
    clock = found["host-clock"]
    assert (clock.status, clock.value, clock.unit) == (CRITICAL, 2000, "ms")
    assert clock.message is not None
    assert clock.message.fr == "L’horloge du boîtier avance sur celle du centre."
    assert clock.remedy is not None


async def test_a_reading_that_hangs_is_not_waited_for_and_what_it_told_is_not_kept_as_true(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    host = watch(tmp_path, HealthSettings(), CentreClock(), read_most_s=0.05)
    while "host-certificate" not in {check.id for check in host.checks()}:
        await host.look()
    chip = tmp_path / "sys/class/hwmon/hwmon0/name"
    chip.parent.mkdir(parents=True)
    os.mkfifo(chip)  # whoever reads it waits, as for a disk that fails
    caplog.clear()
    for _ in range(round(SPECS["host-certificate"].keep_s / 15) + 2):
        await host.look()
    assert host.checks() == ()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    readers = threading.active_count()
    await host.look()
    assert threading.active_count() == readers, "it is read once, however long it hangs"
    with chip.open("w"):
        chip.unlink()  # it is read for several numbers
    while not host.checks():
        await host.look()


async def test_a_reading_that_falls_costs_one_look_and_not_the_lesson(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Fallen(Starts):
        count = 0

        def falls(self) -> int:
            self.count += 1
            if self.count < 3:
                raise RuntimeError("a fault of ours")
            return super().falls()

    starts = Fallen(tmp_path / "starts.json", "boot-1")
    host = watch(tmp_path, HealthSettings(), CentreClock(), starts)
    for _ in range(2):
        await host.look()
    assert [(record.levelname, record.exc_info is not None) for record in caplog.records] == [("WARNING", True)]
    assert host.checks() == ()
    await host.look()
    assert "host-restarts" in {check.id for check in host.checks()}


def test_a_clock_of_which_nothing_is_known_is_not_judged() -> None:
    centre = CentreClock()
    assert centre.ahead_s() is None
    assert HostChecks(HostLimits()).look(replace(HostNumbers(), clock_ahead_s=centre.ahead_s()), 0.0) == ()
