#!/usr/bin/env python3
"""Checks a consent receipt of Volens offline, sharing no line of code with it.

    verify_receipt.py RECEIPT.json VERIFIER_KEY [EARLIER_RECEIPT.json …]

Written from the formats alone: RFC 8785 (canonical JSON), 2104 (HMAC), 6962 (inclusion), 7515 (JWS), 8032
(Ed25519, in whole numbers, for Python has none), C2SP tlog-proof@v1. Exit code 0: it verifies; 3: not.
"""

import base64, hashlib, hmac, json, re, sys
from pathlib import Path
from uuid import UUID

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
        total = add(total, point) if n & 1 else total
        point, n = add(point, point), n >> 1
    return total

def point(encoded):
    sign, y = divmod(int.from_bytes(encoded, "little"), 2**255)
    need(y < P, "a point is not in canonical form")
    xx = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(xx, (P + 3) // 8, P)
    x = x * ROOT % P if (x * x - xx) % P else x
    need((x * x - xx) % P == 0 and (x or not sign), "not a point of the curve in canonical form")
    return (P - x if x & 1 != sign else x), y

BASE = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))

def signed(key, message, signature):
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    k = int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % L
    return len(signature) == 64 and s < L and times(s, BASE) == add(point(r), times(k, point(key)))

def canonical(value):
    """RFC 8785, for the strings, whole numbers, booleans, lists and objects that records hold."""
    if isinstance(value, dict):
        pairs = sorted(value.items(), key=lambda pair: pair[0].encode("utf-16-be"))
        return "{" + ",".join(canonical(name) + ":" + canonical(held) for name, held in pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    need(not isinstance(value, float), "a number that is not whole has no place in a record")
    return json.dumps(value, ensure_ascii=False)

def hashed(value):
    return hashlib.sha256(canonical(value).encode()).hexdigest()

def once(pairs):
    need(len(dict(pairs)) == len(pairs), "a name stands twice in one object")
    return dict(pairs)

def b64(text, length=None):
    raw = base64.b64decode(text, validate=True)
    need(base64.b64encode(raw).decode() == text and length in (None, len(raw)), "not base64")
    return raw

def url64(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")

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
    hint = lambda name: hashlib.sha256(name.encode() + b"\n" + typed).digest()[:4]
    need(typed[0] == 1 and hint(name).hex() == key_id, "not an Ed25519 key with the id it claims")
    name += "/" + shard if shard else ""
    text, _, signatures = note.rpartition("\n\n")
    raws = [b64(line.split(" ")[2]) for line in signatures.splitlines() if line.startswith(f"— {name} ")]
    mine = [raw[4:] for raw in raws if raw[:4] == hint(name)]
    need(mine and all(signed(typed[1:], text.encode() + b"\n", raw) for raw in mine), "not signed by the log")
    return text.split("\n")

def vouched(proof, body, vkey):
    """A JWS over the content's SHA-256, by a key that the log's key vouches for in a signed note."""
    first, key = opened(proof["note"], vkey)[:2]
    need(first == "volens/receipt-key/1", "the log vouches for no key of receipts")
    key = b64(key, 32)
    named = {"alg": "EdDSA", "kid": "receipt-" + hashlib.sha256(key).hexdigest()[:16]}
    need(len(proof) == 5 and proof | named | {"type": "JWS"} == proof, "a signature of another kind or key")
    message = ".".join(url64(canonical(part).encode()) for part in (named, {"sha256": hashed(body)}))
    raw = base64.urlsafe_b64decode(proof["value"].rpartition(".")[2] + "==")
    need(f"{message}.{url64(raw)}" == proof["value"], "altered, or base64 that is not in canonical form")
    need(signed(key, message.encode(), raw), "not signed by that key")

def whole(stated, record, notice, shown):
    """What the second form of the document states beyond the first: (told, known) in pairs."""
    told, attached, chain = stated["volens:evidence"], record.get("evidence"), record.get("chain", {})
    before, published = chain.get("previous"), notice.get("published", {})
    known = {"attachedSha256": hashed(attached)} if "evidence" in record else {}
    known |= {"previousRecordSha256": before and before["sha256"]} if chain else {}
    if "appKid" in told:
        header = base64.urlsafe_b64decode(attached["jws"].split("..")[0] + "==")
        known |= {"appKid": json.loads(header)["kid"], "jwsDetached": attached["jws"]}
    yield told, known
    yield stated.get("dct:replaces"), before and UUID(before["id"]).urn
    assessed = stated.get("dpv:hasImpactAssessment", {})
    yield assessed.get("volens:contentSha256"), record.get("assessment", {}).get("sha256")
    yield shown.get("volens:ledgerIndex"), published.get("entry")
    yield shown.get("dct:date", ""), published.get("at", "")[:10]
    union = stated["dpv:hasApplicableLaw"] == ["legal-eu:law-GDPR"]
    yield stated["dct:conformsTo"].rpartition("#")[2], "record-eu-gdpr" if union else "record"

def agrees(stated, leaf, record, body):
    """Document and entry state what the record states that the entry commits to."""
    reached = stated["dpv:hasConsentStatus"][-1]
    about = record["purpose"] + (f"/{record['app']}+{record['peer']}" if "peer" in record else "")
    notice, shown = record.get("notice", {}), stated.get("dpv:hasNotice", {})
    for told, known in (
        (stated["@id"], UUID(record["id"]).urn),
        (body["schema:recipient"], f"urn:volens:subject:{record['app']}:{record['subject']}"),
        (stated["dpv:hasProcess"][0]["@id"], "urn:volens:purpose:" + about),
        (reached["@type"][0], "dpv:Consent" + record["decision"].title()),
        (reached["dpv:isIndicatedAtTime"], min(record["decided_at"], record["recorded_at"])),
        (shown.get("volens:contentSha256"), notice.get("content_sha256")),
        (shown.get("dct:language"), notice.get("language")),
        (leaf["kind"] + leaf["at"], f"consent.{record['decision']}{record['recorded_at'][:17]}00.000000Z"),
        *((leaf.get(fact), record.get(fact)) for fact in ("app", "purpose", "peer")),
        *(whole(stated, record, notice, shown) if "schema:version" in body else ()),
    ):
        need(told == known, f"it states {told}, and the record {known}")

def verify(path, vkey):
    receipt = json.loads(Path(path).read_text("utf-8"), object_pairs_hook=once)
    vouched(receipt.pop("volens:proof"), receipt, vkey)
    (stated,) = receipt["dpv:hasRecordOfActivity"]
    opening, leaf = receipt["volens:opening"], stated["volens:ledger"]["leaf"]
    record = opening["record"]
    known = receipt.get("schema:version") in (None, "2") and opening["alg"] == "HMAC-SHA256"
    need(known, "a form that this program does not know")
    agrees(stated, leaf, record, receipt)
    commitment = hmac.new(b64(opening["key"], 32), canonical(record).encode(), hashlib.sha256)
    need(commitment.hexdigest() == leaf["commitment"], "the entry does not open to the record")
    head, _, note = receipt["volens:tlogProof"].partition("\n\n")
    lines = head.split("\n")
    need(lines[0] == "c2sp.org/tlog-proof@v1" and lines[1][:6] == "index ", "an unknown proof")
    index, path = int(lines[1][6:]), [b64(line, 32) for line in lines[2:]]
    log, origin = vkey.split("+")[0], note.split("\n")[0]
    year = re.fullmatch(re.escape(log) + "/([0-9]{4})", origin)
    need(year or origin == log, "the checkpoint is of another log")
    _, size, root, *more = opened(note, vkey, year and year[1])
    # A later shard of the log says in its fourth line how many entries came before it.
    earlier = [int(line[14:]) for line in more if line.startswith("volens/before ")]
    need(len(earlier) == bool(year) and all(earlier), "a checkpoint of another shape")
    entry = index + sum(earlier)
    place = stated["volens:ledger"]["index"], stated["volens:ledger"]["origin"]
    need(place == (entry, origin), "another entry, or another log, than it states")
    reached = root_of(hashlib.sha256(b"\0" + canonical(leaf).encode()).digest(), index, int(size), path)
    need(reached == b64(root, 32), "the entry is not in the signed tree")
    said = f"entry {entry} of {sum(earlier) + int(size)}: {record['purpose']} {record['decision']} at {record['decided_at']}"
    return record, said

if __name__ == "__main__":
    path, vkey, *earlier = sys.argv[1:]
    try:
        record, said = verify(path, vkey)
        previous = record.get("chain", {}).get("previous") or {}
        for other, _ in (verify(one, vkey) for one in earlier):
            if other["id"] == previous.get("id"):
                need(hashed(other) == previous["sha256"], "it follows another record than it names")
                said += ", follows " + other["decision"]
        print(said)
    except (LookupError, ValueError, TypeError, AttributeError) as why:
        print(f"does not verify: {why}", file=sys.stderr)
        sys.exit(3)
