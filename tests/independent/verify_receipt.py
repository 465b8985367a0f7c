#!/usr/bin/env python3
"""Checks a consent receipt of Volens offline, sharing no line of code with it.

    verify_receipt.py RECEIPT.json VERIFIER_KEY

Written from the formats alone: RFC 8785 (canonical JSON), RFC 2104 (HMAC), RFC 6962 section 2.1.1
(inclusion), C2SP signed notes, checkpoints and tlog-proof@v1, RFC 8032 section 5.1.7 (Ed25519, in
whole numbers, for there is none in Python's library). Exit code 0: it verifies; 3: it does not.
"""

import base64
import hashlib
import hmac
import json
import sys

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


class Refused(Exception):
    """Why the receipt does not verify."""


def need(condition, why):
    if not condition:
        raise Refused(why)


# Ed25519: points as (x, y) with every step a modular inversion; slow, short, and easy to check.


def add(a, b):
    (x1, y1), (x2, y2) = a, b
    k = D * x1 * x2 * y1 * y2
    x = (x1 * y2 + x2 * y1) * pow(1 + k, P - 2, P)
    y = (y1 * y2 + x1 * x2) * pow(1 - k, P - 2, P)
    return x % P, y % P


def times(n, point):
    total = (0, 1)
    while n:
        if n & 1:
            total = add(total, point)
        point, n = add(point, point), n >> 1
    return total


def point(encoded):
    y = int.from_bytes(encoded, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    need(y < P, "a point is not in canonical form")
    xx = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(xx, (P + 3) // 8, P)
    if (x * x - xx) % P:
        x = x * ROOT % P
    need((x * x - xx) % P == 0, "a point is not on the curve")
    need(x or not sign, "a point is not in canonical form")
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
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raise Refused("not base64") from None
    need(base64.b64encode(raw).decode() == text, "base64 is not in canonical form")
    need(length in (None, len(raw)), "a value has the wrong length")
    return raw


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


def checkpoint(note, vkey):
    """C2SP: the size and root that the log signed."""
    name, key_id, encoded = vkey.strip().split("+", 2)
    typed = b64(encoded, 33)
    need(typed[0] == 1, "not an Ed25519 key")
    expected = hashlib.sha256(name.encode() + b"\n" + typed).digest()[:4]
    need(expected.hex() == key_id, "the key does not have the id it claims")
    text, _, signatures = note.partition("\n\n")
    text += "\n"
    ours = [line for line in signatures.splitlines() if line.startswith(f"— {name} ")]
    raws = [b64(line.split(" ")[2]) for line in ours]
    mine = [raw[4:] for raw in raws if raw[:4] == expected]
    need(mine and all(signed(typed[1:], text.encode(), raw) for raw in mine), "not signed by the log")
    lines = text.split("\n")
    need(lines[0] == name, "the checkpoint is of another log")
    return number(lines[1]), b64(lines[2], 32)


def verify(receipt, vkey):
    need(receipt["type"] == "volens/consent-receipt/1", "not a receipt of a known version")
    need(receipt["opening"]["alg"] == "HMAC-SHA256", "an unknown kind of opening")
    record, leaf = receipt["record"], receipt["leaf"]
    opening = b64(receipt["opening"]["key"], 32)
    commitment = hmac.new(opening, canonical(record).encode(), hashlib.sha256).hexdigest()
    need(hmac.compare_digest(commitment, leaf["commitment"]), "the entry does not open to the record")
    need(leaf["kind"] == "consent." + record["decision"], "the entry states another decision")
    minute = record["recorded_at"][:17] + "00.000000Z"
    need(leaf["at"] == minute, "the entry states another minute")
    for fact in ("app", "purpose", "peer"):
        need(leaf.get(fact) == record.get(fact), f"the entry states another {fact}")
    notice = record.get("notice")
    shown = notice and {"id": notice["id"], "version": notice["version"]}
    need(leaf.get("notice") == shown, "the entry states another notice")
    head, _, note = receipt["proof"].partition("\n\n")
    lines = head.split("\n")
    need(lines.pop(0) == "c2sp.org/tlog-proof@v1", "not a proof of a known version")
    if lines and lines[0].startswith("extra "):
        lines.pop(0)
    need(lines and lines[0].startswith("index "), "the proof has no index")
    index, path = number(lines[0][6:]), [b64(line, 32) for line in lines[1:]]
    size, root = checkpoint(note, vkey)
    hashed = hashlib.sha256(b"\0" + canonical(leaf).encode()).digest()
    need(root_of(hashed, index, size, path) == root, "the entry is not in the signed tree")
    return f"entry {index} of {size}: {record['purpose']} {record['decision']} at {record['decided_at']}"


def main():
    _, path, vkey = sys.argv
    try:
        with open(path, encoding="utf-8") as file:
            print(verify(json.load(file, object_pairs_hook=once), vkey))
    except (Refused, KeyError, ValueError, TypeError, AttributeError) as why:
        print(f"does not verify: {why}", file=sys.stderr)
        sys.exit(3)


if __name__ == "__main__":
    main()
