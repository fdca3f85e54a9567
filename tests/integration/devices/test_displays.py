"""What every display keeps to on a real line, well and ill: one suite, all drivers."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial

import pytest
import uvloop

from agent.devices import generic, i3, nine_byte, pjlink, samsung_mdc, smart
from agent.devices.byte_line import FLOOD, tcp_line
from agent.devices.display import CAPABILITIES, Display, DisplayInfo, DisplayStatus, Power
from agent.devices.registry import display_names
from protocol.errors import (
    DeviceBusyError,
    DeviceError,
    DeviceLostError,
    DeviceNotFoundError,
    DeviceNotNowError,
    DevicePermissionError,
    DeviceProtocolError,
    DeviceTimeoutError,
    DeviceUnsupportedError,
)
from tests.fakes.line_device import LineDevice, LineFaults, serve_pty, serve_tcp
from tests.fakes.panels import I3Panel, MdcPanel, NineBytePanel, SmartBoard
from tests.fakes.pjlink_projector import Faults, Projector, serve

Connect = Callable[[DisplayInfo | None], AbstractAsyncContextManager[Display]]


@dataclass
class Stage:
    """A driver before its device: how it connects, and what the device itself says of its state."""

    connect: Connect
    is_on: Callable[[], bool]
    shown: Callable[[], str | None]
    whose: str


Bench = Callable[[LineFaults], AbstractAsyncContextManager[Stage]]


@asynccontextmanager
async def pjlink_bench(faults: LineFaults) -> AsyncIterator[Stage]:
    projector = Projector(
        faults=Faults(
            silent=faults.silent,
            delay_s=faults.delay_s,
            garbage_answer=faults.garbage,
            half_closed=faults.half_closed or faults.hang_up,
            single=faults.single,
            drip=faults.drip,
        )
    )
    pace = pjlink.Pace(connect_s=1.0, answer_s=0.4, ask_sha256_s=0.3)
    async with serve(projector):
        config = pjlink.PJLinkConfig(host="127.0.0.1", port=projector.port)
        yield Stage(
            lambda known: pjlink.connect(config, known, pace=pace),
            lambda: projector.power == "1",
            lambda: {"11": "rgb-1", "31": "digital-1"}.get(projector.input),
            '"127.0.0.1"',
        )


@asynccontextmanager
async def smart_bench(faults: LineFaults) -> AsyncIterator[Stage]:
    board = SmartBoard()
    async with serve_pty(LineDevice(board, faults)) as path:
        config = smart.SmartConfig(serial_port=path)
        yield Stage(
            partial(smart.connect, config, pace=smart.Pace(prompt_s=0.3)),
            lambda: board.power == "on",
            lambda: board.input,
            str(path),
        )
        assert board.too_early == 0


@asynccontextmanager
async def nine_byte_bench(faults: LineFaults) -> AsyncIterator[Stage]:
    panel = NineBytePanel()
    async with serve_tcp(LineDevice(panel, faults)) as port:
        config = nine_byte.NineByteConfig(family="viewsonic", host="127.0.0.1", port=port)
        yield Stage(
            partial(nine_byte.connect, config, pace=nine_byte.Pace(connect_s=1.0, answer_s=0.3)),
            lambda: panel.power == "001",
            lambda: {"004": "hdmi1", "00A": "android"}.get(panel.input),
            '"127.0.0.1"',
        )


@asynccontextmanager
async def benq_bench(faults: LineFaults) -> AsyncIterator[Stage]:
    panel = NineBytePanel(is_benq=True, input="000")
    async with serve_pty(LineDevice(panel, faults)) as path:
        config = nine_byte.NineByteConfig(family="benq", serial_port=path, baud=38_400)
        yield Stage(
            partial(nine_byte.connect, config, pace=nine_byte.Pace(connect_s=1.0, answer_s=0.3)),
            lambda: panel.power == "001",
            lambda: {"000": "vga", "001": "hdmi1"}.get(panel.input),
            str(path),
        )


@asynccontextmanager
async def mdc_bench(faults: LineFaults) -> AsyncIterator[Stage]:
    panel = MdcPanel(input=0x23)
    async with serve_tcp(LineDevice(panel, faults)) as port:
        config = samsung_mdc.MdcConfig(host="127.0.0.1", port=port)
        yield Stage(
            partial(samsung_mdc.connect, config, pace=samsung_mdc.Pace(connect_s=1.0, answer_s=0.4)),
            lambda: panel.power == 1,
            lambda: {0x21: "hdmi1", 0x23: "hdmi2"}.get(panel.input),
            '"127.0.0.1"',
        )


@asynccontextmanager
async def i3_bench(faults: LineFaults) -> AsyncIterator[Stage]:
    panel = I3Panel()
    async with serve_tcp(LineDevice(panel, faults)) as port:
        config = i3.I3Config(host="127.0.0.1", port=port, wake_mac="00:11:22:aa:bb:cc")
        yield Stage(
            partial(i3.connect, config, pace=i3.Pace(connect_s=1.0, answer_s=0.3)),
            lambda: panel.state == 1,
            lambda: None,
            '"127.0.0.1"',
        )
        assert panel.restored == 0


FRAMES = {
    "encoding": "ascii",
    "on": "801s!001\\r",
    "off": "801s!000\\r",
    "accepted": r"^401\+",
    "status": "801gl000\\r",
    "is_on": "rl001",
    "is_off": "rl000",
    "inputs": {"hdmi1": '801s"004\\r', "android": '801s"00A\\r'},
    "input_status": "801gj000\\r",
    "shown": {"hdmi1": "rj.04", "android": "rj.0A"},
}
"""A panel that we know anyway, by frames of a configuration."""


@asynccontextmanager
async def generic_bench(faults: LineFaults) -> AsyncIterator[Stage]:
    panel = NineBytePanel()
    async with serve_tcp(LineDevice(panel, faults)) as port:
        config = generic.GenericConfig.model_validate({"host": "127.0.0.1", "port": port, **FRAMES})
        yield Stage(
            partial(generic.connect, config, pace=generic.Pace(connect_s=1.0, answer_s=0.3, quiet_s=0.05)),
            lambda: panel.power == "001",
            lambda: {"004": "hdmi1", "00A": "android"}.get(panel.input),
            '"127.0.0.1"',
        )


BENCHES: dict[str, Bench] = {
    "generic": generic_bench,
    "i3": i3_bench,
    "nine-byte": nine_byte_bench,
    "nine-byte benq": benq_bench,
    "pjlink": pjlink_bench,
    "samsung-mdc": mdc_bench,
    "smart": smart_bench,
}
INPUTS = {
    "generic": "hdmi1",
    "nine-byte": "hdmi1",
    "nine-byte benq": "hdmi1",
    "pjlink": "digital-1",
    "samsung-mdc": "hdmi1",
    "smart": "hdmi1",
}
"""An input that each has; those that are not here have none to choose."""
OFF_THE_LINE = {"cec", "clevertouch", "newline", "wake-on-lan"}
"""A program, and displays that say nothing when they are asked how they stand: they have tests of their own."""
ON_TCP = {"generic", "i3", "nine-byte", "pjlink", "samsung-mdc"}


@pytest.fixture(params=BENCHES)
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


async def looked_at(stage: Stage, known: DisplayInfo | None = None) -> DisplayStatus:
    async with stage.connect(known) as display:
        return await display.status()


async def switch(stage: Stage, on: bool) -> None:
    """Switch it, however long it is busy with its lamp."""
    for _ in range(20):
        try:
            async with stage.connect(None) as display:
                await display.power(on)
                status = await display.status()
        except DeviceNotNowError:
            continue
        if status.power in ((Power.ON,) if on else (Power.STANDBY, Power.OFF)) or (
            status.power is Power.UNKNOWN and stage.is_on() is on
        ):
            return
    pytest.fail("it does not do what it is told")


def test_every_driver_of_ours_is_in_this_suite() -> None:
    assert set(display_names()) - {bench.partition(" ")[0] for bench in BENCHES} == OFF_THE_LINE


async def test_it_is_switched_on_and_off_and_says_so(name: str) -> None:
    async with BENCHES[name](LineFaults()) as stage:
        await switch(stage, True)
        assert stage.is_on()
        assert (await looked_at(stage)).power in (Power.ON, Power.UNKNOWN)
        await switch(stage, False)
        assert not stage.is_on()
        assert (await looked_at(stage)).power is not Power.ON


@pytest.mark.parametrize("name", INPUTS)
async def test_it_shows_the_input_it_is_told_and_names_it_alike(name: str) -> None:
    async with BENCHES[name](LineFaults()) as stage:
        await switch(stage, True)
        async with stage.connect(None) as display:
            await display.select_input(INPUTS[name])
            status = await display.status()
        assert stage.shown() == INPUTS[name]
        assert status.input in (INPUTS[name], None)
        assert ("input" in display.info.capabilities) == (status.input is not None)


async def test_an_input_it_has_not_is_told_and_changes_nothing(name: str) -> None:
    async with BENCHES[name](LineFaults()) as stage:
        await switch(stage, True)
        before = stage.shown()
        async with stage.connect(None) as display:
            with pytest.raises(DeviceUnsupportedError) as caught:
                await display.select_input("no-such-input")
        assert stage.shown() == before
        assert stage.whose in caught.value.message


async def test_it_claims_only_what_there_is_a_word_for(name: str) -> None:
    async with BENCHES[name](LineFaults()) as stage, stage.connect(None) as display:
        assert display.info.driver == name.partition(" ")[0]
        assert display.info.capabilities <= CAPABILITIES
        assert display.info.capabilities


async def test_answers_byte_by_byte_are_answers(name: str) -> None:
    async with BENCHES[name](LineFaults(drip=True)) as stage:
        await switch(stage, True)
        assert stage.is_on()


@pytest.mark.parametrize(
    ("faults", "errors"),
    [
        (LineFaults(silent=True), (DeviceTimeoutError,)),
        (LineFaults(delay_s=5.0), (DeviceTimeoutError,)),
        (LineFaults(garbage=b"HTTP/1.1 400 Bad Request\r\nServer: a-printer\r\n\r\n"), (DeviceProtocolError,)),
        (LineFaults(garbage=b"\x00\xff" * 30), (DeviceProtocolError,)),
        (LineFaults(garbage=b"A" * 20_000), (DeviceProtocolError,)),
    ],
    ids=["silent", "slow", "a printer", "noise", "flood"],
)
async def test_each_fault_is_one_sentence_in_time_that_names_the_device(
    name: str, faults: LineFaults, errors: tuple[type[DeviceError], ...]
) -> None:
    await is_told(name, faults, errors)


@pytest.mark.parametrize("name", sorted(ON_TCP))
@pytest.mark.parametrize("faults", [LineFaults(half_closed=True), LineFaults(hang_up=True)], ids=["half", "whole"])
async def test_a_connection_that_ends_is_told(name: str, faults: LineFaults) -> None:
    await is_told(name, faults, (DeviceLostError,))


async def is_told(name: str, faults: LineFaults, errors: tuple[type[DeviceError], ...]) -> None:
    async with BENCHES[name](faults) as stage:
        began_s = time.monotonic()
        with pytest.raises(DeviceError) as caught:
            await looked_at(stage)
        assert time.monotonic() - began_s < 4.0
    assert isinstance(caught.value, errors), caught.value.message
    assert stage.whose in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("name", sorted(ON_TCP))
async def test_a_second_connection_that_is_refused_is_told(name: str) -> None:
    async with BENCHES[name](LineFaults(single=True)) as stage, stage.connect(None):
        with pytest.raises((DeviceBusyError, DeviceLostError)):
            await looked_at(stage)


async def test_a_line_is_closed_when_it_is_done_with_also_by_a_fault(name: str) -> None:
    async with BENCHES[name](LineFaults()) as stage:
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                async with stage.connect(None):
                    raise ZeroDivisionError
        await looked_at(stage)


async def test_one_that_is_cancelled_lets_go(name: str) -> None:
    async with BENCHES[name](LineFaults(silent=True)) as stage:
        task = asyncio.create_task(looked_at(stage))
        await asyncio.sleep(0.05)
        task.cancel()
        began_s = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - began_s < 1.5


# --- serial ports -----------------------------------------------------------------------------------------------------


async def test_a_serial_port_that_is_not_there_is_told(tmp_path: object) -> None:
    with pytest.raises(DeviceNotFoundError, match=r"is not there; plug"):
        async with smart.connect(smart.SmartConfig.model_validate({"serial_port": f"{tmp_path}/ttyUSB0"}), None):
            pass


async def test_what_is_no_serial_port_is_told() -> None:
    with pytest.raises(DeviceProtocolError, match="is not a serial port"):
        async with smart.connect(smart.SmartConfig.model_validate({"serial_port": "/dev/null"}), None):
            pass


async def test_a_serial_port_is_ours_alone() -> None:
    async with smart_bench(LineFaults()) as stage, stage.connect(None):
        with pytest.raises(DeviceBusyError, match="another program holds"):
            await looked_at(stage)


@pytest.mark.parametrize(
    "board",
    [
        SmartBoard(states=("on", "ready"), wants_spaces=True),
        SmartBoard(says_by_itself=b"#powerstate=on\r\n", echoes=True),
    ],
    ids=["an old MX", "a new one that talks"],
)
async def test_smart_boards_of_all_series_are_switched(board: SmartBoard) -> None:
    async with serve_pty(LineDevice(board)) as path:
        config = smart.SmartConfig(serial_port=path)
        async with smart.connect(config, None) as display:
            await display.power(True)
            await display.select_input("hdmi2")
            assert (await display.status()).input == "hdmi2"
            await display.power(False)
            assert (await display.status()).power is Power.STANDBY
    assert (board.input, board.too_early) == ("hdmi2", 0)


async def test_a_device_that_babbles_fills_no_memory_while_nobody_reads() -> None:
    cut = asyncio.Event()

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(b"x" * 4096)
                await writer.drain()
        except ConnectionError:
            cut.set()
        finally:
            writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with tcp_line("127.0.0.1", port, whose="the babbler", connect_s=1.0) as line:
            async with asyncio.timeout(5):
                await cut.wait()
            assert len(line.pending) <= FLOOD
            with pytest.raises(DeviceProtocolError, match="the babbler"):
                await line.read_until(b"\r", within_s=1.0)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Be a user without rights; tests may run as root, for whom every port opens."""
    me = os.geteuid()
    if me == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(me)


async def test_a_serial_port_without_permission_is_told() -> None:
    async with serve_pty(LineDevice(SmartBoard())) as path:
        path.chmod(0)
        config = smart.SmartConfig(serial_port=path)
        with as_nobody(), pytest.raises(DevicePermissionError, match="dialout") as caught:
            async with smart.connect(config, None):
                pass
    assert (caught.value.code, caught.value.retryable) == ("device-permission", False)
    assert str(path) in caught.value.message


async def test_an_adapter_that_is_pulled_out_is_told_at_once() -> None:
    async with AsyncExitStack() as stack:
        async with serve_pty(LineDevice(SmartBoard(power="on"))) as path:
            config = smart.SmartConfig(serial_port=path)
            display = await stack.enter_async_context(smart.connect(config, None))
        began_s = time.monotonic()
        with pytest.raises(DeviceLostError):
            await display.status()
        assert time.monotonic() - began_s < 0.5


def test_serial_lines_work_on_the_agents_own_loop() -> None:
    async def main() -> bool:
        async with smart_bench(LineFaults()) as stage:
            await switch(stage, True)
            return stage.is_on()

    assert uvloop.run(main())
