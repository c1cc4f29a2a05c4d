"""Opens and seals streaming AEAD ciphertexts with Tink: a list of {streamKey, sealed} or {streamKey, plaintext} comes in as JSON, all in
base64, and a list of what they became goes out."""

import base64
import io
import json
import sys

from tink import proto_keyset_format, secret_key_access, streaming_aead
from tink.proto import aes_gcm_hkdf_streaming_pb2, common_pb2, tink_pb2

ASSOCIATED_DATA = b"VSPN1\n"


class Sink(io.BytesIO):
    """Tink closes what it has written to; what is in it is wanted after that."""

    def close(self):
        self.written = self.getvalue()
        super().close()


def primitive(stream_key):
    """AES256_GCM_HKDF_1MB, with this key."""
    key = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingKey(
        key_value=stream_key,
        params=aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingParams(
            ciphertext_segment_size=1 << 20, derived_key_size=32, hkdf_hash_type=common_pb2.SHA256
        ),
    )
    data = tink_pb2.KeyData(
        type_url="type.googleapis.com/google.crypto.tink.AesGcmHkdfStreamingKey",
        value=key.SerializeToString(),
        key_material_type=tink_pb2.KeyData.SYMMETRIC,
    )
    entry = tink_pb2.Keyset.Key(
        key_data=data, status=tink_pb2.ENABLED, key_id=1, output_prefix_type=tink_pb2.RAW
    )
    keyset = tink_pb2.Keyset(primary_key_id=1, key=[entry])
    handle = proto_keyset_format.parse(keyset.SerializeToString(), secret_key_access.TOKEN)
    return handle.primitive(streaming_aead.StreamingAead)


def become(stream):
    aead = primitive(base64.b64decode(stream["streamKey"]))
    if "sealed" in stream:
        source = io.BytesIO(base64.b64decode(stream["sealed"]))
        with aead.new_decrypting_stream(source, ASSOCIATED_DATA) as opened:
            return opened.read()
    sink = Sink()
    with aead.new_encrypting_stream(sink, ASSOCIATED_DATA) as sealing:
        sealing.write(base64.b64decode(stream["plaintext"]))
    return sink.written


streaming_aead.register()
json.dump([base64.b64encode(become(stream)).decode() for stream in json.load(sys.stdin)], sys.stdout)
