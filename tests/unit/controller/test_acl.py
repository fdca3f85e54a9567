"""The access list as text; that mosquitto enforces it is tested with the real one."""

from __future__ import annotations

from controller.acl import mosquitto_acl


def test_no_topic_line_stands_before_the_first_user() -> None:
    lines = mosquitto_acl(["controller-centre-1-rpc", "controller-centre-1-events"]).splitlines()
    first_user = next(index for index, line in enumerate(lines) if line.startswith("user "))
    assert not any(line.startswith("topic ") for line in lines[:first_user])


def test_every_pattern_but_the_common_ones_names_the_room_as_a_whole_level() -> None:
    patterns = [line.split()[2] for line in mosquitto_acl([]).splitlines() if line.startswith("pattern ")]
    common = {"estrade/v1/ctl/+/status", "estrade/v1/+/all/cmd/#"}
    assert common < set(patterns)
    assert all("%u" in topic.split("/") for topic in patterns if topic not in common)


def test_a_room_may_write_no_config_and_no_command() -> None:
    written = [line.split()[2] for line in mosquitto_acl([]).splitlines() if line.startswith("pattern write ")]
    assert not any("config" in topic or "cmd" in topic or topic.endswith("%u/#") for topic in written)


def test_each_controller_connection_has_its_own_block() -> None:
    text = mosquitto_acl(["controller-centre-2-rpc", "controller-centre-1-rpc", "controller-centre-1-rpc"])
    assert text.count("user controller-centre-1-rpc\n") == 1
    assert "user controller-centre-2-rpc\ntopic readwrite estrade/v1/#\n" in text
