"""Vaultspan as a key management system of Tink: keys are named ``vaultspan://TENANT`` or ``vaultspan://TENANT/KEY``."""

# pyright: basic, reportMissingTypeStubs=false
# Tink has no types of its own.

from __future__ import annotations

import re
from base64 import b64encode

import tink
from tink import aead

from ._client import Tenant, Vaultspan
from ._errors import VaultspanError

PREFIX = "vaultspan://"
URI = re.compile(r"vaultspan://([a-z0-9-]{1,64})(?:/([A-Za-z0-9_-]{1,64}))?")


class VaultspanKmsClient(tink.KmsClient):
    """Everything that takes a KmsClient of Tink works with it, such as envelope encryption with a customer's key.

    ``key_uri`` restricts it to one key; without one it serves all tenants that the caller may use.
    """

    def __init__(self, client: Vaultspan, key_uri: str | None = None) -> None:
        self._client = client
        self._key_uri = key_uri

    def does_support(self, key_uri: str) -> bool:
        return key_uri == self._key_uri if self._key_uri is not None else key_uri.startswith(PREFIX)

    def get_aead(self, key_uri: str) -> aead.Aead:
        match = URI.fullmatch(key_uri)
        if match is None or not self.does_support(key_uri):
            raise tink.TinkError(f"{key_uri} is not supported: a key is vaultspan://TENANT or vaultspan://TENANT/KEY")
        return VaultspanAead(self._client.tenant(match[1]), match[2])


class VaultspanAead(aead.Aead):
    """Associated data becomes the encryption context ``{"aad": BASE64}``."""

    def __init__(self, tenant: Tenant, key: str | None) -> None:
        self._tenant = tenant
        self._key = key

    def encrypt(self, plaintext: bytes, associated_data: bytes) -> bytes:
        try:
            return self._tenant.encrypt(plaintext, context=_context(associated_data), key=self._key).encode("ascii")
        except VaultspanError as error:
            raise tink.TinkError(str(error)) from error

    def decrypt(self, ciphertext: bytes, associated_data: bytes) -> bytes:
        try:
            return self._tenant.decrypt(ciphertext.decode("ascii"), context=_context(associated_data)).bytes
        except (VaultspanError, UnicodeDecodeError) as error:
            raise tink.TinkError(str(error)) from error


def _context(associated_data: bytes) -> dict[str, str] | None:
    return {"aad": b64encode(associated_data).decode("ascii")} if associated_data else None


__all__ = ["VaultspanAead", "VaultspanKmsClient"]
