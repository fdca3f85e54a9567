"""What a connection to the broker needs to know."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from protocol.errors import BrokerError


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """Where the broker is, who we are, and how long things may take.

    A link without ``ca_file`` speaks plain TCP, which only tests on loopback do. With it, ``cert_file`` and
    ``key_file`` are our certificate; its CN is our user and our client id at the broker. A link that must not miss
    what is said while it is away sets ``clean_start`` to False and ``session_expiry_s``.
    """

    host: str
    port: int
    client_id: str
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    keepalive_s: int = 20
    """A silent client is declared dead by mosquitto 2.0 after about 1.5 × this + 5 s."""
    session_expiry_s: int = 0
    """How long the broker keeps our subscriptions and QoS 1 messages. More than the will's delay, or 0."""
    clean_start: bool = True
    receive_maximum: int = 100
    """QoS 1 messages that the broker may send before we have acknowledged the first of them (MQTT 5 §3.1.2.11.3)."""
    connect_timeout_s: float = 10.0
    first_backoff_s: float = 0.5
    most_backoff_s: float = 60.0

    @property
    def broker(self) -> str:
        """The address as people read it."""
        return f"{self.host}:{self.port}"

    def tls_context(self) -> ssl.SSLContext | None:
        """Load the certificates, anew for each connection so that renewed ones are used; None without TLS.

        Raises BrokerError ``broker-certificate`` when a file cannot be read or does not fit the others. Reads files.
        """
        if self.ca_file is None:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.cert_file is not None:
                context.load_cert_chain(self.cert_file, self.key_file)
        except OSError as error:  # ssl.SSLError is one
            files = ", ".join(str(file) for file in (self.ca_file, self.cert_file, self.key_file) if file)
            raise BrokerError(
                f"the certificates for the broker ({files}) cannot be used: {error}", code="broker-certificate"
            ) from error
        return context
