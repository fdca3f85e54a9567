"""The agent as a whole: one TaskGroup tree; wires the parts and holds no policy of its own."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from agent import sending_alarm
from agent.auto_framing import AutoFraming
from agent.baselines import Baselines
from agent.board_memory import BoardMemory
from agent.board_output import BoardOutput
from agent.board_power import BoardPower
from agent.camera_reports import CameraReports
from agent.commands import Commands
from agent.config import RoomSettings
from agent.desired import DesiredConfig
from agent.devices.capture import CaptureHost
from agent.devices.x11 import X11Config
from agent.event_sender import EventSender
from agent.health_watch import HealthWatch
from agent.host_watch import HostWatch
from agent.hotplug import OF_ROLE, HotPlug
from agent.idle_look import IdleLook
from agent.kept_lesson import LessonKeeper
from agent.lesson import Lesson
from agent.line_watch import LineWatch
from agent.load_watch import LoadWatch
from agent.notify import Heart, SystemdNotifier, feed_watchdog
from agent.on_air import Departures, Stray
from agent.outbox import Outbox
from agent.recording_key import recording_key
from agent.recordings import Recordings
from agent.red_corner import RedCorner
from agent.relay_watch import RelayWatch
from agent.reporter import Reporter
from agent.room_camera import RoomCamera
from agent.room_checks import RoomChecks
from agent.room_recording import RoomRecording
from agent.selftest.hearing import usual_gain_db
from agent.selftest.line import LineParts
from agent.selftest.live import LiveParts
from agent.selftest.room import RoomParts
from agent.selftest.runner import SelfTest
from agent.sending_alarm import SendingAlarm
from agent.sharing import Sharing
from agent.starts import Starts
from agent.streams import hardware
from agent.streams.publisher import warm_up
from agent.streams.turn import Reach
from agent.version import VERSION
from agent.web.audience import AudiencePanel
from agent.web.camera import CameraPanel
from agent.web.door import PanelDoor
from agent.web.pin import Pin
from agent.web.recording import RecordingPanel
from agent.web.screen import ScreenPanel
from agent.web.server import PanelServer
from agent.web.token import PanelToken
from agent.web.view import CentreLine, panel_view
from mqttlink.centre_clock import CentreClock
from mqttlink.link import Link, LinkSettings, Message
from mqttlink.presence import Presence
from protocol.lesson import RUNNING, LessonState
from protocol.messages import ControllerStatus, DeathReason, RoomStatus, SendingStopped
from protocol.panel import PanelView
from protocol.topics import CONTROLLER_STATUSES

log = logging.getLogger(__name__)

LOOK_S = 0.25
"""How often facts that change by themselves (packets left, pages that a media server sends to) are looked at."""
FRAMES_MOST_S = 15.0
"""A lesson whose open devices gave nothing at all for this long makes no progress."""
ENDING_MOST_S = 10.0
"""A lesson that still ends after this hangs; nothing beats its heart but the end itself."""


SETTLE_S = 1.0
"""The disk may take so long to store why the agent falls; nothing is sent meanwhile."""


def fall_at_once() -> None:
    """End the process without a further turn of its loop; systemd starts it again, the kernel ends its children."""
    os._exit(os.EX_SOFTWARE)


class Agent:
    """One room. ``run`` lives until cancelled; ConfigError when the panel's port is taken."""

    def __init__(
        self, settings: RoomSettings, notifier: SystemdNotifier, *, fall: Callable[[], None] = fall_at_once
    ) -> None:
        self._settings = settings
        self._notifier = notifier
        self._topics = settings.topics
        self.ready = asyncio.Event()
        """Set when the room answers everything: its panel listens and its first viewer will not wait for start-up."""
        self._controllers: dict[str, int] = {}
        """Those that are there, with their protocol's version."""
        self._centre = CentreLine(since=datetime.now(UTC))
        self._outbox = Outbox(settings.state_dir / "outbox.sqlite")
        self._desired = DesiredConfig(settings.state_dir / "desired.json")
        self._alarm = SendingAlarm(settings.state_dir / "sending.json")
        self._fall = fall
        departures = Departures()
        departures.on_stray(self._strayed)
        self._host = CaptureHost([choice.driver for choice in settings.devices])
        keeper = LessonKeeper(settings.state_dir / "lesson.json", _boot())
        self._lesson = Lesson(
            self._room_name,
            settings.devices,
            self._host,
            settings.streams,
            self._outbox,
            keeper,
            departures,
            has_lobby=settings.lesson.lobby,
        )
        door = PanelDoor(PanelToken(settings.panel.token_file, keeper.boot), Pin.read(settings.panel.pin_file))
        self._door = door
        self._hardware = hardware.Hardware()
        self._panel = PanelServer(
            self._lesson,
            self._view,
            settings.panel.port,
            door,
            self._calibrate,
            selftest=lambda: self._selftest,
        )
        self._centre_clock = CentreClock()
        self._link = self._make_link()
        self._reach = Reach()
        self._relay_watch = RelayWatch(self._topics, self._link, self._reach)
        self._checks = RoomChecks()
        self._reporter = Reporter(
            self._topics, self._link, self._lesson, self._outbox, self._desired, self._reach, self._alarm, self._checks
        )
        self._board_power = self._make_board_power()
        self._camera_reports = self._make_camera_reports()
        self._camera = self._make_camera()
        self._camera_panel = self._make_camera_panel()
        self._baselines = Baselines(settings.state_dir / "baseline.json")
        self._selftest = self._make_selftest()
        self._events = EventSender(self._topics, self._link, self._outbox)
        self._commands = Commands(
            self._lesson,
            self._outbox,
            self._reach,
            is_ready=self.ready.is_set,
            on_acknowledged=self._events.acknowledged,
            on_seen=self._seen,
            on_selftest=self._selftest.for_centre,
        )
        self._starts = Starts(settings.state_dir / "starts.json", keeper.boot)
        self._host_watch = HostWatch(
            settings.health,
            settings.state_dir,
            settings.broker.cert_file,
            self._centre_clock,
            self._starts,
            on_news=self._checks.look,
        )
        self._checks.add(self._host_watch.checks, panel="critical")
        self._line_watch = LineWatch(self._lesson, settings.streams.wanted_bps, on_news=self._checks.look)
        self._checks.add(self._line_watch.checks, panel="critical")
        self._load_watch = LoadWatch(self._lesson, on_news=self._checks.look)
        self._checks.add(self._load_watch.checks, panel="all")
        self._health_watch = HealthWatch(
            settings.health,
            self._lesson,
            IdleLook(self._host),
            self._baselines,
            on_news=self._signal_judged,
            is_turning=lambda: self._camera is not None and self._camera.is_turning,
            is_tested=lambda: self._selftest.is_running,
            preset=self._preset,
            loop_gain_db=lambda microphone: usual_gain_db(self._host, microphone),
        )
        self._checks.add(self._health_watch.checks, panel="all")
        self._framing = self._make_framing()
        self._recording = self._make_recording()
        self._panel.add_routes(AudiencePanel(self._lesson, lambda: door.shown(self._view())).routes())
        screen = ScreenPanel(self._lesson, self._topics, self._link, door.pin, lambda: door.shown(self._view()))
        self._panel.add_routes(screen.routes())
        self._lesson.on_change(self._panel.feed.changed)
        self._lesson.on_people(self._panel.feed.changed)
        self._checks.on_change(lambda critical: self._panel.feed.changed())
        self._plugs = HotPlug()
        for slot in self._lesson.slots:
            self._plugs.serve(slot)
        of_a_look = frozenset().union(*(OF_ROLE[role] for role in IdleLook.ROLES))
        self._plugs.listen(of_a_look, self._health_watch.plugged, lambda node: self._health_watch.plugged())
        if self._board_power is not None:
            self._plugs.listen({"tty"}, self._board_power.look_soon)
        if self._camera is not None and self._camera.moves is not None:
            self._plugs.listen({"tty"}, self._camera.moves.nudge)
        self._take_desired()

    async def run(self) -> None:
        """Run the room until cancelled, then leave in order: a lesson that runs then is over.

        Any other way out is a fall, and the next run goes on with the lesson.
        """
        self._panel.bind()
        self._starts.began()
        self._serve()
        self._lesson.take_up()
        loop_heart = Heart("event loop", 5.0)
        frame_heart = Heart("lesson frames", FRAMES_MOST_S, lambda: self._lesson.state in RUNNING)
        end_heart = Heart("lesson's end", ENDING_MOST_S, lambda: self._lesson.state is LessonState.ENDING)
        try:
            async with self._link.running(), asyncio.TaskGroup() as tasks:
                tasks.create_task(self._host.run(), name="capture host")
                tasks.create_task(self._lesson.run(), name="lesson")
                tasks.create_task(self._plugs.run(), name="plugs")
                tasks.create_task(self._panel.run(), name="panel")
                tasks.create_task(
                    self._link.follow_clock(self._topics.req("time"), self._topics.reply("time")), name="centre clock"
                )
                tasks.create_task(self._reporter.run(), name="reporter")
                tasks.create_task(self._events.run(), name="events")
                tasks.create_task(self._relay_watch.run(), name="relay watch")
                tasks.create_task(self._host_watch.run(), name="host watch")
                tasks.create_task(self._line_watch.run(), name="line watch")
                tasks.create_task(self._load_watch.run(), name="load watch")
                tasks.create_task(self._health_watch.run(), name="health watch")
                tasks.create_task(self._selftest.run(), name="self-tests")
                if self._board_power is not None:
                    tasks.create_task(self._board_power.run(), name="board power")
                for reports in self._camera_reports:
                    tasks.create_task(reports.run(), name=f"reports of {reports.device_id}")
                if self._recording is not None:
                    tasks.create_task(self._recording.run(), name="recordings")
                if self._sharing is not None:
                    tasks.create_task(self._sharing.run(), name="sharing")
                if self._camera is not None:
                    tasks.create_task(self._camera.run(), name="room camera")
                tasks.create_task(self._look(loop_heart, frame_heart), name="look")
                tasks.create_task(feed_watchdog(self._notifier, [loop_heart, frame_heart, end_heart]), name="watchdog")
                tasks.create_task(self._get_warm(), name="warm up")
                for display in self._board_displays():
                    corner = RedCorner(display, self._lesson.sign)
                    tasks.create_task(corner.run(), name=f"red corner {display}")
        except asyncio.CancelledError:
            self._lesson.leave()
            self._starts.left()
            raise
        finally:
            self._notifier.send(STOPPING="1")
            if self._framing is not None:
                self._framing.close()
            await self._outbox.close()

    # --- wiring ---------------------------------------------------------------------------------------------------

    def _make_link(self) -> Link:
        broker, room = self._settings.broker, self._settings.room
        settings = LinkSettings(
            host=broker.host,
            port=broker.port,
            client_id=room.id,
            ca_file=broker.ca_file,
            cert_file=broker.cert_file,
            key_file=broker.key_file,
            clean_start=False,
            session_expiry_s=300,
            receive_maximum=20,
        )
        presence = Presence(self._topics.status, _birth, _death, will_delay_s=10)
        return Link(settings, presence, clock=self._centre_clock)

    def _make_board_power(self) -> BoardPower | None:
        """Return what switches the board, if the room has one to switch; it follows the lesson and never holds it."""
        if self._settings.display is None:
            return None
        memory = BoardMemory(self._settings.state_dir / "board.json")
        power = BoardPower(
            self._settings.display,
            memory,
            on_news=self._reporter.checks_changed,
            output=BoardOutput(desktop=self._desktop_size),
            lamp_life_h=self._settings.health.lamp_life_h,
            filter_life_h=self._settings.health.filter_life_h,
        )
        self._checks.add(power.checks, panel="all")
        self._checks.add(power.wear_checks)
        self._lesson.on_change(lambda: power.lesson_is(self._lesson.state in RUNNING))
        return power

    def _desktop_size(self) -> tuple[int, int] | None:
        """Return the size of the screen that the mini-PC shows on the board, as its capture gave it."""
        return self._health_watch.board_size() if self._board_displays() else None

    def _make_camera_reports(self) -> list[CameraReports]:
        """Return who listens to what devices say of themselves."""
        found = [
            CameraReports(choice, on_news=self._reporter.checks_changed)
            for choice in self._settings.devices
            if choice.driver.listen
        ]
        for reports in found:
            self._checks.add(reports.checks)
        return found

    def _make_camera(self) -> RoomCamera | None:
        """Return what turns and masks the camera, if it turns or something of its picture is hidden."""
        ptz, masks = self._settings.ptz, self._settings.masks
        if ptz is None and not masks:
            return None
        camera = RoomCamera(
            ptz,
            masks,
            self._lesson,
            self._settings.state_dir,
            on_change=self._panel.feed.changed,
            on_check=self._reporter.checks_changed,
        )
        self._checks.add(camera.checks)  # the panel tells of these beside the buttons
        return camera

    def _make_camera_panel(self) -> CameraPanel | None:
        camera = self._camera
        if camera is None:
            return None
        pin = self._door.pin
        panel = CameraPanel(camera.moves, camera.views, camera.thumbnails, pin, lambda: self._door.shown(self._view()))
        self._panel.add_routes(panel.routes())
        return panel

    def _make_framing(self) -> AutoFraming | None:
        """Return what frames the camera's picture by itself, if the room is configured for it."""
        settings = self._settings.framing
        if settings is None:
            return None
        camera = self._camera
        framing = AutoFraming(
            settings,
            self._lesson.filters["camera"],
            camera.moves if camera and settings.mode == "ptz" else None,
            on_change=self._panel.feed.changed,
            may_follow=camera.views.may_be_framed if camera else lambda: True,
        )
        self._lesson.on_change(lambda: framing.lesson_is(self._lesson.state in RUNNING))
        self._panel.framing = framing
        return framing

    def _make_recording(self) -> RoomRecording | None:
        """Return what records the lessons, if the room is configured for it."""
        self._sharing: Sharing | None = None
        if not self._settings.recording.enabled:
            return None
        state_dir = self._settings.state_dir
        recordings = Recordings(state_dir / "recordings", lambda: recording_key(state_dir))
        sharing = self._sharing = Sharing(
            self._topics,
            self._link,
            recordings,
            ca_file=self._settings.broker.ca_file,
            lesson_bps=self._settings.recording.share_bps,
            in_lesson=lambda: self._lesson.state in RUNNING,
            on_change=self._panel.feed.changed,
            now=lambda: datetime.now(UTC),
        )
        recording = RoomRecording(self._settings.recording, recordings, self._lesson, sharing)
        panel = RecordingPanel(recording, self._door.pin, lambda: self._door.shown(self._view()))
        self._panel.add_routes(panel.routes())
        return recording

    def _make_selftest(self) -> SelfTest:
        settings, topics, power = self._settings, self._topics, self._board_power
        room = RoomParts(
            self._host,
            settings.devices,
            camera_sees_board=settings.selftest.camera_sees_board,
            is_board_off=lambda: power is not None and power.is_off,
            usual_gain_db=self._usual_gain_db,
        )
        line = LineParts(
            centre=lambda: self._centre.state,
            ask_time=lambda asked, timeout_s: self._link.call(
                topics.req("time"), asked, reply_topic=topics.reply("time"), timeout_s=timeout_s
            ),
            look_for_relays=self._relay_watch.look_now,
            relay_checks=self._reach.checks,
            power_checks=lambda: () if power is None else power.checks(),
            state_dir=settings.state_dir,
            limits=settings.health.host_limits(),
            hardware=lambda: self._hardware,
            wanted_bps=settings.streams.wanted_bps,
        )
        live = LiveParts(self._lesson.slots, lambda: self._health_watch.checks())
        return SelfTest(self._lesson, room, line, live, on_change=self._test_changed)

    def _usual_gain_db(self, microphone: str) -> float | None:
        known = self._baselines.microphone(microphone)
        return None if known is None else known.loop_gain_db

    def _board_displays(self) -> set[str]:
        """Return the X11 displays that are boards."""
        return {choice.config.display for choice in self._settings.devices if isinstance(choice.config, X11Config)}

    def _serve(self) -> None:
        link = self._link
        link.serve(self._topics.cmd("+"), self._commands.carry_out)
        link.on_message(self._topics.config, self._config_came)
        link.on_message(CONTROLLER_STATUSES, self._controller_came)
        link.on_connected(self._connected)
        link.on_lost(self._lost)

    async def _get_warm(self) -> None:
        await warm_up()
        self.ready.set()
        self._notifier.send(READY="1", STATUS=f"panel on port {self._settings.panel.port}")
        log.info("The room is ready", extra={"room": self._settings.room.id, "version": VERSION})
        if self._settings.streams.use_hardware:  # a lesson that begins sooner is encoded by the processor
            self._hardware = await hardware.find()
            self._lesson.hardware = self._hardware.encoder

    def _strayed(self, stray: Stray) -> None:
        """Stop a sending that has no lesson, for certain: nothing leaves while the loop stands here, nor after it.

        Closing what is left over would trust the very code that left it over.
        """
        log.critical(
            "A media packet left though no lesson runs; the agent ends at once",
            extra={"lesson": stray.lesson, "after_s": round(stray.after_s, 1)},
        )
        try:
            self._alarm.sound()
            self._outbox.add(SendingStopped(lesson=stray.lesson, after_s=stray.after_s))
            self._outbox.settle(SETTLE_S)
        finally:  # also when the outbox is closed already
            self._fall()

    def _seen(self, check: str) -> None:
        if check == sending_alarm.CHECK:
            self._alarm.seen()
            self._reporter.checks_changed()

    async def _look(self, loop_heart: Heart, frame_heart: Heart) -> None:
        """Beat the hearts, and tell of what changes by itself: the sign, and what a page is sent, or from where."""
        last: object = None
        frames: object = None
        while True:
            loop_heart.beat()
            came = tuple(slot.last_data_mono_s for slot in self._lesson.slots)
            if came != frames or not any(slot.is_open for slot in self._lesson.slots):
                frames = came
                frame_heart.beat()
            publisher = self._lesson.publisher
            sent = tuple((viewer.id, viewer.sending) for viewer in publisher.viewers()) if publisher else ()
            seen = (self._lesson.sign(), sent)
            if seen != last:
                last = seen
                self._lesson.looked_different()
            await asyncio.sleep(LOOK_S)

    # --- the line to the centre -----------------------------------------------------------------------------------

    def _connected(self) -> None:
        self._centre_is("connected" if self._controllers else "no-controller")

    def _lost(self) -> None:
        self._controllers.clear()  # each connection is told anew which controllers are there
        self._reporter.controllers_are(())
        self._centre_is("away")

    async def _controller_came(self, message: Message) -> None:
        instance = message.topic.split("/")[3]
        try:
            status = ControllerStatus.model_validate_json(message.payload)
        except ValidationError:
            log.warning("A controller's status is not of its form", extra={"instance": instance})
            return
        self._controllers.pop(instance, None)
        if status.online:
            self._controllers[instance] = status.proto
        self._reporter.controllers_are(self._controllers.values())
        if status.online:
            self._events.send_again()  # it may have been away for longer than the broker keeps its messages
        self._centre_is("connected" if self._controllers else "no-controller")

    def _centre_is(self, state: Literal["connected", "no-controller", "away"]) -> None:
        self._relay_watch.centre_is(state == "connected")
        if state != self._centre.state:
            self._centre = CentreLine(state, datetime.now(UTC))
            self._panel.feed.changed()

    async def _config_came(self, message: Message) -> None:
        try:
            document = self._desired.take(message.payload)
        except ValidationError:
            log.warning("The centre's configuration is not of its form and is not taken")
            return
        if document is not None:
            log.info("The centre's configuration is taken", extra={"rev": document.rev})
            self._take_desired()

    def _take_desired(self) -> None:
        document = self._desired.document
        self._lesson.set_access(document.config.access if document else None)

    def _room_name(self) -> str:
        document = self._desired.document
        return document.config.name if document else self._settings.room.name

    def _view(self) -> PanelView:
        view = panel_view(
            self._settings.room.id,
            self._room_name(),
            self._lesson,
            self._centre,
            checks=self._checks.for_panel(),
            normal_at=self._health_watch.normal_at,
            framing=self._framing,
            selftest=self._selftest.view,
            recording=self._recording,
        )
        camera = self._camera_panel
        return view if camera is None else view.model_copy(update={"ptz": camera.ptz(), "masks": camera.masks()})

    def _signal_judged(self) -> None:
        self._checks.look()
        if self._camera is not None:
            self._camera.hear(self._health_watch.checks())

    def _test_changed(self) -> None:
        if self._selftest.is_running:
            self._health_watch.give_way()
        self._panel.feed.changed()

    def _preset(self) -> str | None:
        """Return the preset on which a camera that turns stands, None for none; "" for one that does not turn."""
        turns = self._camera is not None and self._camera.moves is not None
        return self._camera.views.at if self._camera is not None and turns else ""

    async def _calibrate(self) -> None:
        await self._health_watch.calibrate()


def _birth(sid: str) -> BaseModel:
    return RoomStatus(online=True, sid=sid, boot=_boot(), agent=VERSION, at=datetime.now(UTC))


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _death(sid: str, reason: DeathReason) -> BaseModel:
    return RoomStatus(online=False, sid=sid, reason=reason, at=datetime.now(UTC))
