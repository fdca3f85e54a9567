"""``estrade-controller``: run the centre, check its configuration, issue certificates, make users and rooms.

A mistake of the person at the keyboard is one sentence with its code and exit status 2, never a traceback. Heavy
imports happen inside the act that needs them, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from protocol.errors import ConfigError, EstradeError

DEFAULT_CONFIG = Path("/etc/estrade/controller.toml")

Act = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one command line; return the exit status."""
    options = parser().parse_args(argv)
    act: Act = options.act
    try:
        return act(options)
    except EstradeError as error:
        sys.stderr.write(f"estrade-controller: {error.message} [{error.code}]\n")
        return 2
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = argparse.ArgumentParser(prog="estrade-controller", description="The centre of Estrade.")
    top.add_argument("--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help=f"default: {DEFAULT_CONFIG}")
    top.add_argument("--json", action="store_true", help="print results as one JSON object")
    top.set_defaults(act=_run)
    acts = top.add_subparsers(title="instead of running", metavar="ACT")

    check = acts.add_parser("check", help="say every mistake of the configuration")
    check.set_defaults(act=_check)

    _add_pki(acts)
    _add_issuer(acts)

    user = acts.add_parser("user", help="accounts of IT").add_subparsers(required=True, metavar="ACT")
    add_user = user.add_parser("add", help="make an account, or give an existing one a new password and role")
    add_user.add_argument("name")
    add_user.add_argument("--role", choices=("admin", "teacher", "viewer"), default="admin")
    add_user.add_argument("--scope", default="all", help="where: all, territory:ID, school:ID or room:ID; default: all")
    how = add_user.add_mutually_exclusive_group()
    how.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    how.add_argument("--random", action="store_true", help="make a password and print it, once")
    add_user.set_defaults(act=_user_add)
    reset = user.add_parser("totp-reset", help="take an account's second step away, when app and codes are lost")
    reset.add_argument("name")
    reset.set_defaults(act=_user_totp_reset)
    user.add_parser("list", help="accounts and roles").set_defaults(act=_user_list)

    _add_token(acts)

    room = acts.add_parser("room", help="rooms of this centre").add_subparsers(required=True, metavar="ACT")
    add_room = room.add_parser("add", help="make a room known, or rename it")
    add_room.add_argument("id")
    add_room.add_argument("--name", required=True)
    add_room.add_argument("--territory", required=True)
    add_room.set_defaults(act=_room_add)
    bring = room.add_parser("import", help="make many rooms known from a CSV with the columns id,name,territory")
    bring.add_argument("file", help="path, or - for standard input")
    bring.set_defaults(act=_room_import)
    room.add_parser("list", help="rooms with link and code").set_defaults(act=_room_list)

    database = acts.add_parser("db", help="the database").add_subparsers(required=True, metavar="ACT")
    database.add_parser("upgrade", help="bring the tables to this version").set_defaults(act=_db_upgrade)
    return top


def _add_token(acts: Any) -> None:
    token = acts.add_parser("token", help="tokens of programs").add_subparsers(required=True, metavar="ACT")
    make = token.add_parser("make", help="make a token and print it, once")
    make.add_argument("name", help="what it is for")
    make.add_argument("--user", required=True, help="the account that it is of: it may never do more")
    make.add_argument("--may", required=True, metavar="LIST", help="permissions, as read,lesson")
    make.add_argument("--scope", default="all", help="where: all, territory:ID, school:ID or room:ID; default: all")
    make.add_argument("--days", type=int, default=90, help="until it ends; default: 90")
    make.set_defaults(act=_token_make)
    token.add_parser("list", help="tokens, with the id that revoke takes").set_defaults(act=_token_list)
    revoke = token.add_parser("revoke", help="take a token back")
    revoke.add_argument("id")
    revoke.set_defaults(act=_token_revoke)


def _add_pki(acts: Any) -> None:
    pki = acts.add_parser("pki", help="certificates of rooms, controllers, broker and web server")
    pki.add_argument("--dir", type=Path, metavar="FOLDER", help="the authority's folder; default: pki_dir of the file")
    does = pki.add_subparsers(required=True, metavar="ACT")
    does.add_parser("init", help="make the authority; an existing one is kept").set_defaults(act=_pki_init)
    room = does.add_parser("room", help="issue a room's certificate")
    room.add_argument("id", nargs="+")
    room.set_defaults(act=_pki_room)
    controller = does.add_parser("controller", help="issue a controller's certificates, one for each connection")
    controller.add_argument("instance")
    controller.set_defaults(act=_pki_controller)
    for name, text in (("broker", "issue mosquitto's certificate"), ("web", "issue the web server's certificate")):
        server = does.add_parser(name, help=text)
        server.add_argument("host", nargs="+", help="host names and addresses that clients will use")
        server.set_defaults(act=_pki_server, kind=name)
    does.add_parser("acl", help="print mosquitto's access list").set_defaults(act=_pki_acl)
    revoke = does.add_parser("revoke", help="withdraw a name's certificates and write the revocation list")
    revoke.add_argument("name")
    revoke.set_defaults(act=_pki_revoke)
    crl = does.add_parser("crl", help="write the revocation list anew; do it daily")
    crl.add_argument("--to", type=Path, metavar="FILE", help="and put it there, for estrade-crl.path to take")
    crl.set_defaults(act=_pki_crl)


def _add_issuer(acts: Any) -> None:
    issuer = acts.add_parser("issuer", help="hold the authority's key, and issue and withdraw for the controller")
    issuer.add_argument("--dir", type=Path, required=True, metavar="FOLDER", help="the authority's folder")
    issuer.add_argument("--audit", type=Path, required=True, metavar="FILE", help="where each act is written down")
    issuer.add_argument("--crl-to", type=Path, metavar="FILE", help="where a new revocation list is put for the broker")
    issuer.add_argument("--socket", type=Path, metavar="PATH", help="listen there; default: the socket of systemd")
    issuer.add_argument("--user", default="estrade-controller", help="who may ask, beside root")
    issuer.set_defaults(act=_issuer)


def _say(options: argparse.Namespace, text: str, **fields: Any) -> None:
    sys.stdout.write((json.dumps(fields, ensure_ascii=False) if options.json else text) + "\n")


# --- run and check ------------------------------------------------------------------------------------------------


def _run(options: argparse.Namespace) -> int:
    from controller.app import run
    from controller.config import load

    return run(load(options.config))


def _check(options: argparse.Namespace) -> int:
    from controller.config import load

    load(options.config)
    _say(options, f"{options.config}: no mistake found", ok=True, config=str(options.config))
    return 0


# --- pki ----------------------------------------------------------------------------------------------------------


def _pki_folder(options: argparse.Namespace) -> Path:
    if options.dir is not None:
        return Path(options.dir)
    from controller.config import load

    folder = load(options.config).pki_dir
    if folder is None:
        msg = f"{options.config} has no pki_dir; name the authority's folder with: pki --dir FOLDER"
        raise ConfigError(msg, code="pki-missing")
    return folder


def _pki_init(options: argparse.Namespace) -> int:
    from controller.pki import CertificateAuthority

    authority = CertificateAuthority.create(_pki_folder(options))
    _say(options, str(authority.ca_path), ca=str(authority.ca_path), crl=str(authority.crl_path))
    return 0


def _pki_room(options: argparse.Namespace) -> int:
    from controller.pki import CertificateAuthority

    authority = CertificateAuthority(_pki_folder(options))
    issued = {room: authority.room(room) for room in options.id}
    rooms = {room: {"cert": str(paths.cert), "key": str(paths.key)} for room, paths in issued.items()}
    _say(options, "\n".join(f"{paths.cert} {paths.key}" for paths in issued.values()), rooms=rooms)
    return 0


def _pki_controller(options: argparse.Namespace) -> int:
    from controller.pki import CertificateAuthority

    issued = CertificateAuthority(_pki_folder(options)).controller(options.instance)
    names = {purpose: {"cert": str(paths.cert), "key": str(paths.key)} for purpose, paths in issued.items()}
    text = "\n".join(f"{purpose}: {paths.cert} {paths.key}" for purpose, paths in issued.items())
    _say(options, f"{text}\nnow write the access list anew: estrade-controller pki acl", **names)
    return 0


def _pki_server(options: argparse.Namespace) -> int:
    from controller.pki import CertificateAuthority

    authority = CertificateAuthority(_pki_folder(options))
    paths = (authority.broker if options.kind == "broker" else authority.web)(options.host)
    _say(options, f"{paths.cert} {paths.key}", cert=str(paths.cert), key=str(paths.key))
    return 0


def _pki_acl(options: argparse.Namespace) -> int:
    from controller.acl import mosquitto_acl
    from controller.pki import CertificateAuthority

    text = mosquitto_acl(CertificateAuthority(_pki_folder(options)).controller_users())
    _say(options, text.rstrip("\n"), acl=text)
    return 0


def _pki_revoke(options: argparse.Namespace) -> int:
    from controller.pki import CertificateAuthority

    authority = CertificateAuthority(_pki_folder(options))
    count = authority.revoke(options.name)
    text = f"{count} certificate(s) of {options.name} withdrawn; now: systemctl start estrade-crl.service"
    _say(options, text, revoked=count, crl=str(authority.crl_path))
    return 0


def _pki_crl(options: argparse.Namespace) -> int:
    from controller.pki import CertificateAuthority

    authority = CertificateAuthority(_pki_folder(options))
    path = authority.write_crl()
    if options.to is None:
        _say(options, f"{path} written; now: systemctl reload mosquitto", crl=str(path))
        return 0
    try:
        authority.hand_over_crl(options.to)
    except OSError as error:
        msg = f"the list is written, but cannot be put at {options.to} ({error.strerror})"
        raise ConfigError(msg, code="args-invalid") from error
    _say(options, f"{path} written and put at {options.to}", crl=str(path))
    return 0


def _issuer(options: argparse.Namespace) -> int:
    from controller.issuer.serve import listening_socket, run
    from controller.issuer.verbs import Issuer, IssuerAudit
    from controller.pki import CertificateAuthority

    authority = CertificateAuthority(options.dir)
    listening = listening_socket(options.socket)
    with listening:
        return run(Issuer(authority, IssuerAudit(options.audit), hand_over_to=options.crl_to), listening, options.user)


# --- users, tokens, rooms, database -------------------------------------------------------------------------------


def _user_add(options: argparse.Namespace) -> int:
    from controller.administration import add_user

    return add_user(options)


def _user_totp_reset(options: argparse.Namespace) -> int:
    from controller.administration import reset_totp

    return reset_totp(options)


def _user_list(options: argparse.Namespace) -> int:
    from controller.administration import list_users

    return list_users(options)


def _token_make(options: argparse.Namespace) -> int:
    from controller.administration import make_token

    return make_token(options)


def _token_list(options: argparse.Namespace) -> int:
    from controller.administration import list_tokens

    return list_tokens(options)


def _token_revoke(options: argparse.Namespace) -> int:
    from controller.administration import revoke_token

    return revoke_token(options)


def _room_add(options: argparse.Namespace) -> int:
    from controller.administration import add_room

    return add_room(options)


def _room_import(options: argparse.Namespace) -> int:
    from controller.administration import import_rooms

    return import_rooms(options)


def _room_list(options: argparse.Namespace) -> int:
    from controller.administration import list_rooms

    return list_rooms(options)


def _db_upgrade(options: argparse.Namespace) -> int:
    from controller.administration import upgrade

    return upgrade(options)


if __name__ == "__main__":
    sys.exit(main())
