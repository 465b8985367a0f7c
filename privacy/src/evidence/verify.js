"use strict";
// Checks the evidence in this file with nothing but the browser's own cryptography: RFC 8785, RFC 2104,
// RFC 6962, RFC 7515, RFC 8032 and the C2SP formats of signed notes and tlog-proof.
const text = new TextEncoder();
const need = (condition, why) => { if (!condition) throw new Error(why); };
const same = (a, b) => a.length === b.length && a.every((byte, at) => byte === b[at]);
const join = (...parts) => new Uint8Array(parts.flatMap((part) => [...part]));
const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const raw = (base64) => {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  need(btoa(String.fromCharCode(...bytes)) === base64, "base64 is not in canonical form");
  return bytes;
};
const number = (digits) => {
  const value = Number(digits);
  need(Number.isSafeInteger(value) && value >= 0 && String(value) === digits, "not a number");
  return value;
};
const BEFORE = "volens/before ";
const url64 = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))
  .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const canonical = (value) => {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`);
  return `{${members.join(",")}}`;
};
const signed = async (key, message, signature) => {
  const imported = await crypto.subtle.importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
  return crypto.subtle.verify({ name: "Ed25519" }, imported, signature, message);
};

// In whose name the log signs a note: its own, or that of the year which the note is about.
const nameOf = (first, log) => (/^\/[0-9]{4}$/.test(first.slice(log.length)) && first.startsWith(log) ? first : log);

// A signed note: its lines, once the log's signature is checked.
const opened = async (note, vkey) => {
  const [log, id, encoded] = [vkey.split("+")[0], vkey.split("+")[1], vkey.split("+").slice(2).join("+")];
  const typed = raw(encoded);
  const keyId = async (name) => (await sha256(join(text.encode(name), [10], typed))).slice(0, 4);
  need(typed.length === 33 && typed[0] === 1 && hex(await keyId(log)) === id, "the key is not what it claims");
  const at = note.lastIndexOf("\n\n");
  const body = note.slice(0, at + 1);
  const name = nameOf(body.split("\n")[0], log);
  const expected = await keyId(name);
  const lines = note.slice(at + 2).split("\n").filter((line) => line.startsWith(`— ${name} `));
  const own = lines.map((line) => raw(line.split(" ")[2])).filter((all) => same(all.slice(0, 4), expected));
  need(own.length > 0, "a note is not signed by the log");
  for (const all of own) {
    need(await signed(typed.slice(1), text.encode(body), all.slice(4)), "a note is not signed by the log");
  }
  return body.split("\n");
};

// The operator's signature, by a key that the log vouches for.
const vouched = async (proof, body, vkey) => {
  const [first, encoded] = await opened(proof.note, vkey);
  need(first === "volens/receipt-key/1", "the log vouches for no key of receipts");
  const key = raw(encoded);
  const kid = `receipt-${hex((await sha256(key)).slice(0, 8))}`;
  const header = url64(text.encode(`{"alg":"EdDSA","kid":"${kid}"}`));
  need(proof.kid === kid && proof.alg === "EdDSA" && proof.type === "JWS", "a signature of another kind");
  const digest = hex(await sha256(text.encode(canonical(body))));
  const input = `${header}.${url64(text.encode(`{"sha256":"${digest}"}`))}`;
  need(Object.keys(proof).length === 5, "a signature of another kind");
  need(proof.value.startsWith(`${input}.`), "something was altered after it was signed");
  const tail = proof.value.slice(input.length + 1).replaceAll("-", "+").replaceAll("_", "/");
  const signature = raw(tail + "=".repeat((4 - (tail.length % 4)) % 4));
  need(await signed(key, text.encode(input), signature), "something was altered after it was signed");
};

const rootOf = async (leaf, index, size, path) => {
  need(index < size, "the entry is not in the tree");
  let [node, last, up] = [index, size - 1, leaf];
  for (const sibling of path) {
    need(last > 0, "the path is too long");
    if (node % 2 === 1 || node === last) {
      up = await sha256(join([1], sibling, up));
      while (node % 2 === 0 && node > 0) [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
    } else {
      up = await sha256(join([1], up, sibling));
    }
    [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
  }
  need(last === 0, "the path is too short");
  return up;
};

// The document states what the record follows and what the app attached.
const hashOf = async (value) => hex(await sha256(text.encode(canonical(value))));
const follows = async (stated, { assessment, chain, evidence, notice }) => {
  const { appKid, ...told } = stated["volens:evidence"];
  const expected = {};
  if (evidence !== undefined) expected.attachedSha256 = await hashOf(evidence);
  if (chain) expected.previousRecordSha256 = chain.previous?.sha256 ?? null;
  if (appKid !== undefined) {
    expected.jwsDetached = evidence?.jws;
    const header = evidence?.jws.split("..")[0].replaceAll("-", "+").replaceAll("_", "/");
    need(JSON.parse(atob(header)).kid === appKid, "the document names another key of the app");
  }
  need(canonical(told) === canonical(expected), "the document states other evidence");
  const before = chain?.previous?.id.replace(/^(.{8})(.{4})(.{4})(.{4})/, "urn:uuid:$1-$2-$3-$4-");
  need(stated["dct:replaces"] === before, "the document replaces another record");
  const [shown, assessed] = [stated["dpv:hasNotice"], stated["dpv:hasImpactAssessment"]];
  need(shown?.["volens:ledgerIndex"] === notice?.published?.entry, "another publication of the text");
  need(assessed?.["volens:contentSha256"] === assessment?.sha256, "another impact assessment");
};
// No two of the receipts can be of different histories.
const agree = async (reports) => {
  const about = ({ subject, app, purpose, peer = "" }) => [subject, app, purpose, peer].join(" ");
  const followed = new Map();
  for (const { record, index } of reports.filter((report) => report.record.chain)) {
    const { previous } = record.chain;
    const known = previous && reports.find((other) => other.record.id === previous.id);
    if (known) {
      need(await hashOf(known.record) === previous.sha256, "what was decided before was another decision");
      need(known.index < index && about(known.record) === about(record), "receipts contradict each other");
    }
    const place = `${about(record)} ${previous?.id}`;
    need((followed.get(place) ?? record.id) === record.id, "receipts contradict each other");
    followed.set(place, record.id);
  }
};

const receipt = async (signedReceipt, notices, vkey) => {
  const { "volens:proof": proof, ...body } = signedReceipt;
  await vouched(proof, body, vkey);
  const [stated] = body["dpv:hasRecordOfActivity"];
  const { alg, key, record } = body["volens:opening"];
  const leaf = stated["volens:ledger"].leaf;
  need(alg === "HMAC-SHA256", "an unknown kind of opening");
  const mac = await crypto.subtle.importKey("raw", raw(key), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const commitment = new Uint8Array(await crypto.subtle.sign("HMAC", mac, text.encode(canonical(record))));
  need(hex(commitment) === leaf.commitment, "the entry does not open to the record");
  need(leaf.kind === `consent.${record.decision}`, "the entry states another decision");
  for (const fact of ["app", "purpose", "peer"]) need(leaf[fact] === record[fact], `another ${fact}`);
  await follows(stated, record);
  const status = stated["dpv:hasConsentStatus"].at(-1)["@type"][0].slice("dpv:Consent".length);
  need(status.toLowerCase() === record.decision, "the document states another decision");
  const [head, note] = body["volens:tlogProof"].split(/\n\n(.*)/s);
  const [version, place, ...path] = head.split("\n");
  need(version === "c2sp.org/tlog-proof@v1" && place.startsWith("index "), "an unknown proof");
  const [origin, said, root, ...more] = await opened(note, vkey);
  const log = vkey.split("+")[0];
  need(nameOf(origin, log) === origin, "the checkpoint is of another log");
  // The first year has nothing before it; of a later one the checkpoint says how much.
  const earlier = more.filter((line) => line.startsWith(BEFORE));
  need(earlier.length === (origin === log ? 0 : 1), "the checkpoint is of no year of the log");
  const before = earlier.length > 0 ? number(earlier[0].slice(BEFORE.length)) : 0;
  need(origin === log || before > 0, "the checkpoint is of no year of the log");
  const size = number(said);
  const leafHash = await sha256(join([0], text.encode(canonical(leaf))));
  const index = number(place.slice("index ".length));
  const reached = await rootOf(leafHash, index, size, path.map(raw));
  need(same(reached, raw(root)), "the entry is not in the signed tree");
  need(stated["volens:ledger"].index === before + index, "the document names another entry");
  if (record.notice) {
    const hashes = await Promise.all(notices.map(async ({ file }) => hex(await sha256(text.encode(file)))));
    need(hashes.includes(record.notice.content_sha256), "the text is not the one that was shown");
  }
  return { record, index: before + index, size: before + size };
};

const add = (parent, kind, content) => {
  const element = document.createElement(kind);
  element.textContent = content;
  return parent.appendChild(element);
};
const told = ({ record, index, size }) => {
  const article = add(document.getElementById("receipts"), "article", "");
  const peer = record.peer ? ` with ${record.peer}` : "";
  add(article, "h2", `${record.purpose}${peer}: ${record.decision}`);
  const list = add(article, "dl", "");
  const shown = record.notice && `${record.notice.id} ${record.notice.version} (${record.notice.language})`;
  for (const [name, value] of Object.entries({
    "Decided at": record.decided_at, "Recorded at": record.recorded_at, "In": record.app,
    "Under": shown ?? "no notice", "Ledger entry": `${index} of ${size}`, "Account": record.subject,
  })) { add(list, "dt", name); add(list, "dd", value); }
};
const showed = ({ id, version, language, title, file, names }) => {
  const article = add(document.getElementById("notices"), "article", "");
  article.lang = language;
  add(article, "h2", title);
  add(article, "p", `${id} ${version} ${language}`);
  const rendered = file.split("\n+++\n").slice(1).join("\n+++\n").replace(/\{\{(\w+)\}\}/g, (_, name) => names[name] ?? "");
  for (const block of rendered.trim().split("\n\n")) {
    if (block.startsWith("## ")) add(article, "h3", block.slice(3)); else add(article, "p", block);
  }
};

const verdict = (tone, said) => {
  const element = document.getElementById("verdict");
  element.className = tone;
  element.textContent = said;
};
const check = async () => {
  const { proof, ...body } = JSON.parse(document.getElementById("evidence").textContent);
  need(body.type === "volens/evidence/1", "not evidence of a known version");
  await vouched(proof, body, body.log);
  const reports = [];
  for (const one of body.receipts) reports.push(await receipt(one, body.notices, body.log));
  await agree(reports);
  reports.forEach(told);
  body.notices.forEach(showed);
  const facts = document.getElementById("facts");
  add(facts, "dt", "Made at"); add(facts, "dd", body.created);
  if (body.until) { add(facts, "dt", "Holds what was recorded by"); add(facts, "dd", body.until); }
  add(facts, "dt", "Key of the log"); add(facts, "dd", body.log);
  verdict("good", `Valid: ${reports.length} decisions, each in the ledger that the key below signed.`);
};
check().catch((error) => verdict("bad", `Invalid: ${error.message}`));
