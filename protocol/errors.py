"""The error tree, cut by what the caller can do, with stable codes.

Only ``controller/api/errors.py`` turns these into HTTP (RFC 9457) and only ``agent/commands.py`` and ``agent/web``
into command results and panel answers. The sentences here are for people who operate Estrade and are in English; a
page shows the words of its own language for the ``code``.
"""

from __future__ import annotations

from typing import ClassVar


class EstradeError(Exception):
    """An error somebody can act on.

    ``code`` is stable and in kebab-case; ``message`` is one sentence: what, which one, what to do; ``retryable`` says
    whether the same act may succeed later by itself.
    """

    default_code: ClassVar[str] = "internal"
    default_retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        retryable: bool | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.retryable = self.default_retryable if retryable is None else retryable
        self.retry_after_s = retry_after_s


class ConfigError(EstradeError):
    """A configuration that cannot be used.

    ``problems`` has one sentence for each mistake, with its key; ``summary`` says whose they are.
    """

    default_code = "config-invalid"

    def __init__(self, message: str, problems: tuple[str, ...] = (), *, code: str | None = None) -> None:
        super().__init__(message if not problems else f"{message}: " + "; ".join(problems), code=code)
        self.summary = message
        self.problems = problems


class DeviceError(EstradeError):
    """A camera, microphone, loudspeaker or board that does not do what was asked."""

    default_code = "device-failed"
    default_retryable = True


class DeviceNotFoundError(DeviceError):
    """The device is not there."""

    default_code = "device-not-found"


class DeviceBusyError(DeviceError):
    """Another program holds the device."""

    default_code = "device-busy"


class DeviceUnsupportedError(DeviceError):
    """This device cannot do that, and will not learn it."""

    default_code = "device-unsupported"
    default_retryable = False


class DeviceProtocolError(DeviceError):
    """Something answers there, but in another language than this driver's: another device, or another driver."""

    default_code = "device-protocol"
    default_retryable = False


class DevicePasswordError(DeviceError):
    """The device refuses its name or password. Many lock the account after a few tries, so nobody tries again by itself
    before the password file has changed."""

    default_code = "device-password"
    default_retryable = False


class DeviceTimeoutError(DeviceError):
    """The device did not answer in time."""

    default_code = "device-timeout"


class DeviceLostError(DeviceError):
    """The device worked and is gone."""

    default_code = "device-lost"


class DeviceCrashedError(DeviceLostError):
    """Its driver died, hung or met a fault of its own; said apart because a driver may go on doing so.

    The code says what it was for the device: it worked (``device-lost``) or did not open (``device-failed``).
    """


class DeviceSetAsideError(DeviceError):
    """Its driver crashed again and again, and is left alone for a while."""

    default_code = "device-set-aside"


class DeviceNoSignalError(DeviceError):
    """The capture card is there, and nothing arrives at its socket."""

    default_code = "device-no-signal"


class DeviceMovedError(DeviceLostError):
    """The sound server recorded from another source than the configured one; nothing of that was sent."""

    default_code = "device-moved"


class DeviceNotNowError(DeviceError):
    """The device cannot do that in its present state, as while it warms up or cools down."""

    default_code = "device-not-now"


class DevicePermissionError(DeviceError):
    """The agent's user may not open the device."""

    default_code = "device-permission"
    default_retryable = False


class LessonTransitionError(EstradeError):
    """The lesson cannot do that in its present state."""

    default_code = "lesson-transition"


class LessonError(EstradeError):
    """Something about a lesson as a pupil or IT sees it: not begun, over, not known."""

    default_code = "lesson-not-found"


class SignallingError(EstradeError):
    """An offer, candidate or answer that cannot be used."""

    default_code = "offer-invalid"


class MediaServerError(EstradeError):
    """A media server that does not take what a room publishes, or does not give it to a pupil."""

    default_code = "media-server-unreachable"
    default_retryable = True


class BrokerError(EstradeError):
    """The MQTT broker refused, did not answer, or is away."""

    default_code = "broker-unavailable"
    default_retryable = True


class CommandError(EstradeError):
    """A command that was not carried out; the code is the one the other side gave."""

    default_code = "command-failed"


class StoreError(EstradeError):
    """The database does not answer, or takes no writes; nothing was changed."""

    default_code = "database-unavailable"
    default_retryable = True


class AccessError(EstradeError):
    """A code, link, token or password that does not open this door."""

    default_code = "access-refused"


class RecordingError(EstradeError):
    """A recording that cannot be made, kept or read."""

    default_code = "recording-failed"


class ShareError(EstradeError):
    """A file that the centre does not take, or does not have."""

    default_code = "share-not-found"


class FetchError(EstradeError):
    """An address outside that does not give, or does not take, what it should."""

    default_code = "fetch-failed"
    default_retryable = True


class CalendarError(EstradeError):
    """A calendar that cannot be taken; the lessons that were read from it last stay."""

    default_code = "calendar-unreadable"


class HelperError(EstradeError):
    """The root helper did not do what it was asked."""

    default_code = "helper-failed"


class IssuerError(EstradeError):
    """The process that holds the authority's key did not do what it was asked."""

    default_code = "issuer-failed"
    default_retryable = True


CODES: dict[str, str] = {
    "internal": "A fault of ours; the log of the program that answered has the details.",
    "config-invalid": "The configuration has mistakes; each is named with its key.",
    "device-failed": "A device does not do what was asked.",
    "device-not-found": "The device is not connected, or its name or path is wrong.",
    "device-busy": "Another program is using the device.",
    "device-unsupported": "This device cannot do that.",
    "device-protocol": "What answers there speaks another language than the driver: another device, or another driver.",
    "device-password": "The device refuses its name or password; it is tried again when the password file has changed.",
    "device-ambiguous": "The name fits several; it has to say which.",
    "preset-not-found": "The camera has no such preset.",
    "preset-void": "The camera was moved, or nobody looked at this preset yet: somebody in the room has to look first.",
    "device-timeout": "The device did not answer in time.",
    "device-lost": "The device was working and stopped.",
    "device-set-aside": "The device's driver failed again and again and is left alone for a while.",
    "device-no-signal": "The capture card is there, and nothing arrives at its socket.",
    "device-moved": "The sound server put another source in the microphone's place; nothing of that was sent.",
    "device-not-now": "The device cannot do that in its present state.",
    "device-permission": "The agent's user may not open the device.",
    "helper-failed": "The helper that acts as root failed; its journal has the details.",
    "helper-not-there": "The helper that acts as root, or what it was asked for, is not set up on this mini-PC.",
    "helper-bad-request": "The helper that acts as root has no such verb, or not with these arguments.",
    "helper-refused": "The helper that acts as root does not do that.",
    "helper-too-often": "The helper that acts as root did that often enough for now.",
    "helper-lesson-runs": "That waits until the lesson has ended.",
    "issuer-failed": "The issuer of certificates failed; its journal has the details.",
    "issuer-not-there": "The issuer of certificates does not run.",
    "issuer-bad-request": "The issuer of certificates has no such verb, or not with these arguments.",
    "issuer-refused": "The issuer of certificates does not do that.",
    "issuer-too-often": "The issuer of certificates did that often enough for now.",
    "disk-failed": "The disk does not store what it should.",
    "recording-failed": "The recording stopped by an error; the lesson goes on.",
    "recording-disk-full": "The disk has no room for a recording; the lesson goes on.",
    "recording-disk-slow": "The disk did not keep up with the recording, which stopped; the lesson goes on.",
    "recording-cut": "The recording ended with a fall of the room's program; what was stored until then is kept.",
    "recording-not-found": "There is no such recording; it may have been deleted.",
    "recording-unreadable": "The recording cannot be read: another key made it, or its file is damaged.",
    "share-not-found": "There is nothing behind this link: it ran out, or it was never whole.",
    "share-full": "The centre has no room for more files.",
    "share-offset": "The upload goes on at another place; ask for it with HEAD.",
    "share-failed": "The recording did not get to the centre.",
    "recording-off": "This room does not record; its configuration has to allow it.",
    "lesson-transition": "The lesson cannot do that in its present state.",
    "selftest-not-now": "The room is tested between lessons, and not again and again from afar.",
    "lesson-not-found": "There is no such lesson.",
    "lesson-not-started": "The lesson has not begun; the page connects by itself when it does.",
    "lesson-ended": "The lesson is over.",
    "lesson-locked": "The teacher has locked the lesson: nobody new comes in.",
    "not-admitted": "The teacher does not let this pupil into the lesson.",
    "pupil-not-found": "That pupil, or what the pupil wanted, is not there any more.",
    "proposal-none": "There is no proposal to answer; it may have run out.",
    "room-not-found": "There is no such room.",
    "room-offline": "The room is switched off or cannot be reached.",
    "room-timeout": "The room did not answer in time.",
    "starting": "The room is starting and will answer in a moment.",
    "offer-invalid": "The offer is not a usable SDP.",
    "offer-too-large": "The offer is larger than any browser makes.",
    "offer-throttled": "Too many offers with this ticket; wait and try again.",
    "no-common-codec": "The player and the room have no video or sound format in common.",
    "viewer-not-found": "There is no such connection; it may have ended.",
    "viewer-limit": "The room cannot take another viewer.",
    "uplink-full": "The room's line carries no further pupil at the moment.",
    "relay-off": "The room publishes to no media server at the moment; its media come from the room itself.",
    "media-server-unreachable": "The media server cannot be reached, or has lost what the room publishes.",
    "media-server-refused": "The media server refuses; its own words say why.",
    "hand-not-taken": "The microphone is for a pupil whose hand the teacher has taken.",
    "speaker-in-room": "Whoever is in the room speaks there; a second microphone would howl.",
    "somebody-speaks": "Another pupil speaks; one at a time.",
    "screen-code-wrong": "No screen can be shared with this code: it is wrong, or it has run out.",
    "screen-code-used": "This code was used already: each is good for one share.",
    "screen-not-granted": "The room does not know of this share any more: it wants a new code.",
    "screen-stopped": "The share was stopped in the room; another one wants a new code.",
    "screen-replaced": "Another share has taken the place of this one.",
    "screen-too-large": "The shared picture is larger than the room can show.",
    "candidate-invalid": "The candidates are not a usable trickle-ice-sdpfrag.",
    "ice-restart-unsupported": "An ICE restart is not possible; the player makes a new connection.",
    "broker-unavailable": "The MQTT broker cannot be reached.",
    "broker-certificate": "The TLS connection to the broker failed: its certificate or ours is not accepted.",
    "broker-not-authorised": "The broker does not admit this user or certificate.",
    "broker-refused": "The MQTT broker refused the message: the certificate's rights do not cover that topic.",
    "message-too-large": "The message is larger than the MQTT broker takes and was not sent.",
    "command-failed": "The command was not carried out.",
    "command-late": "The command arrived after its deadline and was not carried out.",
    "command-unknown": "This version does not know that command.",
    "args-invalid": "The arguments are not of the command's form.",
    "code-wrong": "No lesson has this code.",
    "code-throttled": "Too many wrong codes from here; wait and try again.",
    "link-wrong": "This link is not, or is no longer, valid.",
    "token-invalid": "The ticket for this lesson is missing, changed or out of date: join again.",
    "access-refused": "Signing in is needed for this.",
    "sign-in-failed": "The name or the password is wrong.",
    "sign-in-throttled": "Too many attempts to sign in; wait and try again.",
    "totp-needed": "The account has a second step: a code of its app, or a recovery code, is needed too.",
    "totp-wrong": "The code is wrong, too old, or was used before.",
    "totp-missing": "Administrators of this centre set up a second step before anything else.",
    "totp-there": "The account has a second step already; it has to be taken away before there can be another.",
    "oidc-failed": "Signing in with the other service did not go through; begin again.",
    "oidc-unreachable": "The other service that signs people in does not answer as it should.",
    "no-grant": "The other service knows this account, and none of its groups may do anything here.",
    "name-taken": "Another account has this name.",
    "token-expired": "The program's token is out of date; it needs another one.",
    "forbidden": "This account may not do that.",
    "cross-site": "The request came from another site and was refused.",
    "panel-token": "The panel opens from the room's own screen; this browser has not shown the token of this boot.",
    "panel-locked": "Names and code are behind a PIN, which has to be typed first.",
    "pin-wrong": "The PIN is wrong.",
    "pin-throttled": "Too many wrong PINs; wait and try again.",
    "not-found": "There is nothing at this address.",
    "method-not-allowed": "This address does not take that method.",
    "body-invalid": "The request's body is not of the expected form.",
    "body-too-large": "The request's body is too large.",
    "unsupported-media-type": "The request's body is of a type this address does not take.",
    "pki-missing": "There is no certificate authority in that folder yet.",
    "pki-unusable": "The certificate authority's files cannot be read or are not of Estrade's kind.",
    "csr-invalid": "The certificate request is not a signed one with an EC P-256 key.",
    "database-unavailable": "The database does not answer or takes no writes at the moment.",
    "database-unusable": "The database cannot be opened or brought to this version.",
    "port-taken": "Another program already listens on that port.",
    "centre-unreachable": "The centre does not answer at that address.",
    "address-refused": "The centre does not go to this address: it leads inside, or is not of a kind that is allowed.",
    "fetch-failed": "The address outside does not answer, or not as it should.",
    "calendar-unreadable": "This is no calendar that can be read; the lessons that were read from it last stay.",
    "calendar-too-large": "The calendar is larger than is taken; the lessons that were read from it last stay.",
    "already-running": "This program runs already, with the same folder.",
    "no-network": "This machine has no address that others on its network could reach.",
    "not-ready": "A program did not become ready in time.",
    "program-missing": "A program that Estrade needs is not installed.",
}
"""Every stable code, with what it means. docs/protocol.md shows this table."""
