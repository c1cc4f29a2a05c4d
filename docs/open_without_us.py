"""AZURE_TOKEN=... python3 open_without_us.py https://VAULT.vault.azure.net SEALED-FILE [CONTEXT.json] [--keys EXPORT.ndjson] > OPENED-FILE"""
import base64, hmac, http.client, json, os, re, sys
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
decode = lambda text: base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
encode = lambda value: base64.urlsafe_b64encode(value).decode().rstrip("=")
COMPACT = encode(b'{"alg":"dir","enc":"A256GCM","kid":"')  # such a message names a branch key of the export
derive = lambda key, salt, info, length: HKDF(SHA256(), length, salt, info).derive(key)
def unwrap(kid, alg, value, vault):
    place = re.fullmatch(r"(https://([a-z0-9.:-]+))(/keys/[0-9A-Za-z-]{1,127}/[0-9a-f]{32})", kid)
    if not place or place[1] != vault.rstrip("/").lower(): raise ValueError(f"the key {kid} is not in {vault}")
    headers = {"Authorization": f"Bearer {os.environ['AZURE_TOKEN'].strip()}", "Content-Type": "application/json"}
    connection = http.client.HTTPSConnection(place[2], timeout=30)  # checks the certificate, follows no redirect
    connection.request("POST", f"{place[3]}/unwrapkey?api-version=7.4", json.dumps({"alg": alg, "value": value}), headers)
    response = connection.getresponse()
    if response.status != 200: raise ValueError(f"the vault returned {response.status} {response.read(2000).decode()}")
    return decode(json.loads(response.read(65536))["value"])
def canonical(context):
    names = sorted(context or {}, key=lambda name: name.encode("utf-16-be"))  # canonical order of RFC 8785
    return json.dumps({name: context[name] for name in names}, ensure_ascii=False, separators=(",", ":")).encode() if names else b""
def open_jwe(text, typ, vault, context):
    protected, encrypted_key, iv, ciphertext, tag = text.strip().split(".")
    header = json.loads(decode(protected))
    if (header["typ"], header["enc"]) != (typ, "A256GCM"): raise ValueError(f"expected {typ} with A256GCM")
    okm = derive(cek := unwrap(header["kid"], header["alg"], encrypted_key, vault), None, b"vaultspan 1", 64)
    if not hmac.compare_digest(okm[:32], decode(header["kc"])): raise ValueError("the data key does not match")
    expected = hmac.digest(okm[32:], canonical(context), "sha256") if context else b""
    if context is not None and expected != decode(header.get("ctx", "")): raise ValueError("the encryption context does not match")
    return AESGCM(cek).decrypt(decode(iv), decode(ciphertext) + decode(tag), protected.encode())
def open_compact(text, use, vault, context, keys):
    protected, _, iv, ciphertext, tag = text.strip().split(".")
    branch_id = encode(decode(kid := json.loads(decode(protected))["kid"])[:8])
    if branch_id not in keys: raise ValueError(f"the branch key {branch_id} is not in the export: give --keys")
    jwe, epoch = keys[branch_id]
    branch = open_jwe(jwe, "vaultspan-branch+jwe", vault, {"vaultspan:branch": branch_id, "vaultspan:epoch": epoch})
    tenant = json.loads(decode(jwe.split(".")[0]))["tid"]
    leaf = hmac.digest(branch, f"vaultspan 2 leaf\n{use}\n{tenant}\n{kid}\x01".encode(), "sha256")  # HKDF-Expand, one block
    cek = hmac.digest(leaf, b"vaultspan 2 context\n" + canonical(context) + b"\x01", "sha256")
    return AESGCM(cek).decrypt(decode(iv), decode(ciphertext) + decode(tag), protected.encode())
def open_text(text, use, typ, vault, context, keys):
    return open_compact(text, use, vault, context, keys) if text.startswith(COMPACT) else open_jwe(text, typ, vault, context)
def parts(source, vault, context, keys):
    if source.peek(6)[:6] != b"VSPN1\n": return (yield open_text(source.read().decode(), "message", "vaultspan+jwe", vault, context, keys))
    jwe = source.read(int.from_bytes(source.read(10)[6:], "big")).decode()
    key, head = open_text(jwe, "stream", "vaultspan-stream+jwe", vault, context, keys), source.read(40)
    segments, number, segment = AESGCM(derive(key, head[1:33], b"VSPN1\n", 32)), 0, source.read(2**20 - 40)
    while segment is not None:  # Tink's AES256_GCM_HKDF_1MB; a segment is written once it is verified
        following = source.read(2**20) or None
        yield segments.decrypt(head[33:] + number.to_bytes(4, "big") + bytes([following is None]), segment, None)
        segment, number = following, number + 1
arguments, exports = sys.argv[1:], []
if "--keys" in arguments: exports = open(arguments.pop(arguments.index("--keys") + 1), encoding="utf-8")
keys = {key["id"]: (key["jwe"], key["label"]) for key in map(json.loads, exports) if "jwe" in key}
vault, sealed, *contexts = [argument for argument in arguments if argument != "--keys"]
context = json.load(open(contexts[0], encoding="utf-8")) if contexts else None
try: sys.stdout.buffer.writelines(parts(open(sealed, "rb"), vault, context, keys))
except (ValueError, KeyError, OSError, InvalidTag) as why: sys.exit(f"cannot decrypt: {str(why) or 'altered or truncated'}")
