"""One sample of each message that crosses the wire, as the golden files hold them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pydantic import BaseModel

from protocol import channel, messages, numbers, remote, settings, timetable, trust
from protocol.lesson import LessonState

AT = datetime(2026, 11, 23, 13, 2, tzinfo=UTC)
PROBLEM = messages.Problem(code="device-lost", message='camera "front": the capture process was killed by signal 9')
DEVICE = messages.DeviceReport(
    id="front",
    role=messages.DeviceRole.CAMERA,
    name="Caméra de la salle",
    driver="v4l2",
    is_open=True,
    status=messages.CheckStatus.CRITICAL,
    since=AT,
    problem=PROBLEM,
)
TEXT = messages.Text(fr="Le micro est coupé sur son interrupteur.", en="The microphone is muted on its own switch.")
CHECK = messages.Check(
    id="microphone", status=messages.CheckStatus.WARNING, since=AT, value=-90, unit="dBFS", message=TEXT
)

SAMPLES: dict[str, BaseModel] = {
    "status-birth": messages.RoomStatus(online=True, sid="5f2c", boot="b00t", agent="0.1.0", at=AT),
    "status-death": messages.RoomStatus(online=False, sid="5f2c", reason=messages.DeathReason.LOST, at=AT),
    "status-birth-2": messages.RoomStatus(online=True, sid="5f2c", agent="0.2.0", certificate_ends_at=AT, at=AT),
    "status-death-settings": messages.RoomStatus(online=False, sid="5f2c", reason=messages.DeathReason.SETTINGS, at=AT),
    "controller-status": messages.ControllerStatus(online=True, sid="c1", version="0.1.0", proto=2, at=AT),
    "state": messages.RoomState(
        sid="5f2c",
        state=LessonState.DEGRADED,
        lesson=messages.LessonReport(id="l-1", started_at=AT),
        frozen=True,
        recording=True,
        on_air=messages.OnAir(sound=False),
        sign=messages.Sign.LIVE,
        viewers=8,
        devices=(DEVICE,),
        checks=(CHECK,),
        proposal=messages.ProposalReport(id="p-1", actor="admin", expires_at=AT),
        config_rev=3,
        at=AT,
    ),
    "state-planned": messages.RoomState(
        sid="5f2c",
        state=LessonState.LIVE,
        lesson=messages.LessonReport(id="l-2", started_at=AT, origin="timetable", plan="t-1"),
        settings_rev=4,
        settings_error=settings.SettingsError(rev=5, code="config-invalid", message="camera.width_px: must be even"),
        timetable=timetable.TimetableReport(next="t-1", is_preparing=False, selftest="ok"),
        update=remote.UpdateReport(wanted="0.3.0", version="0.2.0", state=remote.UpdateState.WAITING),
        look=remote.LookReport(request="q-1", what="snapshot", actor="admin", expires_at=AT),
        at=AT,
    ),
    "health-short": messages.Health(
        sid="5f2c",
        seq=8,
        uptime_s=3603.5,
        cpu_percent=41.0,
        memory_mb=212.0,
        viewers=8,
        numbers=numbers.HealthNumbers(sound_dbfs=-23.5, programme_dbfs=-22, cpu_c=61, uplink_bps=9_000_000, rtt_ms=31),
        checks=None,
    ),
    "health": messages.Health(
        sid="5f2c",
        seq=7,
        uptime_s=3600.5,
        cpu_percent=41.5,
        memory_mb=212.0,
        viewers=8,
        tracks={"camera": messages.TrackHealth(captured_hz=30, encoded_hz=30, bitrate_bps=1_480_000)},
        checks=(CHECK,),
    ),
    "config": messages.ConfigDocument(
        rev=3,
        config=messages.RoomConfig(
            name="Salle B12",
            access=messages.Access(lesson="l-1", code="K7QF-92MX", link="https://estrade.example/j/abc"),
        ),
    ),
    "config-planned": messages.ConfigDocument(
        rev=4,
        epoch=2,
        config=messages.RoomConfig(
            name="Salle B12",
            school="Collège Jean Moulin",
            settings={"camera": {"width_px": 1280, "password_file": "/etc/estrade/camera.password"}},
            settings_rev=2,
            start="countdown",
            lessons=(timetable.PlannedLesson(id="t-1", starts_at=AT, ends_at=AT + timedelta(hours=1), title="5e B"),),
            help="Poste 4242",
        ),
    ),
    "log-line": remote.LogLine(at=AT, level="WARNING", logger="agent.lesson", text="…", fields={"lesson": "l-1"}),
    "cert-renew-asked": trust.CertRenewAsked(csr_pem="-----BEGIN CERTIFICATE REQUEST-----\n"),
    "cert-renew-told": trust.CertRenewTold(certificate_pem="-----BEGIN", ca_pem="-----BEGIN", renew_after=AT),
    "event-repair-tried": messages.Event(
        id="e-11",
        at=AT,
        fact=messages.RepairTried(device="front", step="usb-reset", outcome="done", after_s=30.5),
    ),
    "event-selftest-done": messages.Event(
        id="e-12",
        at=AT,
        fact=messages.SelfTestDone(
            plan="t-1",
            state="warning",
            steps=(messages.SelfTestNumber(id="sound", state="ok", value=-23, unit="dBFS"),),
        ),
    ),
    "event-timetable-refused": messages.Event(id="e-13", at=AT, fact=messages.TimetableRefused(plan="t-1")),
    "event-look-answered": messages.Event(
        id="e-14", at=AT, fact=messages.LookAnswered(request="q-1", accepted=False, reason="refused")
    ),
    "event-settings-taken": messages.Event(id="e-15", at=AT, fact=messages.SettingsTaken(rev=4)),
    "event-settings-refused": messages.Event(
        id="e-16", at=AT, fact=messages.SettingsRefused(rev=5, code="config-invalid", message="camera.width_px: …")
    ),
    "event-update-done": messages.Event(
        id="e-17", at=AT, fact=messages.UpdateDone(version="0.3.0", outcome="turned-back")
    ),
    "event-lesson-warned": messages.Event(id="e-18", at=AT, fact=messages.LessonWarned(lesson="l-2")),
    "event-lesson-started": messages.Event(id="e-1", at=AT, fact=messages.LessonStarted(lesson="l-1", origin="panel")),
    "event-lesson-ended": messages.Event(
        id="e-2",
        at=AT,
        fact=messages.LessonEnded(lesson="l-1", reason="teacher pressed stop", duration_s=3300, viewers_most=8),
    ),
    "event-device-lost": messages.Event(
        id="e-3",
        at=AT,
        fact=messages.DeviceLost(device="front", role=messages.DeviceRole.CAMERA, problem=PROBLEM),
    ),
    "event-device-back": messages.Event(
        id="e-4", at=AT, fact=messages.DeviceBack(device="front", role=messages.DeviceRole.CAMERA, away_s=1.4)
    ),
    "event-microphone-changed": messages.Event(
        id="e-9", at=AT, fact=messages.MicrophoneChanged(device="ceiling", before="desk", reason="lost")
    ),
    "event-viewer-joined": messages.Event(id="e-5", at=AT, fact=messages.ViewerJoined(viewer="v-1")),
    "event-viewer-left": messages.Event(
        id="e-6", at=AT, fact=messages.ViewerLeft(viewer="v-1", reason="left", stayed_s=1200)
    ),
    "event-viewer-removed": messages.Event(
        id="e-10", at=AT, fact=messages.ViewerRemoved(lesson="l-1", holder="dDhM1nK0mQ7xPz2w")
    ),
    "event-proposal-answered": messages.Event(
        id="e-7", at=AT, fact=messages.ProposalAnswered(proposal="p-1", accepted=True, reason="accepted")
    ),
    "event-sending-stopped": messages.Event(id="e-8", at=AT, fact=messages.SendingStopped(lesson="l-1", after_s=12.5)),
    "command-rtc-offer": messages.Command(
        id="q-1",
        deadline=1_795_000_000.0,
        args=messages.RtcOffer(
            viewer="v-1",
            sdp="v=0\r\n",
            ice_servers=(messages.IceServer(urls=("turn:turn.example:3478",), username="u", credential="c"),),
            holder="h-1",
        ).model_dump(mode="json"),
    ),
    "command-rtc-publish": messages.Command(
        id="q-7",
        deadline=1_795_000_000.0,
        args=messages.RtcPublish(viewer="v-2", sdp="v=0\r\n", holder="h-1").model_dump(mode="json"),
    ),
    "command-rtc-publish-shared": messages.Command(
        id="q-8",
        deadline=1_795_000_000.0,
        args=messages.RtcPublish(viewer="v-3", sdp="v=0\r\n", holder="h-2", what="shared").model_dump(mode="json"),
    ),
    "command-rtc-candidate": messages.Command(
        id="q-2",
        deadline=1_795_000_000.0,
        args=messages.RtcCandidate(
            viewer="v-1", candidates=("candidate:1 1 udp 2130706431 127.0.0.1 5000 typ host",), mid="0"
        ).model_dump(mode="json"),
    ),
    "command-lesson-propose": messages.Command(
        id="q-3",
        deadline=1_795_000_000.0,
        args=messages.LessonPropose(proposal="p-1", actor="admin").model_dump(mode="json"),
    ),
    "command-lesson-mute": messages.Command(
        id="q-5",
        deadline=1_795_000_000.0,
        args=messages.LessonMute(actor="admin", sound=False).model_dump(mode="json"),
    ),
    "command-check-seen": messages.Command(
        id="q-6",
        deadline=1_795_000_000.0,
        args=messages.CheckSeen(check="on-air", actor="admin").model_dump(mode="json"),
    ),
    "command-event-ack": messages.Command(
        id="q-4", deadline=1_795_000_000.0, args=messages.EventAck(ids=("e-1", "e-2")).model_dump(mode="json")
    ),
    "ice-told": messages.IceTold(
        ice_servers=(messages.IceServer(urls=("turns:turn.example:443?transport=tcp",), username="u", credential="c"),)
    ),
    "screen-told": messages.ScreenTold(
        code="K7QF-92MX", page="https://estrade.example/screen", holder="dDhM1nK0mQ7xPz2w", life_s=600
    ),
    "answer-ok": messages.Answer(ok=True, result={"sdp": "v=0\r\n"}),
    "answer-error": messages.Answer(ok=False, error=messages.Problem(code="starting", message="…", retry_after_s=0.3)),
    "channel-hello": channel.Hello(name="Lina", is_in_room=False),
    "channel-reception": channel.Reception(board_fps=5, camera_fps=29.8, is_heard=True, loss_percent=0.2, rtt_ms=12),
    "channel-reception-muted": channel.Reception(
        board_fps=0,
        camera_fps=15,
        is_heard=False,
        loss_percent=0,
        output="muted",
        levels_dbfs=(-60, -23, -18),
        played_rtp=4_294_967_295,
    ),
    "channel-wish": channel.Wish(use="save-data", reads_lips=True),
    "channel-hand": channel.Hand(is_raised=True),
    "channel-question": channel.Question(id="q-1", text="Est-ce que c’est la page 42 ?"),
    "channel-reaction": channel.Reaction(kind="slower"),
    "channel-cannot-hear": channel.CannotHear(found="muted"),
    "channel-can-hear": channel.CanHear(),
    "channel-plays-from": channel.PlaysFrom(source="room"),
    "channel-bye": channel.Bye(),
    "channel-notice": channel.Notice(
        room="Salle B12",
        state=LessonState.LIVE,
        paused=False,
        on_air=messages.OnAir(),
        pupil_speaks=True,
        elapsed_s=62.5,
        viewers=8,
        stand_in=("camera",),
    ),
    "channel-you": channel.You(hand="raised", place=2),
    "channel-talk": channel.Talk(state="ended", is_room_muted=True, reason="teacher"),
    "channel-question-state": channel.QuestionState(id="q-1", state="answered"),
    "channel-sending": channel.Sending(sound="low", board="tiles", camera=None, why="line"),
    "channel-caption": channel.Caption(id=7, text="Prenez vos cahiers.", is_final=False),
    "channel-play-from": channel.PlayFrom(source="media-server"),
    "channel-ended": channel.Ended(reason="lesson-ended"),
}
