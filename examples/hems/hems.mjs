// SPDX-License-Identifier: Apache-2.0
// A home energy manager in JavaScript, by REST alone: what hems.py does, for Node 20 or later without packages.
//
//     NODE_EXTRA_CA_CERTS=service.crt SERVICE=https://energy.newtown.example:8443 HOME_ID=h-4f2a NET=4q3k CHANNEL=newtown node hems.mjs
//
// Beside it lie home.pem and meter.json. It keeps the numbers of its messages in said.json: no number is used twice.
import { createHash, createPrivateKey, createPublicKey, randomBytes, sign } from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

const { SERVICE, HOME_ID: home, NET: net, CHANNEL: channel } = process.env;
const key = createPrivateKey(readFileSync("home.pem"));
const { kty, crv, x, y } = createPublicKey(key).export({ format: "jwk" });
const alg = kty === "EC" ? "ES256" : "EdDSA";
const kid = createHash("sha256").update(JSON.stringify({ crv, kty, x, y })).digest("base64url");
const said = existsSync("said.json") ? JSON.parse(readFileSync("said.json")) : {};
let token;

function signed(typ, members) {
  const payload = { net, channel, home, nonce: randomBytes(16).toString("base64url"), ...members };
  const input = [{ alg, kid, typ }, payload].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  const bytes = Buffer.from(input);
  const signature = alg === "ES256" ? sign("sha256", bytes, { key, dsaEncoding: "ieee-p1363" }) : sign(null, bytes, key);
  return `${input}.${signature.toString("base64url")}`;
}

async function call(method, path, body) {
  const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
  const answer = await fetch(`${SERVICE}/api/v1/${path}`, { method, headers, body: body && JSON.stringify(body) });
  const value = await answer.json();
  if (value.code === "login_required" && token) { token = undefined; await login(); return call(method, path, body); }
  if (!answer.ok) throw new Error(`${value.code}: ${value.detail}`);
  return value;
}

async function login() {
  const { challenge } = await call("GET", "challenge");
  const service = new URL(SERVICE).host; // the host that we reach, not the one that an answer names
  ({ token } = await call("POST", "login", { message: signed("cw-login", { service, challenge }) }));
}

async function say(kind, period, members) {
  const name = `${kind === "reading" ? "reading" : "bid"}/${period}`;
  const seq = (said[name] ?? 0) + 1;
  said[name] = seq;
  writeFileSync("said.json.new", JSON.stringify(said), { flush: true });
  renameSync("said.json.new", "said.json");
  const message = signed(`cw-${kind}`, { period, seq, ...members });
  const { results: [admitted] } = await call("POST", "messages", { messages: [message] });
  const done = admitted.receipt ? await call("GET", `receipts/${admitted.digest}?wait_s=30`) : admitted;
  console.log(kind, done.result);
}

await login();
for (let running, before; ; await pause(2000)) {
  const { configuration, now_s } = await call("GET", "configuration");
  const length = configuration.lengths.at(-1)[1];
  const period = Math.floor(now_s / 60 / length) * length;
  if (period === running) continue;
  const counted = JSON.parse(readFileSync("meter.json"));
  console.log("period", period);
  if (running === period - length) { // after a pause nobody knows which period used what
    const [import_wh, export_wh] = ["import_wh", "export_wh"].map((name) => counted[name] - before[name]);
    await say("reading", running, { import_wh, export_wh, quality: "measured" });
    const { times } = configuration.rules.findLast((rules) => rules.from_period <= period) ?? configuration.rules[0];
    const ahead = Math.floor((now_s + times.closes_before_s) / 60 / length) * length + length;
    const { prices } = await call("GET", `periods/${ahead}`);
    const energy_wh = Math.abs(import_wh - export_wh);
    if (import_wh > export_wh) await say("request", ahead, { energy_wh, limit_uaud_per_kwh: prices.tou });
    if (export_wh > import_wh) await say("offer", ahead, { energy_wh, price_uaud_per_kwh: prices.feed_in });
  }
  [running, before] = [period, counted];
}
