"""Projectors and panels that speak PJLink, class 1 and 2, over TCP 4352.

``python -m agent.devices.pjlink`` looks for those on the network; with an address it shows what one of them says.
A connection is one login and a few commands, then closed: many projectors take one connection, and close it by
themselves after 30 s without a command. A password refused is told at once and never sent again from here.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from agent.devices import pjlink_codec as codec
from agent.devices.byte_line import ByteLine, tcp_line
from agent.devices.display import (
    Display,
    DisplayConfig,
    DisplayDriver,
    DisplayInfo,
    DisplayStatus,
    Power,
    UnreadableError,
)
from agent.devices.login import read_password
from protocol.errors import (
    ConfigError,
    DeviceBusyError,
    DeviceError,
    DeviceLostError,
    DeviceNotFoundError,
    DeviceNotNowError,
    DevicePasswordError,
    DeviceProtocolError,
    DeviceTimeoutError,
    DeviceUnsupportedError,
    EstradeError,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How long each step may take, in seconds."""

    connect_s: float = 4.0
    answer_s: float = 5.0
    """The specification asks for 2 s; projectors that warm up are known to take longer."""
    ask_sha256_s: float = 2.0
    """A projector that does not know SHA-256 keeps silent or hangs up when it is asked for it."""


PACE = Pace()
STRAY_MOST = 8
"""Lines that answer nothing we asked, before the device is called a foreign one."""
NOT_NOW_S = 5.0
_CLASS_2 = frozenset({"IRES", "INNM", "SNUM", "FILT"})
SEARCH_ROUNDS, SEARCH_PAUSE_S, SEARCH_COLLECT_S = 3, 1.0, 5.0


class PJLinkConfig(DisplayConfig):
    """A projector at an address."""

    host: str = Field(min_length=1, max_length=253)
    port: int = Field(default=codec.PORT, ge=1, le=65535)
    password_file: Path | None = Field(default=None, description="a file with the password as its one line")
    login: Literal["auto", "md5", "sha256"] = Field(
        default="auto", description="auto: SHA-256 where the projector knows it (class 2 since 2.10), else MD5"
    )
    notifications: bool = Field(
        default=False, description="listen for what a class 2 projector tells; set our address in its menu"
    )
    listen_address: str = Field(default="0.0.0.0", description="where notifications arrive, UDP 4352")  # noqa: S104 -- the projector's subnet is not known

    @field_validator("input")
    @classmethod
    def _input_is_one(cls, name: str | None) -> str | None:
        return None if name is None else codec.input_name(codec.input_code(name))

    @property
    def whose(self) -> str:
        return f'projector at "{self.host}"'


# --- one connection ---------------------------------------------------------------------------------------------------


class PJLinkDisplay:
    """An open, logged-in connection; `Display`."""

    def __init__(self, line: ByteLine, config: PJLinkConfig, prefix: bytes, info: DisplayInfo, pace: Pace) -> None:
        self.info = info
        self._line = line
        self._config = config
        self._prefix = prefix
        self._pace = pace
        self.strays = 0
        """Lines so far that answered nothing we had asked."""

    async def status(self) -> DisplayStatus:
        """Ask for power, then for what makes sense in that state. Raises as `Display`."""
        power = self._read(codec.parse_power, await self._ask("POWR"))
        wanted = {"errors": "ERST", "lamp-hours": "LAMP", "filter-hours": "FILT"}
        if power is Power.ON:  # otherwise ERR3, and some hang up on these
            wanted |= {"input": "INPT", "mute": "AVMT", "signal": "IRES"}
        said = {}
        for capability, body in wanted.items():
            param = await self._ask_if_it_may(body) if capability in self.info.capabilities else None
            if param is not None:
                said[body] = param
        try:
            return codec.status_of(power, said)
        except UnreadableError as error:
            raise self._unreadable(error) from None

    async def power(self, on: bool) -> None:
        try:
            await self._set("POWR", "1" if on else "0")
        except DeviceLostError:
            if on:
                raise  # switched off, some hang up instead of answering; the next look tells

    async def select_input(self, name: str) -> None:
        try:
            code = codec.input_code(name)
        except ValueError as error:
            raise DeviceUnsupportedError(f'{self._config.whose}: input "{name}" {error}') from None
        try:
            await self._set("INPT", code, class_=codec.input_class(code))
        except DeviceUnsupportedError:
            known = ", ".join(self.info.inputs) or "its menu names them"
            raise DeviceUnsupportedError(
                f'{self._config.whose} has no input "{name}"; there are: {known}; correct display.input'
            ) from None

    async def identify(self) -> None:
        """Fill ``info`` with who it is and what it can do: every command that is not answered with ERR1."""
        can = set()
        for capability, body in {
            "power": "POWR", "input": "INPT", "errors": "ERST", "lamp-hours": "LAMP", "mute": "AVMT",
        }.items():  # fmt: skip
            if await self._knows(body):
                can.add(capability)
        maker, model = await self._word("INF1"), await self._word("INF2")
        class_ = await self._word("CLSS")
        is_class_2 = class_ == "2"
        serial = await self._word("SNUM", class_=2) if is_class_2 else ""
        for capability, body in {"signal": "IRES", "filter-hours": "FILT"}.items():
            if is_class_2 and await self._knows(body):
                can.add(capability)
        self.info = replace(
            self.info,
            protocol=f"PJLink class {class_ or '1'}"[:20],
            maker=maker,
            model=model,
            serial=serial,
            capabilities=frozenset(can),
            inputs=await self._inputs(is_class_2=is_class_2),
        )

    async def _inputs(self, *, is_class_2: bool) -> dict[str, str]:
        """Return its inputs' names, with the labels that class 2 has for them; nothing while it does not say."""
        param = await self._ask_if_it_may("INST", class_=2 if is_class_2 else 1)
        labels = {}
        for code in codec.parse_inputs(param or ""):
            label = await self._ask_if_it_may("INNM", f"?{code}", class_=2) if is_class_2 else None
            labels[codec.input_name(code)] = label or ""
        return labels

    async def _word(self, body: str, *, class_: int = 1) -> str:
        return await self._ask_if_it_may(body, class_=class_) or ""

    async def _knows(self, body: str) -> bool:
        try:
            await self._ask(body)
        except DeviceUnsupportedError:
            return False
        except DeviceNotNowError:
            return True
        return True

    async def _ask_if_it_may(self, body: str, param: str = "?", *, class_: int | None = None) -> str | None:
        """Return the answer; None when it does not know the command, or not now."""
        try:
            return await self._ask(body, param, class_=class_)
        except (DeviceUnsupportedError, DeviceNotNowError):
            return None

    async def _set(self, body: str, param: str, *, class_: int = 1) -> None:
        answer = await self._ask(body, param, class_=class_)
        if answer.upper() != "OK":
            raise self._unreadable(UnreadableError(f'"{answer[:20]}" instead of OK'))

    async def _ask(self, body: str, param: str = "?", *, class_: int | None = None) -> str:
        """Send one command and return its answer's parameter; an ``ERRn`` is raised as what it means (§2.2)."""
        prefix, self._prefix = self._prefix, b""
        command = codec.command(body, param, class_=class_ or (2 if body in _CLASS_2 else 1))
        await self._line.send(prefix + command)
        answer = await self._answer_to(body)
        whose = self._config.whose
        match answer.error:
            case None:
                return answer.param
            case "ERR1" | "ERR2":
                raise DeviceUnsupportedError(f"{whose} does not know {body} {param} ({answer.error})")
            case "ERR3":
                raise DeviceNotNowError(
                    f"{whose} cannot do that in its present state ({body}); it is tried again", retry_after_s=NOT_NOW_S
                )
            case _:
                raise DeviceError(f"{whose} reports a failure of its own (ERR4); look at its display and its manual")

    async def _answer_to(self, body: str) -> codec.Answer:
        for _ in range(STRAY_MOST):
            try:
                raw = await self._line.read_until(codec.END, within_s=self._pace.answer_s, most=codec.PACKET_MOST)
            except DeviceTimeoutError:
                if self._line.pending:
                    raise self._line.foreign(self._line.pending) from None
                raise
            if codec.is_refusal(raw):
                raise _refused(self._config)
            try:
                answer = codec.parse_answer(raw)
            except UnreadableError:
                raise self._line.foreign(raw) from None
            if answer.body == body:
                return answer
            self.strays += 1  # a notification of the link on the wrong connection has been seen
        raise DeviceProtocolError(f"{self._config.whose} answers everything but what it is asked; switch it off and on")

    def _read(self, parse: Callable[[str], Power], param: str) -> Power:
        try:
            return parse(param)
        except UnreadableError as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: UnreadableError) -> DeviceProtocolError:
        return DeviceProtocolError(f"{self._config.whose} answers what PJLink does not know: {error}")


def _refused(config: PJLinkConfig) -> DevicePasswordError:
    if config.password_file is None:
        return DevicePasswordError(f"{config.whose} asks for a password; write it into a file and name password_file")
    return DevicePasswordError(
        f"{config.whose} refuses the password in {config.password_file}; it is not tried again until that changes"
    )


# --- login ------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def connect(config: PJLinkConfig, known: DisplayInfo | None, *, pace: Pace = PACE) -> AsyncIterator[Display]:
    """Log in and ask who it is; see `agent.devices.display`."""
    file = config.password_file
    password = None if file is None else await asyncio.to_thread(read_password, file, config.whose)
    tries = _Logins(config, password, known, pace)
    for is_last in (False, False, True):  # asked for SHA-256 and hung up; then a stray line and hung up; then for good
        async with tcp_line(config.host, config.port, whose=config.whose, connect_s=pace.connect_s) as line:
            display = await tries.log_in(line)
            if display is None:
                continue
            try:
                if known is None or not known.inputs:
                    await display.identify()
            except DeviceLostError:
                if is_last or not display.strays:
                    raise
                continue
            yield display
            return
    raise DeviceProtocolError(f"{config.whose} hangs up after each greeting; switch it off and on, or see its manual")


@dataclass(slots=True)
class _Logins:
    """What is tried, over the connections that one login may take."""

    config: PJLinkConfig
    password: str | None
    known: DisplayInfo | None
    pace: Pace
    is_sha256_refused: bool = False

    async def log_in(self, line: ByteLine) -> PJLinkDisplay | None:
        """Read the greeting and make ready for the first command; None when a new connection is needed for MD5."""
        try:
            greeting = await self._greeting(line, self.pace.answer_s)
        except DeviceLostError:
            raise DeviceBusyError(
                f"{self.config.whose} hangs up without a greeting; another program may hold its one connection"
            ) from None
        prefix, login = b"", greeting.login
        if greeting.login == "refused":
            raise _refused(self.config)
        if greeting.login != "open":
            if self.password is None:
                raise _refused(self.config)
            if greeting.login == "md5" and self._wants_sha256():
                asked = await self._ask_sha256(line)
                if asked is None:
                    self.is_sha256_refused = True
                    return None
                greeting, login = asked, "sha256"
            if login == "md5":
                prefix = codec.md5_prefix(greeting.random, self.password)
            else:
                prefix = codec.sha256_prefix(greeting.random, secrets.token_hex(16), self.password)
        info = self.known or DisplayInfo(driver="pjlink")
        return PJLinkDisplay(line, self.config, prefix, replace(info, login=login), self.pace)

    def _wants_sha256(self) -> bool:
        if self.config.login == "md5":
            return False
        if self.config.login == "sha256":
            if self.is_sha256_refused:
                raise DeviceUnsupportedError(
                    f'{self.config.whose} does not know the login with SHA-256; write login = "auto" or "md5"'
                )
            return True
        return not self.is_sha256_refused and (self.known is None or self.known.login != "md5")

    async def _ask_sha256(self, line: ByteLine) -> codec.Greeting | None:
        """Ask for the newer login; None when the projector does not know it, whatever it says or does instead."""
        try:
            await line.send(codec.ASK_SHA256)
            greeting = await self._greeting(line, self.pace.ask_sha256_s)
        except (DeviceTimeoutError, DeviceLostError, DeviceProtocolError):
            return None
        return greeting if greeting.login == "sha256" else None

    async def _greeting(self, line: ByteLine, within_s: float) -> codec.Greeting:
        raw = await line.read_until(codec.END, within_s=within_s, most=codec.PACKET_MOST)
        try:
            return codec.parse_greeting(raw)
        except UnreadableError:
            raise line.foreign(raw) from None


# --- UDP: search and notifications ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """A projector that answered a search."""

    address: str
    mac: str


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, take: Callable[[bytes, str], None]) -> None:
        self._take = take

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._take(data, addr[0])


async def search(
    broadcast: str = "255.255.255.255",
    *,
    listen_address: str = "0.0.0.0",  # noqa: S104 -- answers come from any projector of the subnet
    port: int = codec.PORT,
    rounds: int = SEARCH_ROUNDS,
    pause_s: float = SEARCH_PAUSE_S,
    collect_s: float = SEARCH_COLLECT_S,
) -> list[Found]:
    """Ask the subnet for class 2 projectors, in rounds, since datagrams are lost; sorted by address.

    Class 1 and projectors with the search switched off do not answer. Raises DeviceBusyError when another program of
    this machine, as an agent that listens for notifications, has UDP 4352, and DeviceNotFoundError without a network.
    """
    found: dict[str, Found] = {}

    def take(data: bytes, address: str) -> None:
        mac = codec.parse_search_answer(data)
        if mac is not None:
            found[mac] = Found(address, mac)

    async with _udp(take, listen_address, port) as transport:
        for _ in range(rounds):
            try:
                transport.sendto(codec.SEARCH, (broadcast, port))
            except OSError as error:
                raise DeviceNotFoundError(f"nothing can be sent to {broadcast} ({error}); check the network") from None
            await asyncio.sleep(pause_s)
        await asyncio.sleep(max(0.0, collect_s - rounds * pause_s))
    return sorted(found.values(), key=lambda one: (one.address, one.mac))


@asynccontextmanager
async def listen(config: PJLinkConfig, on_news: Callable[[], None], *, port: int = codec.PORT) -> AsyncIterator[None]:
    """Call ``on_news`` for each notification from the projector's own address, if the configuration wants them.

    Only that something happened is taken from a datagram, which anybody can forge: what happened is asked then.
    """
    if not config.notifications:
        yield
        return
    loop = asyncio.get_running_loop()
    try:
        resolved = await loop.getaddrinfo(config.host, config.port, family=socket.AF_INET, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise DeviceNotFoundError(f"{config.whose}: that name has no address; correct host") from None
    addresses = {entry[4][0] for entry in resolved}

    def take(data: bytes, address: str) -> None:
        told = codec.parse_notification(data)
        if told is not None and address in addresses:
            log.debug("The projector tells news", extra={"kind": told.kind})
            on_news()

    async with _udp(take, config.listen_address, port):
        yield


@asynccontextmanager
async def _udp(take: Callable[[bytes, str], None], address: str, port: int) -> AsyncIterator[asyncio.DatagramTransport]:
    loop = asyncio.get_running_loop()
    try:
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(take), local_addr=(address, port), allow_broadcast=True
        )
    except OSError as error:
        raise DeviceBusyError(
            f"UDP port {port} of {address} cannot be had ({error.strerror}); one program of a machine can listen for "
            "PJLink: stop the other, or switch notifications off"
        ) from None
    try:
        yield transport
    finally:
        transport.close()


# --- for people -------------------------------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> int:
    """Print projectors that answer a search, or with an address what that one says; 2 for an error of the user's."""
    parser = argparse.ArgumentParser(prog="python -m agent.devices.pjlink", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("host", nargs="?", help="show what this projector says; without it, search")
    parser.add_argument("--password-file", type=Path)
    parser.add_argument("--broadcast", default="255.255.255.255", help="the subnet's broadcast address")
    args = parser.parse_args(argv)
    try:
        if args.host is None:
            lines = asyncio.run(_list_found(args.broadcast))
        else:
            lines = asyncio.run(_describe(PJLinkConfig(host=args.host, password_file=args.password_file)))
    except (EstradeError, ValueError) as error:
        code = error.code if isinstance(error, EstradeError) else ConfigError.default_code
        sys.stderr.write(f"{error} [{code}]\n")
        return 2
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0


async def _list_found(broadcast: str) -> list[str]:
    found = await search(broadcast)
    return [f"{one.address}  {one.mac}" for one in found] or ["no projector answered (class 1 never does)"]


async def _describe(config: PJLinkConfig) -> list[str]:
    async with connect(config, None) as display:
        info, status = display.info, await display.status()
    lines = [f"{info.maker} {info.model} {info.serial}".strip(), f"can: {', '.join(sorted(info.capabilities))}"]
    lines += [f"input {name}  {label}".rstrip() for name, label in info.inputs.items()]
    return [*lines, f"power: {status.power}, input: {status.input or '-'}, lamp hours: {status.lamp_hours or '-'}"]


driver = DisplayDriver(name="pjlink", config=PJLinkConfig, connect=connect, listen=listen)


if __name__ == "__main__":
    sys.exit(main())
