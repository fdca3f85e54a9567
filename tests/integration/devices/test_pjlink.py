"""Our PJLink against a projector on a socket, and against a second PJLink that knows neither of them."""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import uvloop
from aiopjlink import PJLink

from agent.devices import pjlink
from agent.devices import pjlink_codec as codec
from agent.devices.display import Display, DisplayInfo, Power
from agent.devices.pjlink import PJLinkConfig
from protocol.errors import (
    DeviceBusyError,
    DeviceError,
    DeviceLostError,
    DeviceNotFoundError,
    DeviceNotNowError,
    DevicePasswordError,
    DeviceProtocolError,
    DeviceTimeoutError,
    DeviceUnsupportedError,
)
from tests.fakes.pjlink_projector import MAC, Faults, Projector, serve, serve_udp

PACE = pjlink.Pace(connect_s=0.5, answer_s=0.3, ask_sha256_s=0.3)


def connect(config: PJLinkConfig, known: DisplayInfo | None) -> AbstractAsyncContextManager[Display]:
    """Connect with tenths of a second for seconds."""
    return pjlink.connect(config, known, pace=PACE)


def at(projector: Projector, folder: Path | None = None, password: str | None = None, **keys: object) -> PJLinkConfig:
    if password is not None:
        assert folder is not None
        (folder / "password").write_text(password + "\n")
        keys["password_file"] = folder / "password"
    return PJLinkConfig.model_validate({"host": "127.0.0.1", "port": projector.port, **keys})


async def until_on(config: PJLinkConfig, known: DisplayInfo | None = None) -> DisplayInfo:
    async with connect(config, known) as display:
        await display.power(True)
        while (await display.status()).power is not Power.ON:
            pass
        return display.info


# --- the ordinary -----------------------------------------------------------------------------------------------------


async def test_a_projector_says_who_it_is_and_what_it_can_do() -> None:
    async with serve(Projector(power="1", input="31")) as projector, connect(at(projector), None) as display:
        assert display.info == DisplayInfo(
            driver="pjlink",
            protocol="PJLink class 2",
            maker="Lumière",
            model="P-7000",
            serial="SN-42",
            capabilities=frozenset({"power", "input", "errors", "lamp-hours", "filter-hours", "mute", "signal"}),
            inputs={
                "rgb-1": "Prise 11",
                "digital-1": "Prise 31",
                "digital-2": "Prise 32",
                "network-1": "Prise 51",
            },
            login="open",
        )
        status = await display.status()
    assert (status.power, status.input) == (Power.ON, "digital-1")
    assert (status.lamp_hours, status.filter_hours) == (1234, 321)
    assert (status.is_muted, status.has_signal, status.faults) == (False, True, ())


async def test_a_laser_projector_of_class_1_claims_no_lamp_and_nothing_of_class_2() -> None:
    laser = Projector(class_=1, has_lamp=False, power="1")
    async with serve(laser), connect(at(laser), None) as display:
        assert display.info.capabilities == {"power", "input", "errors", "mute"}
        assert display.info.serial == ""
        assert (await display.status()).lamp_hours is None


async def test_a_projector_of_class_2_without_a_filter_claims_none() -> None:
    async with serve(Projector(filter_hours="ERR1", power="1")) as projector, connect(at(projector), None) as display:
        assert "filter-hours" not in display.info.capabilities
        assert (await display.status()).filter_hours is None


async def test_it_is_woken_picks_its_input_and_goes_back() -> None:
    async with serve(Projector(warms=3)) as projector:
        config = at(projector)
        async with connect(config, None) as display:
            assert (await display.status()).power is Power.STANDBY
            await display.power(True)
            seen = [(await display.status()).power for _ in range(4)]
            assert seen == [Power.WARMING, Power.WARMING, Power.WARMING, Power.ON]
            await display.select_input("digital-2")
            assert (await display.status()).input == "digital-2"
            await display.power(False)
            assert [(await display.status()).power for _ in range(4)][-1] is Power.STANDBY
    assert projector.input == "32"


async def test_what_is_known_is_not_asked_again() -> None:
    async with serve(Projector(power="1")) as projector:
        async with connect(at(projector), None) as display:
            known = display.info
        projector.said.clear()
        async with connect(at(projector), known) as display:
            assert display.info == known
        assert projector.said == []


async def test_inputs_that_standby_would_not_say_are_asked_for_later() -> None:
    async with serve(Projector()) as projector:
        async with connect(at(projector), None) as display:
            known = display.info
        assert known.inputs == {}
        assert "input" in known.capabilities
        projector.power = "1"
        async with connect(at(projector), known) as display:
            assert "digital-1" in display.info.inputs


def test_it_works_on_the_agents_own_loop(tmp_path: Path) -> None:
    async def main() -> DisplayInfo:
        async with serve(Projector(password="p", sha256=True)) as projector:
            return await until_on(at(projector, tmp_path, "p"))

    assert uvloop.run(main()).model == "P-7000"


async def test_a_connection_is_closed_when_it_is_done_with() -> None:
    async with serve(Projector(faults=Faults(single=True))) as projector:
        for _ in range(3):
            async with connect(at(projector), None):
                pass
        assert projector.connections == 3


# --- login ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sha256", [False, True])
async def test_both_logins_open(tmp_path: Path, sha256: bool) -> None:
    async with serve(Projector(password="Tableau noir é", sha256=sha256)) as projector:
        info = await until_on(at(projector, tmp_path, "Tableau noir é"))
    assert info.login == ("sha256" if sha256 else "md5")
    assert projector.refusals == 0


async def test_a_login_that_is_known_is_not_tried_out_again(tmp_path: Path) -> None:
    async with serve(Projector(password="p", power="1")) as projector:
        config = at(projector, tmp_path, "p")
        async with connect(config, None) as display:
            known = display.info
        before = projector.connections
        async with connect(config, known):
            pass
        assert projector.connections == before + 1


async def test_sha256_alone_is_never_weakened_to_md5(tmp_path: Path) -> None:
    async with serve(Projector(password="p")) as projector:
        with pytest.raises(DeviceUnsupportedError, match="SHA-256"):
            await until_on(at(projector, tmp_path, "p", login="sha256"))
        assert projector.said == []


@pytest.mark.parametrize("sha256", [False, True])
async def test_a_wrong_password_is_sent_once_and_told(tmp_path: Path, sha256: bool) -> None:
    async with serve(Projector(password="right", sha256=sha256)) as projector:
        with pytest.raises(DevicePasswordError, match="refuses the password") as caught:
            await until_on(at(projector, tmp_path, "craie verte"))
        assert projector.refusals == 1
    assert (caught.value.code, caught.value.retryable) == ("device-password", False)
    assert "craie" not in caught.value.message


async def test_a_missing_password_is_told_without_trying(tmp_path: Path) -> None:
    async with serve(Projector(password="right")) as projector:
        with pytest.raises(DevicePasswordError, match="password_file"):
            await until_on(at(projector))
        with pytest.raises(DevicePasswordError, match="cannot be read"):
            await until_on(at(projector, password_file=tmp_path / "nothing"))
        assert projector.refusals == 0


# --- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("faults", "error"),
    [
        (Faults(silent=True), DeviceTimeoutError),
        (Faults(delay_s=5.0), DeviceTimeoutError),
        (Faults(half_closed=True), DeviceLostError),
        (Faults(garbage=b"SSH-2.0-OpenSSH_9.2\r\n"), DeviceProtocolError),
        (Faults(garbage=b"\xaa\xff\x01\x03A\x11\x01\x56"), DeviceTimeoutError),
        (Faults(garbage=b"x" * 40_000), DeviceProtocolError),
        (Faults(garbage=b"HTTP/1.1 400 Bad Request" * 20), DeviceProtocolError),
        (Faults(garbage_answer=b"401+\r"), DeviceProtocolError),
        (Faults(garbage_answer=b"%1VOLM=3\r" * 12), DeviceProtocolError),
        (Faults(stray=b"x\r"), DeviceProtocolError),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
async def test_each_fault_is_one_sentence_in_time(faults: Faults, error: type[DeviceError]) -> None:
    async with serve(Projector(faults=faults)) as projector:
        began_s = time.monotonic()
        with pytest.raises(error) as caught:
            await until_on(at(projector))
        assert time.monotonic() - began_s < 2.5
    assert type(caught.value) is error
    assert "\n" not in caught.value.message
    assert '"127.0.0.1"' in caught.value.message


async def test_a_second_connection_that_is_refused_is_busy() -> None:
    async with serve(Projector(faults=Faults(single=True))) as projector, connect(at(projector), None):
        with pytest.raises(DeviceBusyError, match="one connection"):
            await until_on(at(projector))


async def test_nobody_there_is_told_apart(unused_tcp_port: int) -> None:
    with pytest.raises(DeviceBusyError, match="refuses a connection"):
        await until_on(PJLinkConfig(host="127.0.0.1", port=unused_tcp_port))
    with pytest.raises(DeviceNotFoundError, match="no address"):
        await until_on(PJLinkConfig(host="projecteur..invalid"))


async def test_oddities_of_real_projectors_are_taken(tmp_path: Path) -> None:
    """Padding after CR, small letters, byte by byte, a link notification on the wrong connection, no answer to off."""
    odd = Faults(pad=b"\0\0\n", lower_case=True, drip=True, stray=b"%2LKUP=00:11:22:aa:bb:cc\r", hang_up_at_off=True)
    async with serve(Projector(faults=odd)) as projector:
        await until_on(at(projector))
        async with connect(at(projector), None) as display:
            with pytest.raises(DeviceUnsupportedError):
                await display.select_input("storage-9")
            await display.power(False)
    assert projector.power == "0" or "POWR 0" in " ".join(projector.said)


async def test_what_it_cannot_do_now_and_never_are_told_apart() -> None:
    async with serve(Projector()) as projector:
        async with connect(at(projector), None) as display:
            with pytest.raises(DeviceNotNowError) as not_now:
                await display.select_input("digital-1")
            assert (not_now.value.code, not_now.value.retry_after_s) == ("device-not-now", 5.0)
        await until_on(at(projector))
        async with connect(at(projector), None) as display:
            with pytest.raises(DeviceUnsupportedError, match=r"rgb-1, digital-1, digital-2, network-1"):
                await display.select_input("video-1")
            with pytest.raises(DeviceUnsupportedError, match=r'"hdmi" is no PJLink input'):
                await display.select_input("hdmi")


# --- search and notifications -----------------------------------------------------------------------------------------


async def test_a_search_finds_projectors_though_packets_are_lost(unused_udp_port: int) -> None:
    projector = Projector(faults=Faults(lose_searches=2))
    async with serve_udp(projector, "127.0.0.7", unused_udp_port):
        found = await pjlink.search(
            "127.0.0.7", listen_address="127.0.0.1", port=unused_udp_port, pause_s=0.05, collect_s=0.3
        )
    assert [(one.address, one.mac) for one in found] == [("127.0.0.7", MAC)]


async def test_a_second_listener_is_told(unused_udp_port: int) -> None:
    async with serve_udp(Projector(), "127.0.0.1", unused_udp_port):
        with pytest.raises(DeviceBusyError, match="UDP port"):
            await pjlink.search("127.0.0.7", listen_address="127.0.0.1", port=unused_udp_port)


async def test_news_are_heard_from_the_projector_alone(unused_udp_port: int) -> None:
    config = PJLinkConfig(host="127.0.0.7", notifications=True, listen_address="127.0.0.1")
    heard = asyncio.Event()
    count = 0

    def on_news() -> None:
        nonlocal count
        count += 1
        if count == 2:
            heard.set()

    to = ("127.0.0.1", unused_udp_port)
    async with (
        serve_udp(Projector(), "127.0.0.7", unused_udp_port) as projector,
        serve_udp(Projector(), "127.0.0.8", unused_udp_port) as stranger,
        pjlink.listen(config, on_news, port=unused_udp_port),
    ):
        stranger.sendto(b"%2POWR=1\r", to)
        projector.sendto(b"rubbish", to)
        projector.sendto(b"%2POWR=1\r", to)
        projector.sendto(b"%2INPT=31\r", to)
        async with asyncio.timeout(5):
            await heard.wait()
        await asyncio.sleep(0.05)  # nothing more comes: the stranger's was not counted
    assert count == 2


# --- the second implementation ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("password", [None, "Craie"])
async def test_a_second_pjlink_sees_the_same(tmp_path: Path, password: str | None) -> None:
    async with serve(Projector(power="1", input="32", erst="012000", password=password)) as projector:
        other = PJLink("127.0.0.1", projector.port, password)
        async with connect(at(projector, tmp_path, password), None) as display:
            info, status = display.info, await display.status()
        mode, index = await other.sources.get()
        assert status.input == codec.input_name(f"{mode.value}{index}")
        assert list(info.inputs) == [
            codec.input_name(f"{mode.value}{index}") for mode, index in await other.sources.available()
        ]
        assert (info.maker, info.model) == (await other.info.manufacturer_name(), await other.info.product_name())
        assert info.serial == await other.info.serial_number()
        assert status.lamp_hours == await other.lamps.hours()
        levels = await other.errors.query()
        ill = {(category.name, level.name) for category, level in levels.items() if level.value != "0"}
        assert ill == {("LAMP", "WARN"), ("TEMP", "ERROR")}
        assert (status.warnings, status.faults) == (("lamp",), ("temperature",))
        assert (await other.power.get()).name == status.power.name
        video, _audio = await other.mute.status()
        assert video == status.is_muted


async def test_what_we_switch_a_second_pjlink_sees(tmp_path: Path) -> None:
    async with serve(Projector(warms=0, password="Craie")) as projector:
        other = PJLink("127.0.0.1", projector.port, "Craie")
        config = at(projector, tmp_path, "Craie")
        await until_on(config)
        async with connect(config, None) as display:
            await display.select_input("network-1")
        assert await other.sources.get() == (other.sources.Mode.NETWORK, "1")
        async with connect(config, None) as display:
            await display.power(False)
        assert (await other.power.get()).name == "OFF"
