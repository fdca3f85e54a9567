"""The example configurations are read by the programs themselves, with the files they name put into a folder here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agent import config as agent_config
from controller import config as controller_config
from protocol.errors import ConfigError


def moved(text: str, folder: Path) -> str:
    """Return the configuration with every absolute path of a file under ``folder``, where an empty file lies."""
    for path in re.findall(r'_file = "(/[^"]+)"', text):
        file = folder / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        text = text.replace(f'"{path}"', f'"{file}"')
    return text


@pytest.fixture
def agent_toml(deploy: Path, tmp_path: Path) -> Path:
    path = tmp_path / "agent.toml"
    path.write_text(moved((deploy / "examples/agent.toml").read_text(), tmp_path))
    return path


def test_the_agent_finds_no_mistake_in_its_example(agent_toml: Path) -> None:
    settings = agent_config.load(agent_toml)
    assert [choice.role for choice in settings.devices] == ["camera", "microphone", "board"]


def test_the_agents_example_states_the_defaults_it_says_it_states(agent_toml: Path) -> None:
    whole = agent_config.load(agent_toml)
    agent_toml.write_text(agent_toml.read_text().partition("[media]")[0])
    assert agent_config.load(agent_toml).streams == whole.streams


def test_the_boards_power_in_the_example_holds_once_its_comment_is_taken_away(agent_toml: Path, tmp_path: Path) -> None:
    text = agent_toml.read_text()
    assert agent_config.load(agent_toml).display is None
    before, _, rest = text.partition("# [display]\n")
    table, _, after = rest.partition("\n\n")
    lines = re.findall(r"(?m)^# (\w+ = .+)$", table)
    assert len(lines) == 6
    agent_toml.write_text(moved("\n".join([before, "[display]", *lines, "", after]), tmp_path))
    display = agent_config.load(agent_toml).display
    assert display is not None
    assert (display.driver.name, display.config.input) == ("pjlink", "digital-1")


def test_a_misspelt_key_of_the_example_would_be_told(agent_toml: Path) -> None:
    agent_toml.write_text(agent_toml.read_text().replace("width_px", "widht_px"))
    with pytest.raises(ConfigError) as refusal:
        agent_config.load(agent_toml)
    assert any("camera.widht_px" in problem for problem in refusal.value.problems)


def test_the_example_fits_unit_and_kiosk(deploy: Path, agent_toml: Path) -> None:
    settings = agent_config.load(agent_toml)
    unit = (deploy / "systemd/estrade-agent.service").read_text()
    kiosk = (deploy / "systemd/estrade-kiosk.service").read_text()
    assert settings.state_dir == Path("/var/lib/estrade-agent")
    assert "StateDirectory=estrade-agent\n" in unit
    assert "LoadCredential=room.key:" in unit
    assert "/run/credentials/estrade-agent.service/room.key" in (deploy / "examples/agent.toml").read_text()
    assert 'token_file = "/run/estrade-panel/token"\n' in (deploy / "examples/agent.toml").read_text()
    assert "ReadWritePaths=-/run/estrade-panel\n" in unit
    assert "ESTRADE_PANEL_TOKEN_FILE=/run/estrade-panel/token\n" in kiosk
    tmpfiles = (deploy / "systemd/tmpfiles.d/estrade-agent.conf").read_text()
    assert "d /run/estrade-panel 2750 estrade-agent estrade-kiosk -\n" in tmpfiles
    assert f"ESTRADE_PANEL_URL=http://127.0.0.1:{settings.panel.port}/\n" in kiosk


def test_the_controller_finds_no_mistake_in_its_example(deploy: Path, tmp_path: Path) -> None:
    path = tmp_path / "controller.toml"
    path.write_text(moved((deploy / "examples/controller.toml").read_text(), tmp_path))
    config = controller_config.load(path)
    proxy = (deploy / "proxy/nginx.conf").read_text()
    assert f"server 127.0.0.1:{config.http.port};" in proxy
    assert config.retention == controller_config.RetentionConfig(), "the example states the defaults"
    assert config.fetch == controller_config.FetchConfig(), "the example states the defaults"
    assert config.notices == controller_config.NoticesConfig(), "the example states the defaults"
