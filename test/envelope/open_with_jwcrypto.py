"""Opens compact JWEs with jwcrypto: a list of {ciphertext, key} comes in as JSON, a list of plaintexts in base64 goes out."""

import base64
import json
import sys

from jwcrypto.jwe import JWE
from jwcrypto.jwk import JWK


def open_one(message):
    jwe = JWE()
    jwe.deserialize(message["ciphertext"], key=JWK(**message["key"]))
    return base64.b64encode(jwe.payload).decode()


json.dump([open_one(message) for message in json.load(sys.stdin)], sys.stdout)
