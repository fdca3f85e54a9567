"""``estrade-agent``: run a room, or check its configuration. Light to import; the work is imported when it is done."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from protocol.errors import ConfigError, EstradeError

EXIT_OK, EXIT_FAULT, EXIT_USER = 0, 1, 2
DEFAULT_CONFIG = Path("/etc/estrade/agent.toml")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="estrade-agent", description="The agent of one classroom: drives its devices and streams its lessons."
    )
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help=f"room configuration ({DEFAULT_CONFIG})")
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    parser.add_argument("--version", action="store_true", help="print the version and leave")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("run", help="run the room (the default)")
    check = commands.add_parser("check", help="read the configuration and report every mistake")
    commands.add_parser("pin", help="read a PIN for the panel from standard input and print what panel.pin_file holds")
    check.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``estrade-agent``; return the exit status: 0 well, 1 a fault of ours, 2 something the user can mend."""
    args = _parser().parse_args(argv)
    if args.version:
        from agent.version import VERSION

        sys.stdout.write(f"estrade-agent {VERSION}\n")
        return EXIT_OK
    _set_up_logs(args.log_level)
    try:
        if args.command == "check":
            return _check(args.config, as_json=args.json)
        if args.command == "pin":
            return _pin()
        return _run(args.config)
    except EstradeError as error:
        problems = error.problems if isinstance(error, ConfigError) else ()
        sentence = error.summary if isinstance(error, ConfigError) else error.message
        sys.stderr.write("\n  ".join([f"estrade-agent: {sentence} [{error.code}]", *problems]) + "\n")
        return EXIT_USER


def _check(config: Path, *, as_json: bool) -> int:
    from agent.config import load

    problems: list[str] = []
    code = None
    try:
        load(config)
    except ConfigError as error:
        problems, code = list(error.problems) or [error.message], error.code
    if as_json:
        sys.stdout.write(json.dumps({"ok": not problems, "code": code, "problems": problems}) + "\n")
    else:
        for problem in problems:
            sys.stdout.write(f"{problem}\n")
        sys.stdout.write(f"{config}: {'no mistake' if not problems else f'{len(problems)} to mend [{code}]'}\n")
    return EXIT_USER if problems else EXIT_OK


def _pin() -> int:
    from agent.web.pin import hash_pin

    if sys.stdin.isatty():
        import getpass

        given = getpass.getpass("PIN: ")
    else:
        given = sys.stdin.readline()
    sys.stdout.write(hash_pin(given.strip()) + "\n")
    return EXIT_OK


def _run(config: Path) -> int:
    # Before NumPy comes: its threads would spin beside the encoders, for matrices of which each is some µs of work.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

    from agent import memory

    memory.keep_little()

    import uvloop

    from agent.app import Agent
    from agent.config import load
    from agent.notify import SystemdNotifier

    settings = load(config)
    # A fall must not leave the room's memory, with pupils' names in it, on the disk; what we start inherits it.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    async def live() -> None:
        task = asyncio.current_task()
        assert task is not None
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        await Agent(settings, SystemdNotifier()).run()

    try:
        uvloop.run(live())
    except asyncio.CancelledError:
        logging.getLogger(__name__).info("The room leaves: it was told to")
    except BaseExceptionGroup as group:
        told, others = group.split(EstradeError)
        if others is None and told is not None:
            raise _first(told) from None
        raise
    return EXIT_OK


def _first(group: BaseExceptionGroup[EstradeError]) -> EstradeError:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


class _Fields(logging.Formatter):
    """A static sentence, then the fields as ``name=value``."""

    _plain = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        fields = [f"{name}={value}" for name, value in vars(record).items() if name not in self._plain]
        if not fields:
            return line
        head, newline, traceback = line.partition("\n")
        return f"{head} {' '.join(fields)}{newline}{traceback}"


def _set_up_logs(level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Fields("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("aioice", "aiortc", "libav"):  # they name addresses and candidates of people at INFO
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLogger().level))


if __name__ == "__main__":
    sys.exit(main())
