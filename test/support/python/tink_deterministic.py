"""Opens and seals deterministic AEAD values with Tink: a list of {key, version, context, sealed} or {…, plaintext} comes in as
JSON, all bytes in base64, and a list of what they became goes out."""

import base64
import json
import sys

from tink import daead, proto_keyset_format, secret_key_access
from tink.proto import aes_siv_pb2, tink_pb2


def primitive(key, version):
    """AES-SIV with this key, whose id is the version, under the TINK prefix."""
    keyset = tink_pb2.Keyset(
        primary_key_id=version,
        key=[
            tink_pb2.Keyset.Key(
                key_data=tink_pb2.KeyData(
                    type_url="type.googleapis.com/google.crypto.tink.AesSivKey",
                    value=aes_siv_pb2.AesSivKey(version=0, key_value=key).SerializeToString(),
                    key_material_type=tink_pb2.KeyData.SYMMETRIC,
                ),
                status=tink_pb2.ENABLED,
                key_id=version,
                output_prefix_type=tink_pb2.TINK,
            )
        ],
    )
    handle = proto_keyset_format.parse(keyset.SerializeToString(), secret_key_access.TOKEN)
    return handle.primitive(daead.DeterministicAead)


def answer(item):
    cipher = primitive(base64.b64decode(item["key"]), item["version"])
    context = base64.b64decode(item["context"])
    if "sealed" in item:
        return cipher.decrypt_deterministically(base64.b64decode(item["sealed"]), context)
    return cipher.encrypt_deterministically(base64.b64decode(item["plaintext"]), context)


daead.register()
json.dump([base64.b64encode(answer(item)).decode() for item in json.load(sys.stdin)], sys.stdout)
