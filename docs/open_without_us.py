"""AZURE_TOKEN=... python3 open_without_us.py https://VAULT.vault.azure.net SEALED-FILE [CONTEXT.json] > OPENED-FILE"""
import base64, hmac, http.client, json, os, re, sys
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
decode = lambda text: base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
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
def open_jwe(text, typ, vault, context):
    protected, encrypted_key, iv, ciphertext, tag = text.strip().split(".")
    header = json.loads(decode(protected))
    if (header["typ"], header["enc"]) != (typ, "A256GCM"): raise ValueError(f"expected {typ} with A256GCM")
    okm = derive(cek := unwrap(header["kid"], header["alg"], encrypted_key, vault), None, b"vaultspan 1", 64)
    if not hmac.compare_digest(okm[:32], decode(header["kc"])): raise ValueError("the data key does not match")
    names = sorted(context or {}, key=lambda name: name.encode("utf-16-be"))  # canonical order of RFC 8785
    canonical = json.dumps({name: context[name] for name in names}, ensure_ascii=False, separators=(",", ":"))
    expected = hmac.digest(okm[32:], canonical.encode(), "sha256") if names else b""
    if context is not None and expected != decode(header.get("ctx", "")): raise ValueError("the encryption context does not match")
    return AESGCM(cek).decrypt(decode(iv), decode(ciphertext) + decode(tag), protected.encode())
def parts(source, vault, context):
    if source.peek(6)[:6] != b"VSPN1\n": return (yield open_jwe(source.read().decode(), "vaultspan+jwe", vault, context))
    jwe = source.read(int.from_bytes(source.read(10)[6:], "big")).decode()
    key, head = open_jwe(jwe, "vaultspan-stream+jwe", vault, context), source.read(40)
    segments, number, segment = AESGCM(derive(key, head[1:33], b"VSPN1\n", 32)), 0, source.read(2**20 - 40)
    while segment is not None:  # Tink's AES256_GCM_HKDF_1MB; a segment is written once it is verified
        following = source.read(2**20) or None
        yield segments.decrypt(head[33:] + number.to_bytes(4, "big") + bytes([following is None]), segment, None)
        segment, number = following, number + 1
context = json.load(open(sys.argv[3], encoding="utf-8")) if sys.argv[3:] else None
try: sys.stdout.buffer.writelines(parts(open(sys.argv[2], "rb"), sys.argv[1], context))
except (ValueError, KeyError, OSError, InvalidTag) as why: sys.exit(f"cannot decrypt: {str(why) or 'altered or truncated'}")
