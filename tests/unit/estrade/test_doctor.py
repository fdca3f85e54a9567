"""What a machine lacks depends on what it is for; the room's own test is in tests/integration/selftest."""

from __future__ import annotations

import pytest

from estrade.doctor import findings, outcome


def test_a_room_whose_agent_does_not_run_is_not_well() -> None:
    found = {finding.id: finding for finding in findings(is_room=True)}
    assert found["agent"].status == "missing"
    assert "restart estrade-agent" in found["agent"].remedy
    assert "mosquitto" not in found, "the centre's"


def test_a_machine_for_the_demo_needs_no_agent() -> None:
    ids = {finding.id for finding in findings()}
    assert "agent" not in ids
    assert {"mosquitto", "port-8480"} <= ids


@pytest.mark.parametrize(("states", "said"), [
    (("ok", "skipped"), "The room is ready (4 s)."),
    (("ok", "warning", "warning"), "The room is ready, with 2 thing(s) to look at (4 s)."),
    (("failed", "warning"), "1 thing(s) failed (4 s)."),
])  # fmt: skip
def test_the_last_line_leaves_nothing_out(states: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    steps = [{"state": state} for state in states]
    assert outcome({"state": "done", "elapsed_s": 4.2, "steps": steps}) == said


def test_a_test_that_was_stopped_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    assert outcome({"state": "stopped", "elapsed_s": 1.0, "steps": []}) == "The test was stopped in the room."
