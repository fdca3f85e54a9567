"""One connection to the broker, used once. Everything private of aiomqtt 2.5 and paho 2 that we touch is here.

What is put right: connection attempts that are given up leave no ghost behind; a TLS refusal is known at once and
with its reason; the PUBACK's reason code reaches the publisher; acknowledgement is ours; the loop is not asked to
watch sockets that are closed already (aiomqtt's "Bad file descriptor").
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import math
import select
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar, cast

import aiomqtt
from paho.mqtt.client import MQTTMessage
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from mqttlink.message import Message
from mqttlink.network_changes import has_address
from mqttlink.settings import LinkSettings
from protocol.errors import BrokerError

log = logging.getLogger(__name__)

T = TypeVar("T")

NO_DELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
"""Without it (and mosquitto's ``set_tcp_nodelay``) each request waits 88 ms for a delayed ACK."""
PUBACK_TIMEOUT_S = 10.0
"""A broker that is alive answers in milliseconds; a lost line is noticed by other means."""
LEAVE_TIMEOUT_S = 2.0
"""For the last words: systemd and teachers wait for us meanwhile."""
VERDICT_TIMEOUT_S = 0.5
"""A broker that sends no session tickets leaves us waiting in vain for this long."""
MOST_INFLIGHT = 20
"""Our own QoS 1 messages under way: mosquitto's default Receive Maximum, which paho does not read from CONNACK."""

NO_MATCHING_SUBSCRIBERS = 0x10
_REFUSED = 0x80
"""Reason codes from here on are failures (MQTT 5 §2.4)."""
_NOT_ADMITTED = {0x86, 0x87, 0x85, 0x8A, 0x8C}
"""CONNACK: bad user or password, not authorised, client id not valid, banned, bad authentication method."""


def properties(kind: int, **values: Any) -> Properties:
    """Return MQTT 5 properties for a packet type, without those that are None."""
    made: Any = Properties(kind)  # type: ignore[no-untyped-call]  # paho leaves it untyped
    for name, value in values.items():
        if value is not None:
            setattr(made, name, value)
    return cast(Properties, made)


def packet_bytes(topic: str, payload: bytes, qos: int, with_properties: Properties) -> int:
    """Return the size of a PUBLISH packet (MQTT 5 §3.3): fixed header, topic, packet id, properties, payload."""
    packed: bytes = cast(Any, with_properties).pack()
    remaining = 2 + len(topic.encode()) + (2 if qos else 0) + len(packed) + len(payload)
    return 1 + max(1, math.ceil(remaining.bit_length() / 7)) + remaining


class _PahoLog(logging.Logger):
    """What paho and aiomqtt say: kept for the reason of a failure, and passed on at DEBUG."""

    def __init__(self) -> None:
        super().__init__("mqttlink.paho")
        self.last_error = ""

    def isEnabledFor(self, level: int) -> bool:
        return level >= logging.WARNING or log.isEnabledFor(logging.DEBUG)

    def _log(self, level: int, msg: object, args: Any, *rest: Any, **more: Any) -> None:
        text = str(msg) % args if args else str(msg)
        if level >= logging.ERROR:
            self.last_error = text
        log.debug("paho: %s", text)


def _hear_verdict(wrapped: ssl.SSLSocket) -> None:
    """Wait for what the broker thinks of our certificate, and raise ssl.SSLError when it refuses it.

    In TLS 1.3 a client is done before the server has judged it. Had CONNECT been sent by then, the server's closing
    would reset the connection and the alert with the reason be lost. A satisfied server sends session tickets.
    """
    if wrapped.version() != "TLSv1.3":
        return
    readable = select.poll()  # select.select takes no descriptor from 1024 on
    readable.register(wrapped, select.POLLIN)
    readable.poll(VERDICT_TIMEOUT_S * 1000)
    wrapped.setblocking(False)
    with contextlib.suppress(ssl.SSLWantReadError):
        if not wrapped.read(1):
            raise ssl.SSLError("the broker closed the connection after the handshake")


class _Client(aiomqtt.Client):
    """aiomqtt's client with the callbacks that `Connection` needs."""

    def __init__(self, *args: Any, on_paho_message: Callable[[MQTTMessage], None], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._is_abandoned = False
        self._on_paho_message = on_paho_message
        self.publishing: dict[int, asyncio.Future[ReasonCode]] = {}
        self.most_packet_bytes: int | None = None
        """What the broker takes, as its CONNACK said (MQTT 5 §3.2.2.3.6); None: it named no bound."""

        if (context := kwargs.get("tls_context")) is not None:
            # paho's own leaves the socket open when the handshake fails
            paho: Any = self._client
            paho._ssl_wrap_socket = functools.partial(self._shake_hands, context)

    @property
    def paho(self) -> Any:
        return self._client

    def _shake_hands(self, context: ssl.SSLContext, tcp_socket: socket.socket) -> ssl.SSLSocket:
        wrapped = context.wrap_socket(tcp_socket, server_hostname=self._hostname, do_handshake_on_connect=False)
        try:
            wrapped.settimeout(self._client.connect_timeout)
            wrapped.do_handshake()
            _hear_verdict(wrapped)
        except BaseException:
            wrapped.close()
            raise
        return wrapped

    @property
    def ended(self) -> asyncio.Future[None]:
        return self._disconnected

    def _client_connect(self) -> None:
        super()._client_connect()
        if self._is_abandoned:  # in the executor's thread; the attempt was given up while this thread connected
            try:
                self._loop.call_soon_threadsafe(self.abandon)
            except RuntimeError:  # the loop is closed; so nothing of ours watches the socket
                self._client.socket().close()  # type: ignore[union-attr]  # just connected

    def abandon(self) -> None:
        """Drop the connection, or the attempt, at once and without a DISCONNECT. May be called again."""
        self._is_abandoned = True
        self._client._sock_close()
        if self._misc_task is not None:
            self._misc_task.cancel()
        if not self._disconnected.done():
            self._disconnected.set_result(None)
        for future in (self._connected, self._disconnected):
            if future.done() and not future.cancelled():
                future.exception()  # nobody else may ever ask for it
        for waiting in self.publishing.values():
            if not waiting.done():
                waiting.cancel()
        self.publishing.clear()

    async def _wait_for(self, fut: Awaitable[T], timeout: float | None) -> T:
        # Python 3.11's wait_for, which aiomqtt uses, swallows a cancellation that comes together with the result.
        try:
            async with asyncio.timeout(self.timeout if timeout is None else timeout):
                return await fut
        except TimeoutError:
            raise aiomqtt.MqttError("Operation timed out") from None

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None) -> None:
        self.most_packet_bytes = getattr(properties, "MaximumPacketSize", None)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None) -> None:
        if not self._connected.done():  # aiomqtt would wait for its time-out
            self._connected.set_exception(aiomqtt.MqttCodeError(reason_code, "Disconnected before CONNACK"))
        super()._on_disconnect(client, userdata, flags, reason_code, properties)

    def _on_message(self, client: Any, userdata: Any, message: MQTTMessage) -> None:
        self._on_paho_message(message)

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason_code: ReasonCode, properties: Any) -> None:
        waiting = self.publishing.pop(mid, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(reason_code)

    def _on_socket_open(self, client: Any, userdata: Any, sock: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed while the thread connected
            super()._on_socket_open(client, userdata, sock)

    def _on_socket_register_write(self, client: Any, userdata: Any, sock: Any) -> None:
        # Called in the executor's thread once, for CONNECT, and on the loop afterwards.
        descriptor = sock.fileno()

        def watch() -> None:
            if sock.fileno() == descriptor >= 0:  # still open; a closed one may already be somebody else's number
                self._loop.add_writer(descriptor, write)

        def write() -> None:
            try:
                client.loop_write()
            except Exception as error:  # a broken pipe and its like: the connection is over
                if not self._disconnected.done():
                    self._disconnected.set_exception(error)

        try:
            is_on_loop = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            is_on_loop = False
        if is_on_loop:
            watch()
        else:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(watch)

    def _on_socket_unregister_write(self, client: Any, userdata: Any, sock: Any) -> None:
        if sock.fileno() >= 0:
            self._loop.remove_writer(sock.fileno())


Received = Callable[[Message, Callable[[], None]], None]
"""Takes a message and the function that acknowledges it; called on the loop, must not wait."""


class Connection:
    """One connection: `open`, then `subscribe` and `publish`, until `wait_lost` raises or `leave` is called."""

    def __init__(
        self,
        settings: LinkSettings,
        received: Received,
        *,
        will: aiomqtt.Will | None = None,
    ) -> None:
        self._settings = settings
        self._received = received
        self._will = will
        self._paho_log = _PahoLog()
        self._client: _Client | None = None
        self._is_leaving = False

    async def open(self) -> None:
        """Connect. Raises BrokerError: ``broker-certificate``, ``broker-not-authorised`` or ``broker-unavailable``."""
        settings = self._settings
        context = await asyncio.to_thread(settings.tls_context)
        client = _Client(
            settings.host,
            settings.port,
            on_paho_message=self._on_message,
            logger=self._paho_log,
            identifier=settings.client_id,
            protocol=aiomqtt.ProtocolVersion.V5,
            will=self._will,
            timeout=settings.connect_timeout_s,
            keepalive=settings.keepalive_s,
            clean_start=settings.clean_start,
            max_inflight_messages=MOST_INFLIGHT,
            properties=properties(
                PacketTypes.CONNECT,
                SessionExpiryInterval=settings.session_expiry_s,
                ReceiveMaximum=settings.receive_maximum,
            ),
            tls_context=context,
            socket_options=[NO_DELAY],
        )
        client.paho.connect_timeout = settings.connect_timeout_s
        client.paho.manual_ack_set(True)
        self._client = client  # now: what a resumed session holds for us may follow CONNACK at once
        try:
            await client.__aenter__()
        except aiomqtt.MqttError as error:
            client.abandon()
            raise self._why_not_open(error) from error
        except (OSError, ValueError) as error:  # aiomqtt passes on what it does not know, as UnicodeError for a name
            client.abandon()
            raise BrokerError(f"the broker {settings.broker} cannot be reached: {error}") from error
        except BaseException:
            client.abandon()
            raise
        if client.paho.socket() is None:  # lost since CONNACK; aiomqtt has forgotten it by now
            client.abandon()
            raise self._lost()

    async def subscribe(self, topic_filters: Sequence[tuple[str, int]]) -> None:
        """Subscribe to filters with their QoS. Raises BrokerError."""
        if not topic_filters:
            return
        client = self._open_client()
        wanted = [(topic_filter, SubscribeOptions(qos=qos)) for topic_filter, qos in topic_filters]
        try:
            granted = await client.subscribe(wanted, timeout=PUBACK_TIMEOUT_S)
        except aiomqtt.MqttError as error:
            raise BrokerError(f"the broker {self._settings.broker} did not take our subscriptions: {error}") from error
        for (topic_filter, _), code in zip(topic_filters, granted, strict=True):
            if _value(code) >= _REFUSED:
                raise BrokerError(
                    f'the broker refuses the subscription to "{topic_filter}": {code}; '
                    f'check the rights of "{self._settings.client_id}"',
                    code="broker-refused",
                    retryable=False,
                )

    async def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int,
        retain: bool = False,
        expiry_s: int | None = None,
        response_topic: str | None = None,
        correlation: bytes | None = None,
        timeout_s: float = PUBACK_TIMEOUT_S,
    ) -> int:
        """Publish, wait for the acknowledgement and return its reason code (0 or 16: nobody has subscribed).

        Raises BrokerError ``message-too-large`` before anything is sent, ``broker-refused`` for a refusal,
        ``broker-unavailable`` when the line goes or no acknowledgement comes in ``timeout_s``; then the message may or
        may not have arrived.
        """
        client = self._open_client()
        with_properties = properties(
            PacketTypes.PUBLISH,
            MessageExpiryInterval=expiry_s,
            ResponseTopic=response_topic,
            CorrelationData=correlation,
        )
        size, most = packet_bytes(topic, payload, qos, with_properties), client.most_packet_bytes
        if most is not None and size > most:  # the broker would not refuse the message but end the connection
            raise BrokerError(
                f'a message of {size} bytes on "{topic}" is not sent: the broker {self._settings.broker} takes {most}',
                code="message-too-large",
                retryable=False,
            )
        info = client.paho.publish(topic, payload, qos, retain, with_properties)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise self._lost()
        if info.is_published():  # QoS 0 and written to the socket
            return 0
        acknowledged: asyncio.Future[ReasonCode] = asyncio.get_running_loop().create_future()
        client.publishing[info.mid] = acknowledged
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.wait((acknowledged, client.ended), return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            raise BrokerError(
                f'the broker {self._settings.broker} did not acknowledge "{topic}" in {timeout_s:g} s'
            ) from None
        finally:
            client.publishing.pop(info.mid, None)
        if not acknowledged.done() or acknowledged.cancelled():
            raise self._lost()
        code = acknowledged.result()
        if _value(code) >= _REFUSED:
            raise BrokerError(
                f'the broker refuses what "{self._settings.client_id}" publishes on "{topic}": {code}',
                code="broker-refused",
                retryable=False,
            )
        return _value(code)

    async def wait_lost(self) -> None:
        """Wait until the line is lost, and raise BrokerError saying why."""
        client = self._open_client()
        await asyncio.wait({client.ended})
        raise self._lost()

    async def leave(self, last_words: tuple[str, bytes] | None) -> None:
        """Publish ``last_words`` (topic and payload, retained) and disconnect; at most about 4 s.

        When they cannot be said, the connection is cut instead, so that the broker publishes the will. What comes
        meanwhile is not taken: the broker keeps it for a session that is resumed.
        """
        self._is_leaving = True
        client = self._client
        if client is None:
            return
        try:
            if client.ended.done():
                return
            if last_words is not None:
                topic, payload = last_words
                await self.publish(topic, payload, qos=1, retain=True, timeout_s=LEAVE_TIMEOUT_S)
            client.timeout = LEAVE_TIMEOUT_S
            await client.__aexit__(None, None, None)
        except (BrokerError, aiomqtt.MqttError) as error:
            log.debug("The connection is cut without last words", extra={"reason": str(error)})
        finally:
            client.abandon()

    def has_own_address(self) -> bool:
        """Return whether this machine still has the address that the connection comes from."""
        line = self._client.paho.socket() if self._client is not None else None
        return line is None or has_address(line)

    def drop(self) -> None:
        """Cut the line without a word; the will speaks."""
        if self._client is not None:
            self._client.abandon()

    def _open_client(self) -> _Client:
        if self._client is None:
            raise BrokerError(f"there is no connection to the broker {self._settings.broker}")
        return self._client

    def _on_message(self, message: MQTTMessage) -> None:
        if self._is_leaving:
            return
        client = self._client
        try:
            topic = message.topic
        except UnicodeDecodeError:  # MQTT 5 §1.5.4 forbids it; acknowledged, so that it does not come again
            topic = ""
        with_properties: Any = message.properties
        received = Message(
            topic,
            bytes(message.payload),
            message.qos,
            message.retain,
            getattr(with_properties, "ResponseTopic", None),
            getattr(with_properties, "CorrelationData", None),
        )

        def acknowledge() -> None:
            if message.qos and client is not None and not client.ended.done():
                client.paho.ack(message.mid, message.qos)

        if topic:
            self._received(received, acknowledge)
        else:
            acknowledge()

    def _lost(self) -> BrokerError:
        ended = self._client.ended if self._client is not None else None
        error = ended.exception() if ended is not None and ended.done() and not ended.cancelled() else None
        reason = str(getattr(error, "rc", None) or error or "the line is gone")
        detail = self._paho_log.last_error
        return BrokerError(
            f"the connection to the broker {self._settings.broker} was lost: {reason}"
            + (f" ({detail})" if detail else "")
        )

    def _why_not_open(self, error: aiomqtt.MqttError) -> BrokerError:
        broker, detail = self._settings.broker, self._paho_log.last_error
        cause = error.__context__
        if isinstance(cause, ssl.SSLCertVerificationError):
            return BrokerError(
                f"the certificate of the broker {broker} is not trusted: {cause.verify_message}; "
                f"check the address, this machine's clock and the CA file {self._settings.ca_file}",
                code="broker-certificate",
            )
        if isinstance(cause, ssl.SSLError) or "SSL" in detail or "alert" in detail:
            return BrokerError(
                f"the broker {broker} refuses the TLS connection: {detail or cause}; "
                f"check our certificate ({self._settings.cert_file}): of the broker's CA, not revoked, in date",
                code="broker-certificate",
            )
        code = getattr(error, "rc", None)
        if isinstance(code, ReasonCode) and code.value in _NOT_ADMITTED:
            return BrokerError(
                f'the broker {broker} does not admit "{self._settings.client_id}": {code}; check its registration',
                code="broker-not-authorised",
            )
        if isinstance(error, aiomqtt.MqttCodeError):
            return BrokerError(f"the broker {broker} ended the connection before it began: {detail or code}")
        if cause is None:
            return BrokerError(f"the broker {broker} did not answer in {self._settings.connect_timeout_s:g} s")
        return BrokerError(f"the broker {broker} cannot be reached: {error}")


def _value(code: object) -> int:
    return int(code.value) if isinstance(code, ReasonCode) else cast(int, code)
