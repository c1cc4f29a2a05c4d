"""Opens compact JWEs with jwcrypto: a list of {ciphertext, key} comes in as JSON, a list of plaintexts in base64 goes out."""

import base64
import json
import sys

from jwcrypto.jwe import JWE, InvalidJWEData
from jwcrypto.jwk import JWK


def open_one(message):
    jwe = JWE()
    jwe.deserialize(message["ciphertext"])
    try:
        jwe.decrypt(JWK(**message["key"]))
    except InvalidJWEData:
        # jwcrypto 1.6 opens and authenticates an empty message, then takes its emptiness for a failure.
        if jwe.decryptlog != ["Success"] or jwe.plaintext != b"":
            raise
    return base64.b64encode(jwe.plaintext).decode()


json.dump([open_one(message) for message in json.load(sys.stdin)], sys.stdout)
