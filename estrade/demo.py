"""``estrade demo``: a broker, a centre and one room on this machine, set up as in production, and three links.

Everything runs as child processes that end with us. The room's agent is started again at once when it dies, as its
unit would; the others a moment later.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from estrade import demo_folder, lan
from estrade.children import Child, python
from estrade.demo_folder import LOOPBACK, ROOM, ROOM_NAME, DemoFolder, any_port, free_port, need_port
from estrade.programs import need_program
from estrade.words import say
from protocol.errors import ConfigError, EstradeError

READY_S = 60.0
"""The first start of an agent imports cold; a loaded machine takes its time."""
START_S = 20.0
LOOK_S = 0.05
_BROKER_RESTART_S, _AGENT_RESTART_S, _OTHER_RESTART_S = 0.2, 0.1, 0.5
_AFTER_START = {"live", "degraded", "failed"}

_ENDS_IN_ORDER = ("ca", "simulated-rooms", "agent", "controller", "mosquitto")
"""Those who say goodbye before those who hear it."""

Options = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the command line asks for; ports of None are chosen."""

    state: Path
    camera: Options = field(default_factory=lambda: {"driver": "simulated"})
    microphone: Options = field(default_factory=lambda: {"driver": "simulated"})
    board: Options = field(default_factory=lambda: {"driver": "simulated"})
    more: Mapping[str, Options] = field(default_factory=dict)
    """Further keys of the room's configuration, by table (``--set``)."""
    more_of_centre: Mapping[str, Options] = field(default_factory=dict)
    """The same for the centre's (``--set-centre``)."""
    rooms: int = 0
    is_lan: bool = False
    is_fresh: bool = False
    starts: bool = False
    is_json: bool = False
    is_verbose: bool = False
    panel_port: int | None = None
    web_port: int | None = None


def default_state() -> Path:
    """Return the demo's folder: XDG_STATE_HOME/estrade/demo."""
    home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(home) / "estrade" / "demo"


def run(options: DemoOptions) -> int:
    """Run the demo until Ctrl-C; return the exit status. Raises EstradeError for what people can mend."""
    mosquitto = need_program("mosquitto", "mosquitto")
    folder = DemoFolder(options.state, fresh=options.is_fresh)
    try:
        demo = Demo(options, folder, mosquitto)
        demo.prepare()
        try:
            asyncio.run(demo.run())
        except* EstradeError as group:
            raise _first(group) from None
    finally:
        folder.close()
    return 0


def devices_of(options: DemoOptions) -> dict[str, Options]:
    """Return the tables of the room's configuration that say what it has."""
    devices: dict[str, Options] = {
        "camera": options.camera,
        "microphone": options.microphone,
        "board": options.board,
    }
    if options.board["driver"] == "x11" and options.camera["driver"] != "v4l2":
        devices["selftest"] = {"camera_sees_board": False}  # it was drawn or filmed elsewhere
    for table, more in options.more.items():
        devices[table] = {**devices.get(table, {}), **more}
    return devices


def _first(group: BaseExceptionGroup[EstradeError]) -> EstradeError:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


class Demo:
    """One run: `prepare` writes files, `run` lives until a signal."""

    def __init__(self, options: DemoOptions, folder: DemoFolder, mosquitto: str) -> None:
        self._options = options
        self._folder = folder
        self._mosquitto = mosquitto
        self._host = lan.lan_address() if options.is_lan else LOOPBACK
        listen = "0.0.0.0" if options.is_lan else LOOPBACK  # noqa: S104  # a phone is to come in; asked for by --lan
        self._listen = listen
        self._panel_port = _port(options.panel_port, demo_folder.PANEL_PORT, LOOPBACK)
        self._web_port = _port(options.web_port, demo_folder.WEB_PORT, listen)
        self._ca_port = free_port(demo_folder.CA_PORT, self._host)
        self._broker_port = any_port(LOOPBACK)
        self._web = f"{'https' if options.is_lan else 'http'}://{self._host}:{self._web_port}"
        self._panel = PanelAddress(f"http://{LOOPBACK}:{self._panel_port}", folder.panel_token)
        self._rooms = demo_folder.simulated_rooms(options.rooms)
        self._files: dict[str, Path] = {}
        self._it_password: str | None = None
        self._children: list[Child] = []
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def prepare(self) -> None:
        """Write certificates and configurations."""
        self._tell(say("preparing"))
        options, folder = self._options, self._folder
        authority = folder.authority()
        self._files["ca"] = authority.ca_path
        self._files["controller"] = folder.write_controller(
            authority,
            broker_port=self._broker_port,
            host=self._listen,
            port=self._web_port,
            public_url=self._web,
            tls=options.is_lan,
            more=options.more_of_centre,
        )
        self._files["agent"] = folder.write_agent(
            authority, broker_port=self._broker_port, panel_port=self._panel_port, devices=devices_of(options)
        )
        if self._rooms:
            self._files["simulated"] = folder.write_simulated(authority, self._rooms, broker_port=self._broker_port)
        self._files["broker"] = folder.write_broker(authority, self._broker_port)

    async def run(self) -> None:
        """Start everything, print the links, wait for a signal, end everything in order."""
        self._tell(say("starting"))
        told_to_stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal, told_to_stop)
        async with asyncio.TaskGroup() as group:
            working = group.create_task(self._start_all(group), name="start")
            stopping = group.create_task(told_to_stop.wait(), name="stop")
            try:
                await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
                if not stopping.done():
                    await working
                    await told_to_stop.wait()
                self._tell(say("stopping"))
            finally:
                working.cancel()
                for name in _ENDS_IN_ORDER:
                    if (task := self._tasks.get(name)) is not None:
                        task.cancel()
                        await asyncio.wait((task,))

    def _on_signal(self, told_to_stop: asyncio.Event) -> None:
        if told_to_stop.is_set():  # somebody is in a hurry
            for child in self._children:
                child.kill()
        told_to_stop.set()

    async def _start_all(self, group: asyncio.TaskGroup) -> None:
        broker = self._child("mosquitto", [self._mosquitto, "-c", str(self._files["broker"])], _BROKER_RESTART_S)
        self._start(group, broker)
        await self._ready(broker, partial(_answers, self._broker_port))
        agent = self._child("agent", python("agent.cli", "--config", str(self._files["agent"])), _AGENT_RESTART_S)
        children = [agent]
        if self._rooms:
            argv = python("estrade.simulated_rooms", str(self._files["simulated"]))
            children.append(self._child("simulated-rooms", argv, _OTHER_RESTART_S))
        for child in children:
            self._start(group, child)
        rooms = [demo_folder.Room(ROOM, ROOM_NAME), *self._rooms]
        self._it_password = await asyncio.to_thread(self._folder.register, self._files["controller"], rooms)
        argv = python("controller.cli", "--config", str(self._files["controller"]))
        controller = self._child("controller", argv, _OTHER_RESTART_S)
        self._start(group, controller)
        for child in (controller, *children):
            await self._ready(child)
        if self._options.is_lan:
            pem = await asyncio.to_thread(self._files["ca"].read_bytes)
            serving = lan.serve_ca(pem, self._host, self._ca_port)
            self._tasks["ca"] = group.create_task(serving, name="ca")
        access = await self._access(agent)
        if self._options.starts:
            await self._press_start(agent)
        self._show(access)
        if self._it_password is not None:
            self._folder.note_password_shown()

    def _start(self, group: asyncio.TaskGroup, child: Child) -> None:
        self._tasks[child.name] = group.create_task(child.run(), name=child.name)
        self._children.append(child)

    def _child(self, name: str, argv: list[str], restart_s: float) -> Child:
        return Child(
            name,
            argv,
            self._folder.logs / f"{name}.log",
            notifies=name != "mosquitto",  # not every mosquitto is built to
            restart_s=restart_s,
            echo=_to_stderr if self._options.is_verbose else None,
            on_restart=lambda name, why: _to_stderr(say("restarted", name=name, why=why)),
        )

    async def _ready(self, child: Child, is_there: Callable[[], bool] | None = None) -> None:
        try:
            async with asyncio.timeout(READY_S):
                while is_there is not None and not child.ready.is_set():
                    if is_there():
                        child.ready.set()
                    await asyncio.sleep(LOOK_S)
                await child.ready.wait()
        except TimeoutError:
            error = child.failure(f"{child.name} was not ready in {READY_S:g} s")
            error.code = "not-ready"
            raise error from None

    async def _access(self, agent: Child) -> dict[str, str]:
        """Wait until the room has its code and link from the centre, and the centre takes the code.

        A room keeps what it was told last; after a change of address or lesson that is out of date for an instant.
        """
        refused: set[str] = set()

        def is_current(view: dict[str, Any]) -> bool:
            if view.get("pin") == "locked":
                raise ConfigError("a PIN hides the link and code that the demo prints; leave panel.pin_file out")
            access = view.get("access") or {"link": "", "code": ""}
            if (
                view.get("centre") != "connected"
                or not access["link"].startswith(self._web)
                or access["code"] in refused
            ):
                return False
            if _opens(self._web, access["code"], self._files["ca"] if self._options.is_lan else None):
                return True
            refused.add(access["code"])  # wrong codes are counted: never twice
            return False

        view = await self._panel_shows(is_current, agent, f"the centre told the room nothing in {READY_S:g} s", READY_S)
        access: dict[str, str] = view["access"]
        return access

    async def _press_start(self, agent: Child) -> None:
        await asyncio.to_thread(self._panel.ask, "/api/lesson/start", method="POST")
        view = await self._panel_shows(
            lambda view: view.get("state") in _AFTER_START, agent, f"the lesson did not start in {START_S:g} s", START_S
        )
        if view["state"] == "failed":
            raise EstradeError(f"the lesson did not start: {(view.get('problem') or {}).get('message')}")

    async def _panel_shows(
        self, wanted: Callable[[dict[str, Any]], bool], agent: Child, else_say: str, timeout_s: float
    ) -> dict[str, Any]:
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    view = await asyncio.to_thread(self._panel.ask)
                    if view is not None and await asyncio.to_thread(wanted, view):
                        return view
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            error = agent.failure(else_say)
            error.code = "not-ready"
            raise error from None

    # --- what people see ------------------------------------------------------------------------------------------

    def _show(self, access: Mapping[str, str]) -> None:
        link = access["link"]
        links: dict[str, Any] = {
            "panel": self._panel.link(),
            "pupil": link,
            "it": f"{self._web}/it/",
            "code": access["code"],
            "room": ROOM,
            "whep": f"{self._web}/whep/{ROOM}?link={link.rsplit('/', 1)[1]}",
            "it_name": demo_folder.IT_NAME,
        }
        if self._it_password is not None:
            links["it_password"] = self._it_password
        if self._options.is_lan:
            links["ca"] = f"http://{self._host}:{self._ca_port}/ca.pem"
            links["ca_file"] = str(self._files["ca"])
        if self._options.is_json:
            print(json.dumps(links), flush=True)
            return
        known = say("it-password-known", name=demo_folder.IT_NAME)
        new = say("it-password", name=demo_folder.IT_NAME, password=self._it_password)
        lines = [
            ("panel", links["panel"]),
            ("pupil", link),
            ("code", access["code"]),
            ("it", links["it"]),
            ("it-account", known if self._it_password is None else new),
        ]
        if self._rooms:
            lines.append(("rooms", len(self._rooms)))
        if self._options.is_lan:
            lines += [("ca", links["ca"]), ("ca-print", lan.fingerprint(self._files["ca"]))]
        lines.append(("logs", self._folder.logs))
        width = max(len(say(key)) for key, _ in lines)
        print()
        for key, value in lines:
            print(f"  {say(key):<{width}}  {value}")
        if self._options.is_lan:
            _print_qr(link)
        print(f"\n{say('started' if self._options.starts else 'press')} {say('stop')}", flush=True)

    def _tell(self, sentence: str) -> None:
        if not self._options.is_json:
            print(sentence, flush=True)


def _port(asked: int | None, usual: int, host: str) -> int:
    return free_port(usual, host) if asked is None else need_port(asked, host)


def _answers(port: int) -> bool:
    return not demo_folder.is_free(port)


class PanelAddress:
    """The room's panel: its address, and the token of this boot that the agent keeps in a file."""

    def __init__(self, address: str, token: Callable[[], str]) -> None:
        self._address = address
        self._token = token

    def link(self) -> str:
        """Return what a browser opens; the token is swapped for a cookie there."""
        return f"{self._address}/?token={self._token()}"

    def ask(self, path: str = "/api/panel", *, method: str = "GET") -> dict[str, Any] | None:
        """Return the panel's view, or None while it does not answer."""
        try:
            request = urllib.request.Request(  # noqa: S310  # our own http address
                self._address + path,
                method=method,
                data=b"" if method == "POST" else None,
                headers={"Authorization": f"Bearer {self._token()}"},
            )
            with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
                view: dict[str, Any] = json.load(answer)
                return view
        except (urllib.error.URLError, OSError, ValueError):
            return None


def _opens(web: str, code: str, ca_file: Path | None) -> bool:
    """Return whether the centre takes this code; False also while it does not answer."""
    body = json.dumps({"code": code}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{web}/api/v1/join", data=body, headers=headers)  # noqa: S310  # our own address
    context = ssl.create_default_context(cafile=ca_file) if ca_file else None
    try:
        with urllib.request.urlopen(request, timeout=5, context=context) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except OSError:
        return False


def _print_qr(link: str) -> None:
    import segno

    if sys.stdout.isatty():
        print()
        segno.make(link, error="m").terminal(compact=True)


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
