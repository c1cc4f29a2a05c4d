"""python3 verify_log.py EXPORT-FOLDER KEY.pem [--since CHECKPOINT] [--vault AUDIT-EVENTS.ndjson]"""
import argparse, base64, functools, hashlib, itertools, json, os, re, sys
from datetime import datetime, timedelta
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
faults, sha, node = [], lambda data: hashlib.sha256(data).digest(), lambda left, right: sha(b"\1" + left + right)
time = lambda text: datetime.fromisoformat(re.sub(r"(\.\d{1,6})\d*", r"\1", text).replace("Z", "+00:00"))
def read_keys(path):
    blocks = re.findall(r"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", open(path).read(), re.DOTALL)
    keys, form = [serialization.load_pem_public_key(block.encode()) for block in blocks], serialization.PublicFormat
    return {sha(key.public_bytes(serialization.Encoding.DER, form.SubjectPublicKeyInfo))[:4]: key for key in keys}
def read_checkpoint(path, keys):  # a signed note with a size, a root and a time
    text, _, signatures = open(path, encoding="utf-8", newline="").read().partition("\n\n")
    parts = re.fullmatch(r"(\S+)\n(\d+)\n(\S{44})\ntimestamp (\S+)", text)
    for line in signatures.splitlines():
        name, signature = line.split(" ")[1], base64.b64decode(line.split(" ")[2])
        if parts and name == parts[1] and (key := keys.get(signature[:4])):
            try: key.verify(signature[4:], f"{text}\n".encode(), ec.ECDSA(hashes.SHA256()))
            except InvalidSignature: raise ValueError(f"{path} was changed: its signature is wrong")
            return parts[1], int(parts[2]), base64.b64decode(parts[3]), time(parts[4])
    raise ValueError(f"{path} is no checkpoint that is signed by your key")
def read_leaves(folder, size):  # the hashes of all entries, 256 in each file
    for first in range(0, size, 256):
        digits, width = f"{first // 256:09}", min(256, size - first)  # 067, x001/067, and 067.p/12 for the last one
        path = re.sub("^(x000/)+", "", f"x{digits[:3]}/x{digits[3:6]}/{digits[6:]}") + (f".p/{width}" if width < 256 else "")
        tile = open(os.path.join(folder, "tile/0", path), "rb").read()
        yield from (tile[at:at + 32] for at in range(0, len(tile), 32))
def root_of(leaves):  # RFC 9162, section 2.1.1
    edge = []
    for number, leaf in enumerate(leaves):
        while number & 1: leaf, number = node(edge.pop(), leaf), number >> 1
        edge.append(leaf)
    return functools.reduce(lambda right, left: node(left, right), reversed(edge or [sha(b"")]))
def read_entries(folder, leaves):  # each line must be what was hashed; the first ones may be past their retention
    lines = open(os.path.join(folder, "entries.ndjson"), "rb").read().split(b"\n")[:-1]
    first = next((number for number, line in enumerate(lines) if line), len(lines))
    for number, (line, leaf) in enumerate(itertools.zip_longest(lines[first:], leaves[first:], fillvalue=b""), first):
        if sha(b"\0" + line) == leaf: yield json.loads(line)
        else: faults.append(f"entry {number} is missing, or is not the one that was hashed")
def check_numbers(entries, is_late):  # in each chain your records count from 0; entries of type lost name gaps
    before, lost = {}, [entry for entry in entries if entry["type"] == "lost"]
    for gap in lost: print(f"lost: {gap['first']} to {gap['last']} of chain {gap['chain']}; some may have been your records")
    for entry in sorted((entry for entry in entries if entry["type"] == "event"), key=lambda entry: entry["sequence"]):
        chain, place, number = entry["chain"], entry["sequence"], entry["tenantSequence"]
        last, count = before.get(chain, (-1, -1))
        is_known = any(gap["chain"] == chain and last < gap["first"] and gap["last"] < place for gap in lost) or is_late and last < 0
        if place == last or number not in (0, count + 1) and not is_known:
            faults.append(f"before record {place} of chain {chain} records are missing, or it stands twice")
        before[chain] = place, number
def check_vault(path, entries):  # every unwrap in the vault's log has its record, and every record its call
    rows = [{name.lower(): value for name, value in json.loads(line).items()} for line in open(path) if line.strip()]
    if not rows: raise ValueError(f"{path} has no rows")
    calls = {row["correlationid"].lower(): (row["operationname"], time(row.get("timegenerated") or row["time"])) for row in rows}
    uses = [(use.get("vaultRequestId"), time(entry["at"])) for entry in reversed(entries) for use in [entry, *entry.get("keys", [])]]
    named = {call.lower(): at for call, at in uses if call}
    begin, end, slack = min(at for _, at in calls.values()), max(at for _, at in calls.values()), timedelta(hours=2)
    due = [call for call, (name, at) in calls.items() if name == "KeyUnwrap" and at < end - slack]
    faults.extend(f"unwrap {call} at {calls[call][1]} has no record" for call in due if call not in named)
    made = {call: at for call, at in named.items() if begin + slack < at < end}
    faults.extend(f"the vault's log lacks {call}, which a record of {at} names" for call, at in made.items() if call not in calls)
    print(f"compared {len(due)} unwraps of the vault before {end - slack}, and {len(made)} calls of records after {begin + slack}")
def main(options):
    keys = read_keys(options.key)
    origin, size, root, at = read_checkpoint(os.path.join(options.export, "checkpoint"), keys)
    kept, old_size, old_root, old_at = read_checkpoint(options.since, keys) if options.since else (origin, 0, root_of([]), at)
    if kept != origin: faults.append(f"the kept checkpoint is of another log, {kept}: ask why the logs were restarted")
    elif old_size > size or old_at > at: faults.append("the kept checkpoint is newer: newer ones are withheld")
    leaves = list(read_leaves(options.export, size))
    if len(leaves) != size or root_of(leaves) != root: faults.append("the hashes do not lead to the root of the checkpoint")
    if kept == origin and old_size <= size and root_of(leaves[:old_size]) != old_root: faults.append("the log does not extend the kept one")
    entries = list(read_entries(options.export, leaves))
    check_numbers(entries, len(entries) < size)
    if options.vault: check_vault(options.vault, entries)
    print(f"{origin} at {at.isoformat()}: {size} entries, {size - len(entries)} of them without their line")
parser = argparse.ArgumentParser()
for name in ("export", "key", "--since", "--vault"): parser.add_argument(name)
try: main(parser.parse_args())
except (ValueError, KeyError, AttributeError, IndexError, OSError) as why: faults.append(f"{type(why).__name__}: {why}")
sys.exit("\n".join(["NOT complete and unchanged:", *faults[:20]]) if faults else print("complete and unchanged"))
