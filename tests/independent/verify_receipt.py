#!/usr/bin/env python3
"""Checks a consent receipt of Volens offline, sharing no line of code with it.

    verify_receipt.py RECEIPT.json VERIFIER_KEY

Written from the formats alone: RFC 8785 (canonical JSON), RFC 2104 (HMAC), RFC 6962 section 2.1.1
(inclusion), RFC 7515 (JWS), C2SP signed notes, checkpoints and tlog-proof@v1, RFC 8032 section 5.1.7
(Ed25519, in whole numbers, for there is none in Python's library). Exit code 0: it verifies; 3: it does not.
"""

import base64
import hashlib
import hmac
import json
import re
import sys

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)

def need(condition, why):
    if not condition:
        raise ValueError(why)

def add(a, b):
    """Ed25519: points as (x, y), every step a modular inversion; slow, short, and easy to check."""
    (x1, y1), (x2, y2) = a, b
    k = D * x1 * x2 * y1 * y2
    x = (x1 * y2 + x2 * y1) * pow(1 + k, -1, P)
    y = (y1 * y2 + x1 * x2) * pow(1 - k, -1, P)
    return x % P, y % P

def times(n, point):
    total = (0, 1)
    while n:
        if n & 1:
            total = add(total, point)
        point, n = add(point, point), n >> 1
    return total

def point(encoded):
    sign, y = divmod(int.from_bytes(encoded, "little"), 2**255)
    need(y < P, "a point is not in canonical form")
    xx = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(xx, (P + 3) // 8, P)
    if (x * x - xx) % P:
        x = x * ROOT % P
    need((x * x - xx) % P == 0 and (x or not sign), "not a point of the curve in canonical form")
    return (P - x if x & 1 != sign else x), y

BASE = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))

def signed(key, message, signature):
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % L
    return times(s, BASE) == add(point(r), times(k, point(key)))

def canonical(value):
    """RFC 8785, for the strings, whole numbers, booleans, lists and objects that records hold."""
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return "{" + ",".join(canonical(key) + ":" + canonical(value[key]) for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    need(not isinstance(value, float), "a number that is not whole has no place in a record")
    return json.dumps(value, ensure_ascii=False)

def once(pairs):
    need(len(dict(pairs)) == len(pairs), "a name stands twice in one object")
    return dict(pairs)

def b64(text, length=None):
    raw = base64.b64decode(text, validate=True)
    need(base64.b64encode(raw).decode() == text and length in (None, len(raw)), "not base64")
    return raw

def url64(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")

def number(text):
    need(text.isascii() and text.isdigit() and str(int(text)) == text, "not a whole number")
    return int(text)

def root_of(leaf, index, size, path):
    """RFC 6962: the root that a path leads to."""
    need(index < size, "the entry is not in the tree")
    node, last, up = index, size - 1, leaf
    for sibling in path:
        need(last, "the path is too long")
        if node & 1 or node == last:
            up = hashlib.sha256(b"\1" + sibling + up).digest()
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            up = hashlib.sha256(b"\1" + up + sibling).digest()
        node, last = node >> 1, last >> 1
    need(last == 0, "the path is too short")
    return up

def opened(note, vkey, shard=None):
    """C2SP signed note: its lines, once the log's signature, in a shard's name if it is one, is checked."""
    name, key_id, encoded = vkey.strip().split("+", 2)
    typed = b64(encoded, 33)
    expected = hashlib.sha256(name.encode() + b"\n" + typed).digest()[:4]
    need(typed[0] == 1 and expected.hex() == key_id, "not an Ed25519 key with the id it claims")
    if shard:
        name += "/" + shard
        expected = hashlib.sha256(name.encode() + b"\n" + typed).digest()[:4]
    text, _, signatures = note.rpartition("\n\n")
    lines = (line.split(" ") for line in signatures.splitlines())
    raws = [b64(line[2]) for line in lines if line[:2] == ["—", name]]
    mine = [raw[4:] for raw in raws if raw[:4] == expected]
    need(mine and all(signed(typed[1:], text.encode() + b"\n", raw) for raw in mine), "not signed by the log")
    return text.split("\n")

def vouched(proof, body, vkey):
    """A JWS over the content's SHA-256, by a key that the log's key vouches for in a signed note."""
    need(set(proof) == {"type", "alg", "kid", "note", "value"}, "a signature of another shape")
    first, key = opened(proof["note"], vkey)[:2]
    need(first == "volens/receipt-key/1", "the log vouches for no key of receipts")
    key = b64(key, 32)
    named = {"alg": "EdDSA", "kid": "receipt-" + hashlib.sha256(key).hexdigest()[:16]}
    need(proof | named | {"type": "JWS"} == proof, "a signature of another kind or key")
    digest = hashlib.sha256(canonical(body).encode()).hexdigest()
    message = url64(canonical(named).encode()) + "." + url64(canonical({"sha256": digest}).encode())
    raw = base64.urlsafe_b64decode(proof["value"].rpartition(".")[2] + "==")
    need(f"{message}.{url64(raw)}" == proof["value"], "altered, or base64 that is not in canonical form")
    need(signed(key, message.encode(), raw), "not signed by that key")

def agrees(stated, leaf, record, body):
    """Document and entry state what the record states that the entry commits to."""
    hexed, reached = record["id"], stated["dpv:hasConsentStatus"][-1]
    uuid = "-".join((hexed[:8], hexed[8:12], hexed[12:16], hexed[16:20], hexed[20:]))
    about = record["purpose"] + (f"/{record['app']}+{record['peer']}" if "peer" in record else "")
    notice, shown = record.get("notice", {}), stated.get("dpv:hasNotice", {})
    for told, known in (
        (stated["@id"], "urn:uuid:" + uuid),
        (body["schema:recipient"], f"urn:volens:subject:{record['app']}:{record['subject']}"),
        (stated["dpv:hasProcess"][0]["@id"], "urn:volens:purpose:" + about),
        (reached["@type"][0], "dpv:Consent" + record["decision"].title()),
        (reached["dpv:isIndicatedAtTime"], min(record["decided_at"], record["recorded_at"])),
        (shown.get("volens:contentSha256"), notice.get("content_sha256")),
        (shown.get("dct:language"), notice.get("language")),
        (leaf["kind"], "consent." + record["decision"]),
        (leaf["at"], record["recorded_at"][:17] + "00.000000Z"),
        *((leaf.get(fact), record.get(fact)) for fact in ("app", "purpose", "peer")),
    ):
        need(told == known, f"it states {told}, and the record {known}")

def verify(receipt, vkey):
    vouched(receipt.pop("volens:proof"), receipt, vkey)
    (stated,) = receipt["dpv:hasRecordOfActivity"]
    opening, leaf = receipt["volens:opening"], stated["volens:ledger"]["leaf"]
    record = opening["record"]
    agrees(stated, leaf, record, receipt)
    need(opening["alg"] == "HMAC-SHA256", "an unknown kind of opening")
    commitment = hmac.new(b64(opening["key"], 32), canonical(record).encode(), hashlib.sha256)
    need(commitment.hexdigest() == leaf["commitment"], "the entry does not open to the record")
    head, _, note = receipt["volens:tlogProof"].partition("\n\n")
    lines = head.split("\n")
    need(lines[0] == "c2sp.org/tlog-proof@v1" and lines[1][:6] == "index ", "an unknown proof")
    index, path = number(lines[1][6:]), [b64(line, 32) for line in lines[2:]]
    log, origin = vkey.split("+")[0], note.split("\n")[0]
    year = re.fullmatch(re.escape(log) + "/([0-9]{4})", origin)
    need(year or origin == log, "the checkpoint is of another log")
    lines = opened(note, vkey, year and year[1])
    size, root = lines[1:3]
    # A later shard of the log says in its fourth line how many entries came before it.
    earlier = [number(line[14:]) for line in lines[3:] if line.startswith("volens/before ")]
    need(len(earlier) == bool(year) and all(earlier), "a checkpoint of another shape")
    entry = index + sum(earlier)
    need(stated["volens:ledger"]["index"] == entry, "another entry than it states")
    need(stated["volens:ledger"]["origin"] == origin, "another log than it states")
    hashed = hashlib.sha256(b"\0" + canonical(leaf).encode()).digest()
    reached = root_of(hashed, index, number(size), path)
    need(reached == b64(root, 32), "the entry is not in the signed tree")
    return f"entry {entry} of {sum(earlier) + number(size)}: {record['purpose']} {record['decision']} at {record['decided_at']}"

def main():
    _, path, vkey = sys.argv
    try:
        with open(path, encoding="utf-8") as file:
            print(verify(json.load(file, object_pairs_hook=once), vkey))
    except (LookupError, ValueError, TypeError, AttributeError) as why:
        print(f"does not verify: {why}", file=sys.stderr)
        sys.exit(3)

if __name__ == "__main__":
    main()
