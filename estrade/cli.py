"""``estrade``: the command line for people. Light to import; each command imports what it needs when it runs."""

from __future__ import annotations

import argparse
import os
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from estrade.words import language
from protocol.errors import ConfigError, EstradeError

EXIT_USER, EXIT_INTERRUPTED = 2, 130
EXIT_CLOSED_PIPE = 141
"""As of a program that SIGPIPE ended: 128 + 13."""

Act = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one command line; return the exit status: 0 well, 1 a fault of ours, 2 something the user can mend.

    Whoever reads what it prints may go whenever they like, as in ``estrade rooms | head``: then it ends without a word.
    """
    status = 0
    try:
        try:
            status = _carry_out(argv)
        finally:
            if sys.stdout is not None:  # it was closed before we began
                sys.stdout.flush()  # now: when the interpreter goes, nobody could hear that the pipe is closed
    except* BrokenPipeError:  # also out of a demo's tasks
        status = EXIT_CLOSED_PIPE
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # where the interpreter writes what is left
        os.close(nowhere)
    return status


def _carry_out(argv: Sequence[str] | None) -> int:
    given = parser().parse_args(argv)
    act: Act = given.act
    try:
        return act(given)
    except EstradeError as error:
        sys.stderr.write(f"estrade: {error.message} [{error.code}]\n")
        return EXIT_USER
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line, in the user's language."""
    top = _Parser(
        prog="estrade",
        description=_say(
            "Estrade rend n’importe quelle classe hybride. Voir aussi estrade-agent et estrade-controller.",
            "Estrade makes any classroom hybrid. See also estrade-agent and estrade-controller.",
        ),
    )
    top.add_argument("--version", action=_Version, nargs=0, help=_say("affiche la version", "print the version"))
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    _add_demo(commands)
    _add_rooms(commands)
    doctor = commands.add_parser(
        "doctor",
        help=_say(
            "teste cette machine, et la salle si son agent tourne", "test this machine, and the room if its agent runs"
        ),
        description=_say(
            "Dit ce qui manque sur cette machine et, si l’agent de la salle y tourne, teste la salle : caméra, micro, "
            "haut-parleur, tableau, réseau. Rend 0 si tout va, 1 si quelque chose manque ou est en panne, 2 quand il "
            "n’y a pas eu de test : une commande fausse, une classe en cours.",
            "Says what is missing on this machine and, if the room's agent runs here, tests the room: camera, "
            "microphone, loudspeaker, board, network. Returns 0 if all is well, 1 if something is missing or failed, "
            "2 when nothing was tried: a wrong command, a lesson.",
        ),
    )
    doctor.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help=_say(
            "configuration de l’agent (/etc/estrade/agent.toml)", "the agent's configuration (/etc/estrade/agent.toml)"
        ),
    )
    doctor.add_argument(
        "--calibrate",
        action="store_true",
        help=_say(
            "enregistre l’état normal de la salle, vide et éclairée", "record the room's normal state, empty and lit"
        ),
    )
    doctor.add_argument("--json", action="store_true", help=_say("un objet JSON", "one JSON object"))
    doctor.set_defaults(act=_doctor)
    _add_devices(commands)
    _add_gate(commands)
    return top


def _add_gate(commands: Any) -> None:
    gate = commands.add_parser(
        "gate",
        help=_say("dit si une mise à jour laisse la salle en bon état", "say whether an update leaves the room well"),
        description=_say(
            "Sans --against : affiche l’état de la salle, un objet JSON. Avec : surveille la salle et rend 0 si ce qui "
            "allait bien avant va toujours bien, 1 sinon. Appelé par estrade-update.",
            "Without --against: print how the room is, as one JSON object. With it: watch the room, and return 0 if "
            "what was well before still is, otherwise 1. Called by estrade-update.",
        ),
    )
    gate.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help=_say(
            "configuration de l’agent (/etc/estrade/agent.toml)", "the agent's configuration (/etc/estrade/agent.toml)"
        ),
    )
    gate.add_argument(
        "--against", type=Path, metavar="FILE", help=_say("l’état d’avant", "how the room was before the update")
    )
    gate.add_argument(
        "--seconds", type=float, default=120.0, metavar="S", help=_say("durée en secondes (120)", "for how long (120)")
    )
    gate.set_defaults(act=_gate)


def _gate(given: argparse.Namespace) -> int:
    from estrade import gate

    return gate.run(given.config, against=given.against, seconds=given.seconds)


def _add_devices(commands: Any) -> None:
    devices = commands.add_parser(
        "devices",
        help=_say("liste ce qui est branché, et en fait une salle", "list what is plugged in, and make a room of it"),
    )
    devices.add_argument("--json", action="store_true", help=_say("un objet JSON", "one JSON object"))
    devices.add_argument(
        "--network",
        action="store_true",
        help=_say(
            "cherche aussi projecteurs et caméras du réseau", "also search the network for projectors and cameras"
        ),
    )
    devices.add_argument(
        "--write",
        type=Path,
        metavar="FILE",
        help=_say("écrit une configuration de salle à relire", "write a room's configuration, to be read through"),
    )
    devices.add_argument("--force", action="store_true", help=_say("écrase ce fichier", "overwrite that file"))
    devices.set_defaults(act=_devices)


def _add_demo(commands: Any) -> None:
    demo = commands.add_parser(
        "demo",
        help=_say(
            "lance courtier, centre et une salle sur cette machine", "run broker, centre and a room on this machine"
        ),
        description=_say(
            "Lance un courtier, un centre et une salle, et affiche trois liens. Ctrl-C arrête tout.",
            "Runs a broker, a centre and one room, and prints three links. Ctrl-C stops everything.",
        ),
    )
    simulated = "simulated"
    demo.add_argument(
        "--camera", default=simulated, metavar="C", help="simulated, /dev/video0, " + _say("fichier", "file")
    )
    demo.add_argument(
        "--microphone",
        default=simulated,
        metavar="M",
        help="simulated, default, " + _say("nom ou fichier", "name or file"),
    )
    demo.add_argument("--board", default=simulated, metavar="B", help="simulated, :0")
    demo.add_argument(
        "--rooms",
        type=_count,
        default=0,
        metavar="N",
        help=_say("ajoute N salles simulées qui ne font que rendre compte", "add N simulated rooms that only report"),
    )
    demo.add_argument("--start", action="store_true", help=_say("appuie sur Démarrer", "press Start"))
    demo.add_argument(
        "--lan",
        action="store_true",
        help=_say("sert en HTTPS les téléphones du réseau", "serve phones on the network over HTTPS"),
    )
    demo.add_argument(
        "--json", action="store_true", help=_say("une ligne JSON quand tout est prêt", "one JSON line when ready")
    )
    demo.add_argument("--verbose", action="store_true", help=_say("montre les journaux", "show the logs"))
    demo.add_argument(
        "--state", type=Path, metavar="DIR", help=_say("dossier gardé entre deux fois", "folder kept between runs")
    )
    demo.add_argument("--fresh", action="store_true", help=_say("repart de zéro", "begin anew"))
    demo.add_argument("--panel-port", type=_port, metavar="P", help=_say("port du panneau", "port of the panel"))
    demo.add_argument("--web-port", type=_port, metavar="P", help=_say("port des pages", "port of the pages"))
    demo.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="TABLE.KEY=VALUE",
        help=_say("autre clé de la configuration de la salle (TOML)", "another key of the room's configuration (TOML)"),
    )
    demo.add_argument(
        "--set-centre",
        action="append",
        default=[],
        metavar="TABLE.KEY=VALUE",
        help=_say("le même pour la configuration du centre", "the same for the centre's configuration"),
    )
    demo.set_defaults(act=_demo)


def _add_rooms(commands: Any) -> None:
    rooms = commands.add_parser(
        "rooms",
        help=_say("liste les salles d’un centre", "list a centre's rooms"),
        description=_say(
            "Liste les salles d’un centre, par un compte et son mot de passe, ou par le jeton d’ESTRADE_TOKEN.",
            "List a centre's rooms, with an account and its password, or with the token of ESTRADE_TOKEN.",
        ),
    )
    rooms.add_argument(
        "--url",
        default=os.environ.get("ESTRADE_URL", "http://127.0.0.1:8470"),
        help=_say("adresse du centre, sinon ESTRADE_URL", "the centre's address, or else ESTRADE_URL"),
    )
    rooms.add_argument("--user", default="it", help=_say("compte", "account") + " (it)")
    rooms.add_argument(
        "--password-stdin",
        action="store_true",
        help=_say("lit le mot de passe sur l’entrée", "read the password from standard input") + " (ESTRADE_PASSWORD)",
    )
    rooms.add_argument("--ca", type=Path, metavar="FILE", help=_say("autorité du centre", "the centre's authority"))
    rooms.add_argument("--json", action="store_true", help=_say("un objet JSON", "one JSON object"))
    rooms.set_defaults(act=_rooms)


def _demo(given: argparse.Namespace) -> int:
    from estrade import demo, sources

    options = demo.DemoOptions(
        state=(given.state or demo.default_state()).absolute(),
        camera=sources.camera(given.camera),
        microphone=sources.microphone(given.microphone),
        board=sources.board(given.board),
        more=_settings(given.set),
        more_of_centre=_settings(given.set_centre),
        rooms=given.rooms,
        is_lan=given.lan,
        is_fresh=given.fresh,
        starts=given.start,
        is_json=given.json,
        is_verbose=given.verbose,
        panel_port=given.panel_port,
        web_port=given.web_port,
    )
    return demo.run(options)


def _rooms(given: argparse.Namespace) -> int:
    from estrade import rooms

    return rooms.run(
        given.url, name=given.user, password_stdin=given.password_stdin, ca_file=given.ca, as_json=given.json
    )


def _doctor(given: argparse.Namespace) -> int:
    from estrade import doctor

    if given.calibrate:
        return doctor.calibrate(given.config, as_json=given.json)
    return doctor.run(as_json=given.json, config=given.config)


def _devices(given: argparse.Namespace) -> int:
    from estrade import devices

    return devices.run(as_json=given.json, network=given.network, write=given.write, force=given.force)


def _settings(given: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the tables of ``--set``; raise ConfigError for what is not TABLE.KEY=VALUE with a TOML value."""
    tables: dict[str, dict[str, Any]] = {}
    for text in given:
        try:
            read = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f'--set "{text}": write TABLE.KEY=VALUE with a TOML value ({error})') from None
        if not all(isinstance(values, dict) for values in read.values()):
            raise ConfigError(f'--set "{text}": write TABLE.KEY=VALUE; this has no key of a table')
        _merge(tables, read)
    return tables


def _merge(tables: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Add keys to tables in place, to the tables in them too."""
    for key, value in more.items():
        known = tables.get(key)
        if isinstance(known, dict) and isinstance(value, dict):
            _merge(known, value)
        else:
            tables[key] = value


def _count(text: str) -> int:
    if not text.isdigit() or int(text) > 1_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1000")
    return int(text)


def _port(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 65535")
    return int(text)


def _say(french: str, english: str) -> str:
    return french if language() == "fr" else english


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with a command line as every other mistake is said: one sentence and its code."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USER, f"estrade: {message}; see {self.prog} --help [args-invalid]\n")


class _Version(argparse.Action):
    """Print the version; importlib.metadata is imported only for it."""

    def __call__(self, parser: argparse.ArgumentParser, *rest: Any, **more: Any) -> None:
        from importlib.metadata import version

        parser.exit(message=f"estrade {version('estrade')}\n")


if __name__ == "__main__":
    sys.exit(main())
