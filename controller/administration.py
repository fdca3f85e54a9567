"""What the command line does to the store: accounts, rooms, tables. Each act opens the store, acts, closes it."""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import re
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from controller.accounts.grants import TOKEN_PERMISSIONS, Permission
from controller.accounts.passwords import hash_password, random_password
from controller.accounts.tokens import ApiTokens
from controller.config import ControllerConfig, load
from controller.fleet import Fleet
from controller.keys import load_keys
from controller.lessons import LessonBook
from controller.store.accounts import EVERYWHERE, Account, AuditRecord, Grant
from controller.store.rooms import RoomRecord
from controller.store.store import Store, open_store
from controller.store.tokens import TokenRecord
from protocol.errors import ConfigError
from protocol.pages import SCOPE, TokenBody
from protocol.topics import check_id

LEAST_PASSWORD = 10


def _with_store(config: ControllerConfig, work: Callable[[Store], Awaitable[None]]) -> None:
    async def act() -> None:
        async with open_store(config.database) as store:
            await work(store)

    asyncio.run(act())


def _say(options: argparse.Namespace, text: str, fields: Any) -> None:
    sys.stdout.write((json.dumps(fields, ensure_ascii=False) if options.json else text) + "\n")


async def _note(store: Store, act: str, subject: str, room: str | None = None) -> None:
    await store.accounts.note(AuditRecord(datetime.now(UTC), "command line", act, subject, "ok", room, "command-line"))


def add_user(options: argparse.Namespace) -> int:
    """``user add``: make an account, or give an existing one a new password and role."""
    config = load(options.config)
    name = options.name.strip()
    if not 1 <= len(name) <= 80:
        raise ConfigError("an account's name has 1 to 80 characters", code="args-invalid")
    if not re.fullmatch(SCOPE, options.scope):
        raise ConfigError("--scope is all, or territory:, school: or room: with an id", code="args-invalid")
    password = random_password() if options.random else _ask_password(from_stdin=options.password_stdin)
    account = Account(name, (Grant(options.role, options.scope),), hash_password(password))

    async def work(store: Store) -> None:
        await store.accounts.put(account, now=datetime.now(UTC))
        await _note(store, "user.add", name)

    _with_store(config, work)
    shown = {"password": password} if options.random else {}
    where = "" if options.scope == EVERYWHERE else f", {options.scope}"
    text = f"{name} ({options.role}{where})" + (f"\npassword, shown this once: {password}" if options.random else "")
    _say(options, text, {"name": name, "role": options.role, **shown})
    return 0


def _ask_password(*, from_stdin: bool) -> str:
    if from_stdin:
        password = sys.stdin.readline().rstrip("\n")
    else:
        import getpass

        if not sys.stdin.isatty():
            raise ConfigError("give the password with --password-stdin, or take --random", code="args-invalid")
        password = getpass.getpass("password: ")
        if password != getpass.getpass("again: "):
            raise ConfigError("the two passwords differ; nothing was changed", code="args-invalid")
    if not LEAST_PASSWORD <= len(password) <= 200:
        raise ConfigError(f"a password has {LEAST_PASSWORD} to 200 characters", code="args-invalid")
    return password


def reset_totp(options: argparse.Namespace) -> int:
    """``user totp-reset``: take an account's second step away; every browser signed in with it is signed out."""
    name = options.name.strip()

    async def work(store: Store) -> None:
        if await store.accounts.get(name) is None:
            raise ConfigError(f'there is no account "{name}"; user list names them', code="args-invalid")
        had_one = await store.second_steps.end(name)
        if had_one:
            await _note(store, "totp.reset", name)
        _say(options, f"{name}: {'the second step is gone' if had_one else 'has no second step'}", {"reset": had_one})

    _with_store(load(options.config), work)
    return 0


def list_users(options: argparse.Namespace) -> int:
    """``user list``."""

    async def work(store: Store) -> None:
        users = [
            {"name": account.name, "may": [f"{grant.role} {grant.scope}" for grant in account.grants]}
            for account in await store.accounts.all()
        ]
        _say(options, "\n".join(f"{user['name']}\t{', '.join(user['may'])}" for user in users), {"users": users})

    _with_store(load(options.config), work)
    return 0


def make_token(options: argparse.Namespace) -> int:
    """``token make``: make a token of an account, and print it this once."""
    try:
        asked = TokenBody(
            name=options.name, permissions=tuple(options.may.split(",")), scope=options.scope, days=options.days
        )
        permissions = [Permission(text) for text in asked.permissions]
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}", code="args-invalid") from error
    except ValueError as error:
        may_have = ", ".join(sorted(TOKEN_PERMISSIONS))
        raise ConfigError(f"--may: {error}; a token has one or more of: {may_have}", code="args-invalid") from error

    async def work(store: Store) -> None:
        user = options.user.strip()
        if await store.accounts.get(user) is None:
            raise ConfigError(f'there is no account "{user}"; user list names them', code="args-invalid")
        tokens = ApiTokens(store, now=lambda: datetime.now(UTC))
        token, record = await tokens.make(asked.name, user, permissions, asked.scope, asked.days)
        await _note(store, "token.make", record.name)
        _say(options, f"token, shown this once: {token}", {"token": token, **_shown(record)})

    _with_store(load(options.config), work)
    return 0


def list_tokens(options: argparse.Namespace) -> int:
    """``token list``: every token that is remembered, newest first."""

    async def work(store: Store) -> None:
        shown = [_shown(record) for record in await store.tokens.all()]
        _say(options, "\n".join("\t".join(token.values()) for token in shown), {"tokens": shown})

    _with_store(load(options.config), work)
    return 0


def revoke_token(options: argparse.Namespace) -> int:
    """``token revoke``: take a token back."""

    async def work(store: Store) -> None:
        record = await ApiTokens(store, now=lambda: datetime.now(UTC)).revoke(options.id)
        await _note(store, "token.revoke", record.name)
        _say(options, f"{record.name} ({record.user}): taken back", _shown(record))

    _with_store(load(options.config), work)
    return 0


def _shown(record: TokenRecord) -> dict[str, str]:
    def day(at: datetime | None) -> str:
        return at.date().isoformat() if at is not None else "-"

    return {
        "id": record.id,
        "name": record.name,
        "user": record.user,
        "may": ",".join(record.permissions),
        "scope": record.scope,
        "ends": day(record.expires_at),
        "used": day(record.used_at),
        "revoked": day(record.revoked_at),
    }


def add_room(options: argparse.Namespace) -> int:
    """``room add``: make one room known, and show its link and code."""
    return _add_rooms(options, [_room(options.id, options.name, options.territory, "")])


def import_rooms(options: argparse.Namespace) -> int:
    """``room import``: make the rooms of a CSV known, all or none."""
    try:
        text = sys.stdin.read() if options.file == "-" else Path(options.file).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"cannot read {options.file} ({error})"
        raise ConfigError(msg, code="args-invalid") from error
    rows = csv.DictReader(text.splitlines())
    if not {"id", "name", "territory"} <= set(rows.fieldnames or ()):
        raise ConfigError("the first line must be: id,name,territory", code="args-invalid")
    rooms: list[RoomRecord] = []
    problems: list[str] = []
    for line, row in enumerate(rows, start=2):
        try:
            rooms.append(_room(row["id"] or "", row["name"] or "", row["territory"] or "", f"line {line}: "))
        except ConfigError as error:
            problems.append(error.message)
    if problems:
        raise ConfigError(f"{options.file} has mistakes, nothing was changed", tuple(problems), code="args-invalid")
    return _add_rooms(options, rooms)


def _room(room: str, name: str, territory: str, where: str) -> RoomRecord:
    try:
        check_id(room)
        check_id(territory)
    except ValueError as error:
        raise ConfigError(f"{where}{error}", code="args-invalid") from error
    if room.startswith("controller-") or not 1 <= len(name.strip()) <= 120:
        msg = f'{where}a room\'s name has 1 to 120 characters, and its id does not begin with "controller-"'
        raise ConfigError(msg, code="args-invalid")
    return RoomRecord(room, territory, name.strip())


def _add_rooms(options: argparse.Namespace, rooms: list[RoomRecord]) -> int:
    config = load(options.config)

    async def work(store: Store) -> None:
        await store.rooms.put(rooms, now=datetime.now(UTC))
        for room in rooms:
            await _note(store, "room.add", room.id, room.id)
        _show_rooms(options, await _book(config, store), rooms)

    _with_store(config, work)
    return 0


def list_rooms(options: argparse.Namespace) -> int:
    """``room list``: rooms with the link and code that pupils use next."""
    config = load(options.config)

    async def work(store: Store) -> None:
        _show_rooms(options, await _book(config, store), await store.rooms.all())

    _with_store(config, work)
    return 0


async def _book(config: ControllerConfig, store: Store) -> LessonBook:
    """Return the lessons as a running centre has them; what is missing is made now and found by it later."""

    def now() -> datetime:
        return datetime.now(UTC)

    book = LessonBook(
        store,
        load_keys(config.state_dir),
        Fleet(time.monotonic, now),
        public_url=config.http.url(config.http.port),
        now=now,
        mono=time.monotonic,
    )
    await book.load(await store.rooms.all())
    return book


def _show_rooms(options: argparse.Namespace, book: LessonBook, rooms: Iterable[RoomRecord]) -> None:
    shown = []
    for room in rooms:
        access = book.access(room.id)
        shown.append(
            {
                "id": room.id,
                "territory": room.territory,
                "name": room.name,
                "code": access.code,
                "link": access.link,
            }
        )
    _say(options, "\n".join("\t".join(room.values()) for room in shown), {"rooms": shown})


def upgrade(options: argparse.Namespace) -> int:
    """``db upgrade``: opening the store brings its tables to this version."""

    async def work(store: Store) -> None:
        _say(options, "the tables are of this version", {"ok": True})

    _with_store(load(options.config), work)
    return 0
