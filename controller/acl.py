"""mosquitto's access list: a room writes and reads its own topics only; a controller connection the whole tree.

Rules with ``pattern`` hold for every user, ``%u`` being the certificate's CN (``use_identity_as_username``). Lines with
``topic`` before the first ``user`` would hold for anonymous clients alone, so there are none.
"""

from __future__ import annotations

from collections.abc import Iterable

from protocol.topics import ROOT

_PATTERNS = (
    f"pattern write {ROOT}/+/%u/status",
    f"pattern write {ROOT}/+/%u/state",
    f"pattern write {ROOT}/+/%u/health",
    f"pattern write {ROOT}/+/%u/event/#",
    f"pattern write {ROOT}/+/%u/req/#",
    f"pattern write {ROOT}/+/%u/log",
    f"pattern write {ROOT}/ctl/+/reply/%u",
    f"pattern read {ROOT}/+/%u/cmd/#",
    f"pattern read {ROOT}/+/%u/config",
    f"pattern read {ROOT}/ctl/+/status",
    f"pattern read {ROOT}/+/all/cmd/#",
)


def mosquitto_acl(controller_users: Iterable[str]) -> str:
    """Return the ACL file for these controller users (`controller.pki.controller_name`)."""
    lines = [
        "# Made by: estrade-controller pki acl. Rules for rooms; %u is the CN of the room's certificate.",
        *_PATTERNS,
    ]
    for user in sorted(set(controller_users)):
        lines += ["", f"user {user}", f"topic readwrite {ROOT}/#", "topic read $SYS/#"]
    return "\n".join(lines) + "\n"
