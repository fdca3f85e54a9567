"""An ONVIF camera: device, media, PTZ and events over HTTP, with WS-Security's digest, a clock of its own, and faults.

It turns for real and by itself no longer than each move's limit. ``done`` lists the commands it carried out, ``logins``
every login that came, True for a right one.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

SOAP = "http://www.w3.org/2003/05/soap-envelope"
WSSE = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd}"
WSU = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd}"
NAMES = (
    'xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:tt="http://www.onvif.org/ver10/schema"'
    ' xmlns:tds="http://www.onvif.org/ver10/device/wsdl" xmlns:trt="http://www.onvif.org/ver10/media/wsdl"'
    ' xmlns:tev="http://www.onvif.org/ver10/events/wsdl" xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2"'
    ' xmlns:wsa5="http://www.w3.org/2005/08/addressing" xmlns:tns1="http://www.onvif.org/ver10/topics"'
    ' xmlns:tptz="http://www.onvif.org/ver20/ptz/wsdl" xmlns:ter="http://www.onvif.org/ver10/error"'
)
CONCRETE = "http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet"
FRESH_S = 5.0
"""A login whose time is further off than this from the camera's clock is refused, as strict cameras do."""


PULL_LOOKS = 60
"""A pull without news is answered after so many looks, each 0.05 s."""


class Fault(Exception):
    """A refusal: the subcode, and the reason in words."""


@dataclass
class OnvifFaults:
    delay_s: float = 0.0
    is_silent: bool = False
    answer_with: bytes | None = None
    """Say this, bare, to every connection: another device."""
    body: bytes | None = None
    """Answer every request with this body and status 200."""
    page_for: str = ""
    """Answer requests of this name with a web page and status 200."""
    status: int | None = None
    """Answer every request with this status and a little HTML."""
    cut: bool = False
    """Hang up in the middle of each answer."""
    drip_s: float = 0.0
    """Send each answer byte by byte."""


@dataclass
class OnvifCamera:
    user: str = "admin"
    password: str = "right"
    ahead_s: float = 0.0
    turns: bool = True
    zooms: bool = True
    stream: str = "rtsp://127.0.0.1:554/cam"
    profiles: tuple[tuple[str, str], ...] = (("p1", "main"), ("p2", "small"))
    presets: dict[str, tuple[str, tuple[float, float, float]]] = field(default_factory=dict)
    faults: OnvifFaults = field(default_factory=OnvifFaults)
    done: list[str] = field(default_factory=list)
    logins: list[bool] = field(default_factory=list)
    has_events: bool = True
    subscribers: int = 0
    port: int = 0
    _news: list[str] = field(default_factory=list)
    _states: dict[tuple[str, str], str] = field(default_factory=dict)
    _speed: tuple[float, float, float] = (0.0, 0.0, 0.0)
    _view: tuple[float, float, float] = (0.0, 0.0, 0.0)
    _since_s: float = 0.0
    _until_s: float = 0.0

    @property
    def speed(self) -> tuple[float, float, float]:
        """Pan (right), tilt (up), zoom (narrow): shares of the top speed."""
        return self._speed if time.monotonic() < self._until_s else (0.0, 0.0, 0.0)

    @property
    def stands(self) -> bool:
        return self.speed == (0.0, 0.0, 0.0)

    @property
    def view(self) -> tuple[float, float, float]:
        turned_s = max(0.0, min(time.monotonic(), self._until_s) - self._since_s)
        pan, tilt, zoom = (at + 10 * speed * turned_s for at, speed in zip(self._view, self._speed, strict=True))
        return pan, tilt, zoom

    def _turn(self, speed: tuple[float, float, float], most_s: float) -> None:
        self._view, self._speed = self.view, speed
        self._since_s = time.monotonic()
        self._until_s = self._since_s + most_s

    # SOAP.

    def answer(self, envelope: bytes) -> tuple[int, bytes]:
        """Carry one request out; return HTTP status and envelope."""
        root = ET.fromstring(envelope)
        body = root.find(f"{{{SOAP}}}Body")
        assert body is not None
        request = body[0]
        name = request.tag.rpartition("}")[2]
        try:
            if name != "GetSystemDateAndTime":
                self._admit(root)
            handle: Callable[[ET.Element], str] | None = getattr(self, f"_{name}", None)
            if handle is None:
                raise Fault("ActionNotSupported", f"{name} is not implemented")
            inner, status = handle(request), 200
            self.done.append(name)
        except Fault as fault:
            code, reason = fault.args
            inner, status = _fault(code, reason), 400
        return status, f"<?xml version='1.0'?><s:Envelope {NAMES}><s:Body>{inner}</s:Body></s:Envelope>".encode()

    def _admit(self, root: ET.Element) -> None:
        token = root.find(f".//{WSSE}UsernameToken")
        if token is None:
            raise Fault("NotAuthorized", "Sender not Authorized")
        said = {child.tag.rpartition("}")[2]: child.text or "" for child in token}
        nonce, created = base64.b64decode(said["Nonce"]), said["Created"]
        digest = base64.b64encode(hashlib.sha1(nonce + created.encode() + self.password.encode()).digest()).decode()
        late_s = (datetime.now(UTC) + timedelta(seconds=self.ahead_s) - datetime.fromisoformat(created)).total_seconds()
        is_right = said["Username"] == self.user and said["Password"] == digest and abs(late_s) < FRESH_S
        self.logins.append(is_right)
        if not is_right:
            raise Fault("NotAuthorized", "Sender not Authorized")

    # Device.

    def _GetSystemDateAndTime(self, _request: ET.Element) -> str:
        now = datetime.now(UTC) + timedelta(seconds=self.ahead_s)
        at = f"<tt:Hour>{now.hour}</tt:Hour><tt:Minute>{now.minute}</tt:Minute><tt:Second>{now.second}</tt:Second>"
        day = f"<tt:Year>{now.year}</tt:Year><tt:Month>{now.month}</tt:Month><tt:Day>{now.day}</tt:Day>"
        return (
            "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>Manual</tt:DateTimeType>"
            "<tt:DaylightSavings>false</tt:DaylightSavings>"
            f"<tt:UTCDateTime><tt:Time>{at}</tt:Time><tt:Date>{day}</tt:Date></tt:UTCDateTime>"
            "</tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
        )

    def _GetCapabilities(self, _request: ET.Element) -> str:
        at = f"http://127.0.0.1:{self.port}/onvif"
        ptz = f"<tt:PTZ><tt:XAddr>{at}/ptz</tt:XAddr></tt:PTZ>" if self.turns or self.zooms else ""
        supports = "".join(
            f"<tt:WS{name}>true</tt:WS{name}>"
            for name in (
                "SubscriptionPolicySupport", "PullPointSupport", "PausableSubscriptionManagerInterfaceSupport",
            )
        )  # fmt: skip
        events = f"<tt:Events><tt:XAddr>{at}/events</tt:XAddr>{supports}</tt:Events>" if self.has_events else ""
        return (
            f"<tds:GetCapabilitiesResponse><tds:Capabilities><tt:Device><tt:XAddr>{at}/device_service</tt:XAddr>"
            f"</tt:Device>{events}<tt:Media><tt:XAddr>{at}/media</tt:XAddr><tt:StreamingCapabilities/></tt:Media>{ptz}"
            "</tds:Capabilities></tds:GetCapabilitiesResponse>"
        )

    def _GetDeviceInformation(self, _request: ET.Element) -> str:
        return (
            "<tds:GetDeviceInformationResponse><tds:Manufacturer>Estrade</tds:Manufacturer><tds:Model>Fake</tds:Model>"
            "<tds:FirmwareVersion>1</tds:FirmwareVersion><tds:SerialNumber>1</tds:SerialNumber>"
            "<tds:HardwareId>1</tds:HardwareId></tds:GetDeviceInformationResponse>"
        )

    # Media.

    def _GetProfiles(self, _request: ET.Element) -> str:
        motor = ""
        if self.turns or self.zooms:
            motor = (
                '<tt:PTZConfiguration token="c"><tt:Name>c</tt:Name><tt:UseCount>1</tt:UseCount>'
                "<tt:NodeToken>node</tt:NodeToken></tt:PTZConfiguration>"
            )
        found = "".join(
            f'<trt:Profiles token="{token}" fixed="true"><tt:Name>{name}</tt:Name>{motor}</trt:Profiles>'
            for token, name in self.profiles
        )
        return f"<trt:GetProfilesResponse>{found}</trt:GetProfilesResponse>"

    def _GetStreamUri(self, request: ET.Element) -> str:
        if _text(request, "ProfileToken") not in dict(self.profiles):
            raise Fault("NoProfile", "The requested profile token does not exist")
        return (
            f"<trt:GetStreamUriResponse><trt:MediaUri><tt:Uri>{self.stream}</tt:Uri>"
            "<tt:InvalidAfterConnect>false</tt:InvalidAfterConnect><tt:InvalidAfterReboot>false</tt:InvalidAfterReboot>"
            "<tt:Timeout>PT0S</tt:Timeout></trt:MediaUri></trt:GetStreamUriResponse>"
        )

    # PTZ.

    def _GetNode(self, _request: ET.Element) -> str:
        ends = "<tt:Min>-1</tt:Min><tt:Max>1</tt:Max>"
        pan_tilt = (
            "<tt:ContinuousPanTiltVelocitySpace><tt:URI>http://www.onvif.org/ver10/tptz/PanTiltSpaces/V</tt:URI>"
            f"<tt:XRange>{ends}</tt:XRange><tt:YRange>{ends}</tt:YRange></tt:ContinuousPanTiltVelocitySpace>"
        )
        zoom = (
            "<tt:ContinuousZoomVelocitySpace><tt:URI>http://www.onvif.org/ver10/tptz/ZoomSpaces/V</tt:URI>"
            f"<tt:XRange>{ends}</tt:XRange></tt:ContinuousZoomVelocitySpace>"
        )
        return (
            '<tptz:GetNodeResponse><tptz:PTZNode token="node"><tt:Name>node</tt:Name><tt:SupportedPTZSpaces>'
            f"{pan_tilt if self.turns else ''}{zoom if self.zooms else ''}</tt:SupportedPTZSpaces>"
            "<tt:MaximumNumberOfPresets>100</tt:MaximumNumberOfPresets><tt:HomeSupported>true</tt:HomeSupported>"
            "</tptz:PTZNode></tptz:GetNodeResponse>"
        )

    def _ContinuousMove(self, request: ET.Element) -> str:
        pan_tilt, zoom = _find(request, "PanTilt"), _find(request, "Zoom")
        pan, tilt = (float(pan_tilt.get("x", 0)), float(pan_tilt.get("y", 0))) if pan_tilt is not None else (0.0, 0.0)
        limit = _text(request, "Timeout")
        most_s = float(limit.removeprefix("PT").removesuffix("S")) if limit else 3600.0
        self._turn((pan, tilt, float(zoom.get("x", 0)) if zoom is not None else 0.0), most_s)
        return "<tptz:ContinuousMoveResponse/>"

    def _Stop(self, _request: ET.Element) -> str:
        self._turn((0.0, 0.0, 0.0), 0.0)
        return "<tptz:StopResponse/>"

    def _GetStatus(self, _request: ET.Element) -> str:
        pan, tilt, zoom = self.view
        return (
            f'<tptz:GetStatusResponse><tptz:PTZStatus><tt:Position><tt:PanTilt x="{pan:.4f}" y="{tilt:.4f}"/>'
            f'<tt:Zoom x="{zoom:.4f}"/></tt:Position><tt:UtcTime>2026-11-25T12:00:00Z</tt:UtcTime>'
            "</tptz:PTZStatus></tptz:GetStatusResponse>"
        )

    def _GetPresets(self, _request: ET.Element) -> str:
        found = "".join(
            f'<tptz:Preset token="{token}"><tt:Name>{name}</tt:Name></tptz:Preset>'
            for token, (name, _view) in self.presets.items()
        )
        return f"<tptz:GetPresetsResponse>{found}</tptz:GetPresetsResponse>"

    def _SetPreset(self, request: ET.Element) -> str:
        token = _text(request, "PresetToken") or f"t{len(self.presets) + 1}"
        name = _text(request, "PresetName") or self.presets.get(token, (token,))[0]
        self.presets[token] = (name, self.view)
        return f"<tptz:SetPresetResponse><tptz:PresetToken>{token}</tptz:PresetToken></tptz:SetPresetResponse>"

    def _GotoPreset(self, request: ET.Element) -> str:
        token = _text(request, "PresetToken")
        if token not in self.presets:
            raise Fault("NoToken", "The requested preset token does not exist")
        self._turn((0.0, 0.0, 0.0), 0.0)
        self._view = self.presets[token][1]
        return "<tptz:GotoPresetResponse/>"

    # Events.

    def tell(self, topic: str, source: str, *, holds: bool, item: str = "State") -> None:
        """Have the camera say that something of it holds, or no longer does."""
        body = (
            f'<wsnt:NotificationMessage><wsnt:Topic Dialect="{CONCRETE}">tns1:{topic}</wsnt:Topic><wsnt:Message>'
            '<tt:Message UtcTime="2026-11-25T12:00:00Z" PropertyOperation="Changed"><tt:Source>'
            f'<tt:SimpleItem Name="Source" Value="{source}"/></tt:Source><tt:Data>'
            f'<tt:SimpleItem Name="{item}" Value="{"true" if holds else "false"}"/></tt:Data></tt:Message>'
            "</wsnt:Message></wsnt:NotificationMessage>"
        )
        self._states[topic, source] = body
        self._news.append(body)

    def restart(self) -> None:
        """Forget who listened, as a camera does that was switched off and on."""
        self.subscribers = 0
        self._news.clear()

    @property
    def has_news(self) -> bool:
        return bool(self._news) or not self.subscribers

    def _CreatePullPointSubscription(self, _request: ET.Element) -> str:
        self.subscribers += 1
        address = f"http://127.0.0.1:{self.port}/onvif/pull"
        return (
            "<tev:CreatePullPointSubscriptionResponse><tev:SubscriptionReference>"
            f"<wsa5:Address>{address}</wsa5:Address></tev:SubscriptionReference>{self._lives()}"
            "</tev:CreatePullPointSubscriptionResponse>"
        )

    def _lives(self) -> str:
        now = datetime.now(UTC) + timedelta(seconds=self.ahead_s)
        until = now + timedelta(seconds=120)
        return (
            f"<wsnt:CurrentTime>{now:%Y-%m-%dT%H:%M:%SZ}</wsnt:CurrentTime>"
            f"<wsnt:TerminationTime>{until:%Y-%m-%dT%H:%M:%SZ}</wsnt:TerminationTime>"
        )

    def _SetSynchronizationPoint(self, _request: ET.Element) -> str:
        self._news = list(self._states.values())
        return "<tev:SetSynchronizationPointResponse/>"

    def _PullMessages(self, _request: ET.Element) -> str:
        if not self.subscribers:
            raise Fault("ResourceUnknown", "The subscription is not known")
        news, self._news = "".join(self._news), []
        times = self._lives().replace("wsnt:", "tev:")
        return f"<tev:PullMessagesResponse>{times}{news}</tev:PullMessagesResponse>"

    def _Unsubscribe(self, _request: ET.Element) -> str:
        self.subscribers = max(0, self.subscribers - 1)
        return "<wsnt:UnsubscribeResponse/>"


def _find(request: ET.Element, name: str) -> ET.Element | None:
    return next((one for one in request.iter() if one.tag.rpartition("}")[2] == name), None)


def _text(request: ET.Element, name: str) -> str:
    found = _find(request, name)
    return (found.text or "") if found is not None else ""


def _fault(code: str, reason: str) -> str:
    return (
        "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode>"
        f"<s:Value>ter:{code}</s:Value></s:Subcode></s:Code>"
        f'<s:Reason><s:Text xml:lang="en">{reason}</s:Text></s:Reason></s:Fault>'
    )


@asynccontextmanager
async def onvif_camera(camera: OnvifCamera) -> AsyncIterator[int]:
    """Have the camera listen on a free port of 127.0.0.1; yield the port."""
    open_now: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_now.add(writer)
        with suppress(OSError, asyncio.CancelledError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = next(
                    int(line.split(":")[1]) for line in head.split("\r\n") if line.startswith("content-length")
                )
                request = await reader.readexactly(length)
                if not await _respond(camera, request, writer):
                    break
        open_now.discard(writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    camera.port = server.sockets[0].getsockname()[1]
    try:
        yield camera.port
    finally:
        server.close()
        for writer in tuple(open_now):
            writer.close()


async def _respond(camera: OnvifCamera, request: bytes, writer: asyncio.StreamWriter) -> bool:
    """Answer one request with the faults ordered; return whether the connection goes on."""
    faults = camera.faults
    await asyncio.sleep(faults.delay_s)
    if faults.is_silent:
        return True
    if faults.answer_with is not None:
        writer.write(faults.answer_with)
        await writer.drain()
        return False
    if faults.status is not None:
        status, body, kind = faults.status, f"<html><body>{faults.status}</body></html>".encode(), "text/html"
    else:
        if b":PullMessages" in request or b"<PullMessages" in request:
            for _ in range(PULL_LOOKS):
                if camera.has_news:
                    break
                await asyncio.sleep(0.05)
        if faults.page_for and faults.page_for.encode() in request:
            status, body = 200, b"<html><body>Welcome</body></html>"
        else:
            status, body = (200, faults.body) if faults.body is not None else camera.answer(request)
        kind = "application/soap+xml; charset=utf-8"
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    if faults.cut:
        writer.write(head + body[: len(body) // 2])
        await writer.drain()
        return False
    if faults.drip_s:
        for at in range(len(body)):
            writer.write(head + body[:1] if at == 0 else body[at : at + 1])
            await writer.drain()
            await asyncio.sleep(faults.drip_s)
        return True
    writer.write(head + body)
    await writer.drain()
    return True
