"""Calls a running service through the generated Python client: python try.py URL, with a caller's token in TOKEN."""

import base64
import os
import sys
from typing import NoReturn

import vaultspan_client as vaultspan

TENANT = "contoso"
CONTEXT = {"purpose": "invoice", "id": "4711"}


def main() -> None:
    configuration = vaultspan.Configuration(host=sys.argv[1], access_token=os.environ["TOKEN"])
    with vaultspan.ApiClient(configuration) as client:
        encrypt_and_decrypt(vaultspan.DataApi(client))
        batch(vaultspan.DataApi(client))
        rewrap_header(vaultspan.StreamsApi(client))
        wrap_and_unwrap(vaultspan.KeysApi(client))
        be_refused(vaultspan.DataApi(client))


def encrypt_and_decrypt(data: vaultspan.DataApi) -> None:
    # Every byte that there is: this client takes and gives base64 text as it is on the wire.
    plaintext = base64.b64encode(bytes(range(256))).decode()
    encrypted = data.encrypt_data(TENANT, vaultspan.EncryptRequest(plaintext=plaintext, encryption_context=CONTEXT))
    request = vaultspan.DecryptRequest(ciphertext=encrypted.ciphertext, encryption_context=CONTEXT)
    decrypted = data.decrypt_data(TENANT, request)
    expect("plaintext", decrypted.plaintext, plaintext)
    expect("keyId", decrypted.key_id, encrypted.key_id)
    step(f"encrypt, decrypt: {len(encrypted.ciphertext)} characters under {encrypted.key_id}")


def batch(data: vaultspan.DataApi) -> None:
    good = vaultspan.EncryptRequest(plaintext="aGVsbG8=", encryption_context=CONTEXT)
    bad = vaultspan.EncryptRequest(plaintext="aGVsbG8=", key="nope")
    sealed = data.encrypt_batch(TENANT, vaultspan.EncryptBatchRequest(items=[good, bad])).items
    if sealed[0].ciphertext is None or sealed[1].error is None:
        fail(f"the batch gave {sealed!r}")
    expect("code", sealed[1].error.code, "unknown-key-alias")
    stored = vaultspan.DecryptRequest(ciphertext=sealed[0].ciphertext, encryption_context=CONTEXT)
    unbound = vaultspan.DecryptRequest(ciphertext=sealed[0].ciphertext)
    opened = data.decrypt_batch(TENANT, vaultspan.DecryptBatchRequest(items=[stored, unbound])).items
    expect("plaintext", opened[0].plaintext, "aGVsbG8=")
    expect("code", opened[1].error and opened[1].error.code, "context-mismatch")
    step(f"batch: {len(opened)} items each way, one of them refused by itself")


def rewrap_header(streams: vaultspan.StreamsApi) -> None:
    # Python's http.client, which this client is built on, reads nothing before all is sent: it serves streams of less than 1 MiB only.
    plaintext = os.urandom(100_000)
    stream = streams.encrypt_stream(TENANT, plaintext)
    end = 10 + int.from_bytes(stream[6:10], "big")
    target = vaultspan.RewrapTarget(tenant_id="fabrikam")
    header = streams.rewrap_stream_header(TENANT, vaultspan.RewrapRequest(ciphertext=stream[10:end].decode(), to=target))
    jwe = header.ciphertext.encode()
    moved = stream[:6] + len(jwe).to_bytes(4, "big") + jwe + stream[end:]
    expect("plaintext of the stream", bytes(streams.decrypt_stream("fabrikam", moved)), plaintext)
    step(f"streams: {len(plaintext)} bytes encrypted, the header moved to fabrikam, decrypted there")


def wrap_and_unwrap(keys: vaultspan.KeysApi) -> None:
    value = base64.b64encode(os.urandom(32)).decode()
    wrapped = keys.wrap_key(TENANT, vaultspan.WrapRequest(value=value, key="wrap"))
    if wrapped.wrapped_key == value:
        fail("the wrapped key is the key itself")
    request = vaultspan.UnwrapRequest(
        wrapped_key=wrapped.wrapped_key, key_id=wrapped.key_id, algorithm=wrapped.algorithm
    )
    unwrapped = keys.unwrap_key(TENANT, request)
    expect("value", unwrapped.value, value)
    expect("keyId", unwrapped.key_id, wrapped.key_id)
    step(f"wrap, unwrap: by {wrapped.algorithm} under {wrapped.key_id}")


def be_refused(data: vaultspan.DataApi) -> None:
    try:
        data.encrypt_data("northwind", vaultspan.EncryptRequest(plaintext="aGVsbG8="))
    except vaultspan.ApiException as error:
        expect("HTTP status", error.status, 403)
        problem = error.data
        if not isinstance(problem, vaultspan.Problem):
            fail(f"the client made no Problem of the refusal, but {problem!r}")
        expect("status", problem.status, 403)
        expect("code", problem.code, "access-revoked")
        expect("reason", problem.reason, "role-missing")
        if problem.fix is None or not problem.fix.action:
            fail("the problem names no fix")
        expect("requestId", problem.request_id, error.headers["X-Request-Id"])
        step(f"refusal: {problem.status} {problem.code}, {problem.reason}")
    else:
        fail("northwind has granted nothing, and yet the service encrypted")


def expect(what: str, got: object, wanted: object) -> None:
    if got != wanted:
        fail(f"{what} is {got!r}, not {wanted!r}")


def fail(why: str) -> NoReturn:
    sys.exit(f"python: {why}")


def step(text: str) -> None:
    print(f"python {text}", flush=True)


main()
