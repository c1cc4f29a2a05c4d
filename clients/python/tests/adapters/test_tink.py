"""Tink's envelope encryption with a customer's key, against a running service: VAULTSPAN_URL, VAULTSPAN_TOKEN."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import tink
from tink import aead

from vaultspan import Vaultspan
from vaultspan.tink import VaultspanKmsClient

URL, TOKEN = os.environ.get("VAULTSPAN_URL", ""), os.environ.get("VAULTSPAN_TOKEN", "")
pytestmark = pytest.mark.skipif(URL == "", reason="needs a service")
aead.register()


@pytest.fixture
def kms() -> Iterator[VaultspanKmsClient]:
    with Vaultspan(URL, token=TOKEN) as client:
        yield VaultspanKmsClient(client)


@pytest.mark.parametrize("uri", ["vaultspan://contoso", "vaultspan://contoso/data"])
def test_envelope_encryption_works_with_and_without_associated_data(kms: VaultspanKmsClient, uri: str) -> None:
    envelope = aead.KmsEnvelopeAead(aead.aead_key_templates.AES256_GCM, kms.get_aead(uri))
    assert envelope.decrypt(envelope.encrypt(b"a", b"ad"), b"ad") == b"a"
    assert envelope.decrypt(envelope.encrypt(b"a", b""), b"") == b"a"


def test_other_associated_data_is_refused(kms: VaultspanKmsClient) -> None:
    remote = kms.get_aead("vaultspan://contoso")
    sealed = remote.encrypt(b"a", b"ad")
    assert remote.decrypt(sealed, b"ad") == b"a"
    for altered, data in ((sealed, b"other"), (sealed, b""), (b"\xff", b"ad"), (b"x", b"ad")):
        with pytest.raises(tink.TinkError):
            remote.decrypt(altered, data)


def test_keys_that_are_not_ours_are_refused(kms: VaultspanKmsClient) -> None:
    assert not kms.does_support("gcp-kms://x")
    for uri in ("gcp-kms://x", "vaultspan://", "vaultspan://Contoso", "vaultspan://contoso/data/v1"):
        with pytest.raises(tink.TinkError):
            kms.get_aead(uri)
