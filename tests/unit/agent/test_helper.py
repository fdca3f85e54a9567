"""The root helper's verbs on a tree like the kernel's, its rates, its audit, and what it makes of nonsense."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.helper import serve as helper
from agent.helper.serve import Audit, answer
from agent.helper.verbs import VERBS, Machine, RefusedError, lesson_runs
from protocol.errors import CODES

BOOT = "0f0e0d0c-0b0a-0908-0706-050403020100"
PEER = {"pid": 1, "uid": 0, "gid": 0}


@dataclass
class Room:
    """A mini-PC in a folder. ``seen`` is what the USB switch held while the device was off."""

    folder: Path
    mono_s: float = 1000.0
    seen: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.folder / "usb").mkdir()
        (self.folder / "boot_id").write_text(BOOT + "\n")
        self.machine = Machine(
            usb=self.folder / "usb",
            lesson=self.folder / "lesson.json",
            boot_id=self.folder / "boot_id",
            systemctl=str(self.folder / "systemctl"),
            clock=lambda: self.mono_s,
            sleep=self._sleep,
        )
        self.audit = Audit(self.folder / "audit.log", self.machine)
        self.systemctl_ends_with(0)

    def _sleep(self, _s: float) -> None:
        self.seen += [path.read_text() for path in sorted(self.folder.glob("usb/*/authorized"))]
        self.mono_s += 0.5

    def plug(self, port: str, *classes: str, kind: str = "00", network: bool = False) -> Path:
        device = self.folder / "usb" / port
        device.mkdir()
        (device / "authorized").write_text("1")
        (device / "bDeviceClass").write_text(kind + "\n")
        for number, one in enumerate(classes):
            interface = device / f"{port}:1.{number}"
            interface.mkdir()
            (interface / "bInterfaceClass").write_text(one + "\n")
            if network:
                (interface / "net").mkdir()
        return device

    def systemctl_ends_with(self, status: int, words: str = "") -> None:
        script = self.folder / "systemctl"
        script.write_text(f'#!/bin/sh\necho "$@" >> {self.folder}/orders\necho "{words}" >&2\nexit {status}\n')
        script.chmod(0o755)

    @property
    def orders(self) -> list[str]:
        file = self.folder / "orders"
        return file.read_text().splitlines() if file.exists() else []

    def teach(self, **changes: object) -> None:
        kept = {"boot": BOOT, "alive_mono_s": self.mono_s, "is_over": False, **changes}
        self.machine.lesson.write_text(json.dumps(kept))

    def ask(self, **asked: object) -> dict[str, Any]:
        return answer(json.dumps(asked).encode(), self.audit, self.machine, PEER)

    def code(self, **asked: object) -> str:
        said = self.ask(**asked)
        assert said["ok"] is False
        assert said["code"] in CODES
        assert "\n" not in said["message"]
        return str(said["code"])

    @property
    def told(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "audit.log").read_text().splitlines()]


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def test_a_camera_is_switched_off_and_on(room: Room) -> None:
    device = room.plug("1-1.4", "0e", "0e", "01", "03")
    assert room.ask(verb="usb-reset", port="1-1.4") == {"ok": True}
    assert (room.seen, (device / "authorized").read_text()) == (["0"], "1")
    assert [line.get("asked") or line["answer"] for line in room.told] == [
        {"verb": "usb-reset", "port": "1-1.4"}, {"ok": True},
    ]  # fmt: skip
    assert room.told[0]["peer"] == PEER


@pytest.mark.parametrize(
    ("classes", "kind", "network"),
    [
        (("09",), "09", False),  # a hub, with everything behind it
        (("03",), "00", False),  # a keyboard
        (("08",), "00", False),  # a disk, perhaps the one we run from
        (("0e", "08"), "00", False),
        (("ff",), "00", True),  # a network adapter of its vendor's class
        (("02", "0a"), "02", True),
        ((), "00", False),
    ],
)
def test_what_is_no_device_of_the_classroom_is_left_alone(
    room: Room, classes: tuple[str, ...], kind: str, network: bool
) -> None:
    room.plug("1-2", *classes, kind=kind, network=network)
    assert room.code(verb="usb-reset", port="1-2") == "helper-refused"
    assert room.seen == []


@pytest.mark.parametrize(
    "port", ["", "usb1", "1-1:1.0", "../1-1", "1-1/", "1-1/../1-1", "1-1.1.1.1.1.1.1", "1-1\n", "１-1", "0000000001-1"]
)
def test_a_port_is_a_port(room: Room, port: str) -> None:
    room.plug("1-1", "0e")
    assert room.code(verb="usb-reset", port=port) == "helper-bad-request"
    assert room.seen == []


def test_an_empty_port_is_told(room: Room) -> None:
    assert room.code(verb="usb-reset", port="1-1") == "helper-not-there"


def test_a_device_that_cannot_be_switched_is_left_on(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    device = room.plug("1-1", "0e")

    def fail(_s: float) -> None:
        raise OSError(5, "Input/output error")

    room.machine = replace(room.machine, sleep=fail)
    assert room.code(verb="usb-reset", port="1-1") == "helper-failed"
    assert (device / "authorized").read_text() == "1"


def test_the_mini_pc_starts_anew_only_without_a_lesson(room: Room) -> None:
    room.teach()
    assert room.code(verb="reboot") == "helper-lesson-runs"
    assert room.code(verb="update") == "helper-lesson-runs"
    assert room.orders == []
    room.teach(is_over=True)
    assert room.ask(verb="update") == {"ok": True}
    room.mono_s += 1000
    assert room.ask(verb="reboot") == {"ok": True}
    assert room.orders == [
        "--no-ask-password --no-block start estrade-update.service", "--no-ask-password --no-block reboot",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "runs"),
    [({}, True), ({"alive_mono_s": 900.0}, False), ({"boot": "another"}, False), ({"is_over": True}, False)],
)
def test_a_lesson_runs_while_it_is_noted_as_running(room: Room, changes: dict[str, object], runs: bool) -> None:
    room.teach(**changes)
    assert lesson_runs(room.machine) is runs


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"boot": 1}', "null", "[" * 100_000])
def test_a_lesson_that_nobody_can_read_is_none(room: Room, content: str) -> None:
    room.machine.lesson.write_text(content)
    assert not lesson_runs(room.machine)


def test_where_it_cannot_be_seen_whether_a_lesson_runs_nothing_is_done(room: Room) -> None:
    room.machine.lesson.mkdir()  # cannot be read, also by root
    with pytest.raises(RefusedError, match="cannot be seen"):
        lesson_runs(room.machine)
    assert room.code(verb="reboot") == "helper-failed"
    assert room.orders == []


@pytest.mark.parametrize(("status", "code"), [(5, "helper-not-there"), (1, "helper-failed")])
def test_systemds_refusal_is_told(room: Room, status: int, code: str) -> None:
    room.systemctl_ends_with(status, "Unit is masked.")
    said = room.ask(verb="update")
    assert (said["ok"], said["code"]) == (False, code)
    assert status == 5 or "Unit is masked." in said["message"]


@pytest.mark.parametrize(("verb", "arguments"), [("usb-reset", {"port": "1-1"}), ("reboot", {}), ("update", {})])
def test_what_was_done_often_enough_waits(room: Room, verb: str, arguments: dict[str, str]) -> None:
    room.plug("1-1", "01")
    room.plug("1-2", "01")
    most, within_s = VERBS[verb].most, VERBS[verb].within_s
    assert [room.ask(verb=verb, **arguments)["ok"] for _ in range(most)] == [True] * most
    assert room.code(verb=verb, **arguments) == "helper-too-often"
    if verb == "usb-reset":
        assert room.ask(verb=verb, port="1-2") == {"ok": True}, "another device is another matter"
    room.mono_s += within_s
    assert room.ask(verb=verb, **arguments) == {"ok": True}


def test_a_reboot_does_not_lead_to_the_next(room: Room) -> None:
    assert room.ask(verb="reboot") == {"ok": True}
    (room.folder / "boot_id").write_text("another\n")
    room.mono_s = 5.0
    assert room.code(verb="reboot") == "helper-too-often"
    room.mono_s = VERBS["reboot"].within_s
    assert room.ask(verb="reboot") == {"ok": True}


def test_counts_that_nobody_can_read_are_none(room: Room) -> None:
    assert room.ask(verb="reboot") == {"ok": True}
    for content in ("{", "[]", '{"boot": 1, "times": []}', '{"boot": 1, "times": {"a": "b"}}'):
        (room.folder / "audit.counts").write_text(content)
        assert room.ask(verb="reboot") == {"ok": True}


def test_what_was_refused_was_not_done_and_may_be_asked_again(room: Room) -> None:
    room.teach()
    for _ in range(3):
        assert room.code(verb="reboot") == "helper-lesson-runs"
    room.teach(is_over=True)
    assert room.ask(verb="reboot") == {"ok": True}
    room.systemctl_ends_with(1)
    assert [room.code(verb="update") for _ in range(3)] == ["helper-failed", "helper-failed", "helper-too-often"]


@pytest.mark.parametrize(
    "line",
    [
        b"", b"x", b"[]", b'"reboot"', b"{}", b'{"verb": 1}', b'{"verb": "rm"}', b'{"verb": "reboot", "now": "yes"}',
        b'{"verb": "usb-reset"}', b'{"verb": "usb-reset", "port": 1}', b"\xff", b"[" * 500,
        b'{"verb": "usb-reset", "port": "1-1", "verb": "sh"}',
    ],
)  # fmt: skip
def test_nonsense_is_refused_and_told(room: Room, line: bytes) -> None:
    said = answer(line, room.audit, room.machine, PEER)
    assert (said["ok"], said["code"]) == (False, "helper-bad-request")
    assert room.told[-1]["answer"] == said
    assert room.orders == []


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_line_is_answered(tmp_path_factory: pytest.TempPathFactory, line: bytes) -> None:
    room = Room(tmp_path_factory.mktemp("room"))
    assert answer(line, room.audit, room.machine, PEER)["ok"] is False


def test_what_cannot_be_told_is_not_done(room: Room) -> None:
    room.plug("1-1", "0e")
    room.audit = Audit(room.folder / "missing" / "audit.log", room.machine)
    assert room.code(verb="usb-reset", port="1-1") == "helper-failed"
    assert room.seen == []


def test_the_audit_does_not_follow_a_link(room: Room) -> None:
    (room.folder / "audit.log").symlink_to(room.folder / "elsewhere")
    assert room.code(verb="reboot") == "helper-failed"
    assert not (room.folder / "elsewhere").exists()


def served(room: Room, give: Callable[[socket.socket], object], uid: int = 0, user: str = "root") -> dict[str, Any]:
    ours, theirs = socket.socketpair()
    with ours:
        thread = threading.Thread(
            target=lambda: helper.serve(theirs, {**PEER, "uid": uid}, room.audit, room.machine, user)
        )
        thread.start()
        give(ours)
        said = json.loads(ours.makefile().readline())
        thread.join()
    assert isinstance(said, dict)
    return said


def test_only_the_agent_may_ask(room: Room) -> None:
    request = b'{"verb": "reboot"}\n'
    assert served(room, lambda ours: ours.sendall(request), uid=12345)["code"] == "helper-refused"
    assert served(room, lambda ours: ours.sendall(request), uid=12345, user="nobody-of-this-name")["ok"] is False
    assert room.orders == []
    assert served(room, lambda ours: ours.sendall(request)) == {"ok": True}


@pytest.mark.parametrize(
    ("give", "words"),
    [
        (lambda ours: ours.sendall(b"x" * 600), "at most 512 bytes"),
        (lambda ours: ours.shutdown(socket.SHUT_WR), "ended before"),
        (lambda ours: None, "in time"),
    ],
)
def test_a_request_is_one_short_line_and_comes_soon(
    room: Room, give: Callable[[socket.socket], object], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(helper, "READ_S", 0.2)
    said = served(room, give)
    assert (said["ok"], said["code"]) == (False, "helper-bad-request")
    assert words in said["message"]
    assert room.told[-1]["answer"] == said


def test_the_kernel_says_who_asks() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert helper.peer_of(theirs) == {"pid": os.getpid(), "uid": os.getuid(), "gid": os.getgid()}
