"""The Python client's part of round.mjs: opens what stands on standard input, seals it anew, prints both."""

import json
import os
import sys

from vaultspan import Vaultspan

given = json.load(sys.stdin)
context = given["context"]
with Vaultspan(os.environ["VAULTSPAN_URL"], token=os.environ["VAULTSPAN_TOKEN"], local=given["local"]) as client:
    contoso = client.tenant("contoso")
    value = contoso.decrypt(given["value"], context=context).text
    row = contoso.decrypt_fields(given["row"], context=context)
    sealed = {
        "value": contoso.encrypt(value, context=context, key="compact"),
        "row": contoso.encrypt_fields(row, context=context, key="compact"),
    }
print(json.dumps({"opened": {"value": value, "row": row}, "sealed": sealed}))
