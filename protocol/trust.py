"""How a room's certificate is renewed: for a new key, long before the old one runs out."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from protocol.wire import Args, Wire


class CertRenewAsked(Args):
    """``req/cert.renew`` → `CertRenewTold`: a certificate for a key that the room has made anew."""

    csr_pem: str = Field(max_length=4_096)


class CertRenewTold(Wire):
    certificate_pem: str = Field(max_length=8_192)
    ca_pem: str = Field(max_length=16_384)
    renew_after: AwareDatetime = Field(description="ask again from then on")
