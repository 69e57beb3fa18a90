// SPDX-License-Identifier: Apache-2.0
// What both pages share: the session, requests, words, figures and times.

import { element } from "./charts.js";

const API = "/api/v1";
const SOON_MS = 1500, AGAIN_MS = 5000;
export const words = JSON.parse(document.getElementById("texts").textContent);
export const at = (id) => document.getElementById(id);
export const say = (key, values = {}) => (words[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");

let csrf = "";

export class Problem extends Error {
  constructor(status, code, detail) { super(detail); this.status = status; this.code = code; }
}

export async function call(method, path, body) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  if (csrf) headers["X-CW-CSRF"] = csrf;
  let answer;
  try {
    answer = await fetch(API + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), credentials: "same-origin" });
  } catch {
    throw new Problem(0, "away", say("away"));
  }
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Problem(answer.status, said.code ?? "", said.detail ?? String(answer.status));
  return said;
}

// Figures. Whole numbers come in Wh, nAUD and µAUD per kWh; rounding happens here alone.
const number = (digits) => new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const two = number(2), one = number(1), three = number(3);
const halfAway = (value, per) => Math.sign(value) * Math.floor(Math.abs(value) / per + 0.5);
export const dollars = (naud) => two.format(Math.abs(halfAway(naud, 1e7)) / 100);
export const signedDollars = (naud) => two.format(halfAway(naud, 1e7) / 100 || 0);
export const kwh = (wh) => (wh && Math.abs(wh) < 1000 ? three : Math.abs(wh) < 100000 ? two : one).format(wh / 1000);
export const cents = (uaud) => two.format(uaud / 10000);
export const plain = (value) => String(Number(value.toFixed(3)));

let offsetMin = 0;
export const setOffset = (minutes) => { offsetMin = minutes; };
const format = (options) => { const made = new Intl.DateTimeFormat("en-AU", { timeZone: "UTC", ...options }); return (s) => made.format(new Date((s + offsetMin * 60) * 1000)); };
export const time = format({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
export const dayAndTime = format({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

export function tile(label, figure, about, kind = "") {
  return element("li", kind ? { class: kind } : {}, element("span", { class: "label" }, label), element("b", {}, figure), ...(about ? [element("small", {}, about)] : []));
}

export function fill(id, rows) {
  const body = at(id).tagName === "TBODY" ? at(id) : at(id).tBodies[0];
  body.replaceChildren(...rows.map(([first, ...rest]) => element("tr", {}, element("th", { scope: "row" }, first), ...rest.map((text) => element("td", text?.wide ? { class: "wide" } : {}, text?.wide ?? text ?? "")))));
}

export const news = (text) => { at("news").textContent = text; };
export const failed = (problem) => news(problem.code === "away" ? problem.message : say("problem", { detail: problem.message }));

export function onSubmit(form, act) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const wrong = form.querySelector(".wrong"), button = form.querySelector("button");
    wrong.textContent = "";
    const missing = [...form.elements].find((field) => !field.checkValidity?.());
    if (missing) {
      wrong.textContent = `${form.querySelector(`label[for=${missing.id}]`).textContent}: ${missing.validationMessage}`;
      missing.focus();
      return;
    }
    button.disabled = true;
    try { await act(new FormData(form)); } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      wrong.textContent = problem.code === "bad_credentials" || problem.code === "totp_required" ? say("wrong_login") : problem.message;
    } finally { button.disabled = false; }
  });
}

// An operator's account has a second factor from the start: show a seed, and ask for its first code.
async function secondFactor() {
  const made = await call("POST", "/totp");
  at("seed").value = made.totp_secret;
  at("seed-link").href = made.uri;
  at("factor").hidden = false;
  at("first-code").required = true;
  at("first-code").focus();
}

// The door: show the page to those who have a session, and the door to others. `role` is whose page this is.
export async function enterAs(role, home, show) {
  const inside = async (me) => {
    if (me.role !== role) { location.replace(me.role === "operator" ? "/operator" : home); return; }
    csrf = me.csrf ?? "";
    for (const id of ["door", "join"]) at(id).hidden = true;
    at("inside").hidden = false;
    at("leave").hidden = false;
    news("");
    await show(me);
    document.documentElement.dataset.ready = "yes";
  };
  const door = () => {
    const invitation = location.hash.slice(1);
    const invited = location.pathname === "/join" && invitation;
    at(invited ? "join" : "door").hidden = false;
    document.documentElement.dataset.ready = "door";
  };
  onSubmit(at("enter"), async (form) => {
    const said = { name: form.get("name").trim(), passphrase: form.get("passphrase") };
    if (form.get("totp")) said.totp = form.get("totp");
    await inside(await call("POST", "/session", said));
  });
  onSubmit(at("found"), async (form) => {
    const said = { invitation: location.hash.slice(1), name: form.get("name").trim(), passphrase: form.get("passphrase") };
    if (form.get("totp")) Object.assign(said, { totp_secret: at("seed").value, totp: form.get("totp") });
    let me;
    try { me = await call("POST", "/session", said); } catch (problem) {
      if (problem.code !== "totp_required") throw problem;
      return secondFactor();
    }
    history.replaceState(null, "", home); // the invitation leaves the address
    await inside(me);
  });
  at("leave").addEventListener("click", async () => { await call("DELETE", "/session").catch(() => {}); location.replace(home); });
  if (location.pathname === "/join") return door();
  try { await inside(await call("GET", "/me")); } catch (problem) {
    if (problem.status === 401) return door();
    failed(problem);
    setTimeout(() => location.reload(), AGAIN_MS);
  }
}

// Call `show` again soon after events of these names, and every minute besides; a lost service is told.
export function follow(names, show) {
  let waiting = 0;
  const again = async () => {
    waiting = 0;
    try { await show(); news(""); } catch (problem) {
      if (problem.status === 401) { news(say("session_ended")); setTimeout(() => location.reload(), AGAIN_MS); return; }
      failed(problem);
      waiting ||= setTimeout(again, AGAIN_MS);
    }
  };
  const soon = () => { waiting ||= setTimeout(again, SOON_MS); };
  const events = new EventSource(`${API}/events`);
  for (const name of names) events.addEventListener(name, soon);
  setInterval(soon, 60000);
}
