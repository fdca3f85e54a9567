"""Run one centre: binds the port, opens the store, then one TaskGroup of links, ticks and the HTTP server."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import importlib.metadata
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

import uvicorn
import uvloop

from controller import centre as centres
from controller import heartbeat, retention
from controller.api.app import create_app
from controller.backoff import until_stored
from controller.centre import Centre
from controller.config import ControllerConfig
from controller.keys import load_keys
from controller.notify_systemd import SystemdNotifier
from controller.pki import controller_name
from controller.safe_http import SafeHttp
from controller.store.store import open_store
from mqttlink import Link, LinkSettings, Presence
from protocol.errors import ConfigError, StoreError
from protocol.messages import PROTO, ConfigDocument, ControllerStatus, DeathReason
from protocol.topics import RoomTopics, controller_status

log = logging.getLogger(__name__)

TICK_S = 1.0
STUCK_S = 5.0
"""A loop that has not ticked for so long is stuck; systemd's watchdog then starts us anew."""
EVENTS_SESSION_S = 3_600
"""The broker keeps events for us while we are away; the rooms' outboxes keep them longer than that."""
GRACEFUL_S = 5
MOST_HEADER_BYTES = 32_768
"""Of one request, as proxies have it: nginx takes 4 × 8 KiB."""
_BACKLOG = 2_048


def run(config: ControllerConfig) -> int:
    """Run until SIGTERM or SIGINT; return the exit status. Raises ConfigError for what people can mend."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Fields("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for name in ("alembic", "aiosqlite", "uvicorn.error"):
        logging.getLogger(name).setLevel(logging.WARNING)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(config))
    return 0


class _Fields(logging.Formatter):
    """A line with the fields it was given: the link's reasons are in them."""

    _of_every_record = frozenset(vars(logging.makeLogRecord({}))) | {"message", "taskName", "color_message"}

    def format(self, record: logging.LogRecord) -> str:
        line, newline, traceback = super().format(record).partition("\n")
        fields = [f"{key}={value}" for key, value in vars(record).items() if key not in self._of_every_record]
        return f"{line} ({', '.join(fields)}){newline}{traceback}" if fields else f"{line}{newline}{traceback}"


async def serve(
    config: ControllerConfig,
    *,
    on_ready: Callable[[str], None] = lambda url: None,
    sign_in_check_s: float = centres.SIGN_IN_CHECK_S,
) -> None:
    """Serve until a signal comes or the task is cancelled. ``on_ready`` gets the public address."""
    listening = bind(config.http.host, config.http.port)
    try:
        public_url = config.http.url(listening.getsockname()[1])
        keys = load_keys(config.state_dir)
        async with open_store(config.database) as store:
            rpc, events = links(config)
            centre = centres.build(config, store, rpc, keys, public_url=public_url, sign_in_check_s=sign_in_check_s)
            centre.ingest.attach(rpc, events)
            await centres.load(centre)
            try:
                await _run_all(centre, rpc, events, listening, on_ready)
            finally:
                await centre.media_server.close()
                await _save_last(centre)
    finally:
        listening.close()


async def _save_last(centre: Centre) -> None:
    for save in (centre.ingest.flush, centre.book.save, centre.audit.save):
        try:
            await save()
        except StoreError as error:
            log.error("something is not stored at the end: %s [%s]", error.message, error.code)


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket; raise ConfigError ``port-taken`` or ``config-invalid``."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, proto)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(address)
            listening.listen(_BACKLOG)  # now, so that a second program is refused the port
        except OSError:
            listening.close()
            raise
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            msg = f"port {port} on {host} is taken by another program; end it or choose another http.port"
            raise ConfigError(msg, code="port-taken") from error
        msg = f"http.host: cannot listen on {host} port {port} ({error.strerror})"
        raise ConfigError(msg) from error
    listening.setblocking(False)
    return listening


def links(config: ControllerConfig) -> tuple[Link, Link]:
    """Return the two connections to the broker, each with its own certificate.

    ``rpc`` starts clean each time: what it needs is retained. ``events`` keeps its session for an hour.
    """

    def settings(purpose: str, **more: int | bool) -> LinkSettings:
        files = config.broker.rpc if purpose == "rpc" else config.broker.events
        return LinkSettings(
            host=config.broker.host,
            port=config.broker.port,
            client_id=controller_name(config.instance, purpose),
            ca_file=config.broker.ca_file,
            cert_file=files.cert_file,
            key_file=files.key_file,
            keepalive_s=config.broker.keepalive_s,
            **more,  # type: ignore[arg-type]  # clean_start is the bool, the others are ints
        )

    version = importlib.metadata.version("estrade")

    def birth(sid: str) -> ControllerStatus:
        return ControllerStatus(online=True, sid=sid, version=version, proto=PROTO, at=centres.utc_now())

    def death(sid: str, reason: DeathReason) -> ControllerStatus:
        return ControllerStatus(online=False, sid=sid, reason=reason, at=centres.utc_now())

    presence = Presence(controller_status(config.instance), birth, death)
    return (
        Link(settings("rpc"), presence),
        Link(settings("events", clean_start=False, session_expiry_s=EVENTS_SESSION_S)),
    )


class _Server(uvicorn.Server):
    """uvicorn inside our TaskGroup: signals are ours, and we hear when it listens."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().serve(sockets)
        finally:  # when we are cancelled uvicorn leaves its sockets in the loop
            for listener in getattr(self, "servers", ()):
                listener.close()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()


async def _run_all(
    centre: Centre, rpc: Link, events: Link, listening: socket.socket, on_ready: Callable[[str], None]
) -> None:
    outside = SafeHttp(centre.config.fetch)
    notifier = SystemdNotifier()
    ticked = [time.monotonic()]

    def ready() -> None:
        log.info("listening on %s", centre.public_url)
        notifier.say("READY=1", f"STATUS=listening on {centre.public_url}")
        on_ready(centre.public_url)

    tls = centre.config.http.tls
    server = _Server(
        uvicorn.Config(
            create_app(centre),
            lifespan="off",
            http="h11",  # httptools, which uvicorn would take, has no limit on headers
            h11_max_incomplete_event_size=MOST_HEADER_BYTES,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(centre.config.http.trusted_proxies),
            forwarded_allow_ips=list(centre.config.http.trusted_proxies),
            ssl_certfile=tls.cert_file if tls else None,
            ssl_keyfile=tls.key_file if tls else None,
            timeout_graceful_shutdown=GRACEFUL_S,
            timeout_keep_alive=30,
        ),
        ready,
    )

    def stop(name: str) -> None:
        log.info("stopping: %s", name)
        notifier.say("STOPPING=1")
        centre.hub.close()
        server.should_exit = True

    loop = asyncio.get_running_loop()
    reload = asyncio.Event()
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number.name)
    try:
        async with asyncio.TaskGroup() as tasks:
            beside = [
                tasks.create_task(rpc.run(), name="link-rpc"),
                tasks.create_task(events.run(), name="link-events"),
                tasks.create_task(centre.book.run(partial(_publish_config, rpc)), name="lesson-book"),
                tasks.create_task(centre.ingest.run_acks(rpc), name="event-acks"),
                tasks.create_task(centre.ingest.run_flush(), name="flush"),
                tasks.create_task(centre.audit.run(), name="audit"),
                tasks.create_task(
                    retention.run(centre.store, centre.config.retention, now=centre.now), name="retention"
                ),
                tasks.create_task(centre.shares.run(), name="shares"),
                tasks.create_task(_beat(centre, outside), name="heartbeat"),
                tasks.create_task(_tick(centre, ticked), name="tick"),
                tasks.create_task(_reload(centre, reload), name="reload"),
                tasks.create_task(
                    notifier.run_watchdog(lambda: time.monotonic() - ticked[0] < STUCK_S), name="watchdog"
                ),
            ]
            await server.serve(sockets=[listening])
            for task in beside:
                task.cancel()
    finally:
        centre.hub.close()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(number)


async def _publish_config(rpc: Link, topics: RoomTopics, document: ConfigDocument | None) -> None:
    await rpc.publish(topics.config, b"" if document is None else document, retain=True)


async def _beat(centre: Centre, http: SafeHttp) -> None:
    """Tell whoever watches us that we are well, where the configuration names somebody."""

    async def is_well() -> bool:
        return all((await centres.parts(centre)).values())

    if address := centre.config.notices.heartbeat_url:
        await heartbeat.run(http, address, is_well)


async def _tick(centre: Centre, ticked: list[float]) -> None:
    """Look at every room's age each second, and note how late the loop was."""
    due = time.monotonic()
    while True:
        ticked[0] = time.monotonic()
        centre.metrics.loop_lag.set(max(0.0, ticked[0] - due))
        centre.fleet.tick()
        centre.book.tick()
        due = ticked[0] + TICK_S
        await asyncio.sleep(TICK_S)


async def _reload(centre: Centre, wanted: asyncio.Event) -> None:
    """Take up rooms added in the database, at SIGHUP (``systemctl reload``)."""
    while True:
        await wanted.wait()
        wanted.clear()
        await until_stored(partial(centres.reload_rooms, centre))
        log.info("%d rooms", len(centre.fleet))
