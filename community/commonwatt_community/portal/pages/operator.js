// SPDX-License-Identifier: Apache-2.0
// The operators' page.

import { bars, element } from "./charts.js";
import { at, call, cents, dayAndTime, enterAs, fill, follow, kwh, onSubmit, plain, say, setOffset, tile, time, words } from "./page.js";

const MOST_ROWS = 60;

function state(one, now) {
  if (one.settled) return "settled";
  if (one.meter) return "frozen";
  if (now >= one.end_s) return "waits";
  if (now >= one.start_s) return "running";
  if (one.cleared) return "cleared";
  if (one.gate) return "closed";
  return now >= one.window_opens_s ? "open" : "coming";
}

function periods(known) {
  const rows = known.periods.slice(-MOST_ROWS).reverse();
  fill("periods-rows", rows.map((one) => [
    dayAndTime(one.start_s), say(`state_${state(one, known.now_s)}`), time(one.gate?.state === "closed" ? one.gate.at_s : one.gate_s),
    one.cleared ? `${one.cleared.requests} ${say("requests")}, ${one.cleared.offers} ${say("offers")}` : "–",
    one.cleared?.price_uaud_per_kwh == null ? "–" : cents(one.cleared.price_uaud_per_kwh), one.cleared ? kwh(one.cleared.traded_wh) : "–",
  ]));
  const traded = known.periods.filter((one) => one.cleared).slice(-48);
  const labels = traded.map((one) => time(one.start_s));
  bars(at("traded"), { title: say("totals_title"), unit: "kWh", labels, places: labels, between: 2, words, heading: say("period"), shown: plain, series: [{ kind: "bought", name: say("traded"), values: traded.map((one) => one.cleared.traded_wh / 1000) }] });
}

function alarms(known) {
  at("alarms-none").hidden = known.alarms.length > 0;
  at("alarms").hidden = known.alarms.length === 0;
  fill("alarms", known.alarms.map((one) => [dayAndTime(one.since_s), one.kind.replaceAll("_", " "), one.home ?? "–", { wide: one.sentence }]));
}

function readings(known) {
  const last = known.readings;
  at("readings-about").textContent = last ? say("readings_lead", { time: dayAndTime(last.period * 60), count: last.expected - last.missing.length, all: last.expected }) : "";
  at("readings-state").textContent = last ? say(last.missing.length ? "readings_missing" : "readings_all") : "";
  at("readings-missing").replaceChildren(...(last?.missing ?? []).map((home) => element("li", {}, home)));
}

function envelopes(known) {
  at("envelopes-none").hidden = known.envelopes.length > 0;
  at("envelopes-table").hidden = known.envelopes.length === 0;
  fill("envelopes-table", known.envelopes.map((one) => [one.home ?? say("envelope_all"), dayAndTime(one.from_period * 60), dayAndTime(one.to_period * 60), one.import_w ?? "–", one.export_w ?? "–"]));
}

async function homes() {
  const known = (await call("GET", "/homes")).homes;
  const connection = (one) => one.versions.at(-1)?.connection ?? one.proposed ?? {};
  fill("homes-rows", known.map((one) => [one.home, one.home_class, connection(one).pv_w ?? "–", connection(one).battery_w ?? "–", say(one.to_period != null ? "home_ended" : one.versions.length ? "home_confirmed" : "home_proposed")]));
  const chosen = at("invite-home").value;
  at("invite-home").replaceChildren(...known.filter((one) => one.to_period == null).map((one) => element("option", { value: one.home }, one.home)));
  if (chosen) at("invite-home").value = chosen;
}

async function show() {
  const known = await call("GET", "/operator/board");
  setOffset(known.offset_min);
  const traded = known.periods.filter((one) => one.cleared && one.start_s > known.now_s - 86400).reduce((sum, one) => sum + one.cleared.traded_wh, 0);
  at("tiles").replaceChildren(
    tile(say("tile_homes"), String(known.homes.confirmed)),
    tile(say("tile_traded"), kwh(traded)),
    tile(say("tile_alarms"), String(known.alarms.length), "", known.alarms.length ? "bad" : "good"),
    tile(say("tile_residents"), String(known.residents)),
    tile(say("tile_enrolments"), String(known.enrolments_waiting)),
    tile(say("tile_messages"), String(known.messages_waiting)),
  );
  for (const part of [periods, alarms, readings, envelopes]) part(known);
  at("updated").textContent = say("updated", { time: dayAndTime(known.now_s) });
}

async function begin(me) {
  at("whose").textContent = me.name;
  onSubmit(at("invitation"), async () => {
    const made = await call("POST", "/operator/invitations", { home: at("invite-home").value });
    at("invite-url").value = made.url;
    at("invite-until").textContent = say("invite_until", { time: dayAndTime(made.expires_s) });
    at("invited").hidden = false;
    at("invite-url").focus();
    at("invite-url").select();
  });
  await Promise.all([show(), homes()]);
  follow(["cleared", "settled", "frozen", "billed", "configured", "alarms"], show);
}

enterAs("operator", "/operator", begin);
