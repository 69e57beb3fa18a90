// SPDX-License-Identifier: Apache-2.0
// The residents' page.

import { bars, element, flow, steps } from "./charts.js";
import { Problem, at, call, cents, dayAndTime, dollars, enterAs, fill, follow, kwh, news, onSubmit, plain, say, setOffset, signedDollars, tile, time, words } from "./page.js";

const IN = ["bought", "shared_in", "grid_in"], OUT = ["sold", "shared_out", "grid_out", "breach"];
const UAUD_PER_C = 10000, WH_PER_KWH = 1000, G_PER_KG = 1000, MG_PER_G = 1000, NAUD_PER_UAUD = 1000;

function prices(known) {
  const [now] = known.prices;
  if (!now) return;
  const other = known.prices.find((one) => one.band !== now.band || one.tou !== now.tou);
  const next = known.prices.find((one) => one.neighbours !== now.neighbours);
  at("price-now").textContent = now.neighbours == null ? "–" : `${cents(now.neighbours)} c`;
  at("price-kind").textContent = say(now.neighbours == null ? "price_unknown" : now.cleared ? "price_neighbours" : "price_expected");
  const facts = [say("price_grid", { price: cents(now.tou) }), say("price_feed_in", { price: cents(now.feed_in) }), ...(other ? [say("price_until", { band: now.band, time: time(other.from_s) })] : [])];
  if (next?.neighbours != null) facts.push(say("price_next", { price: cents(next.neighbours), time: time(next.from_s) }));
  at("price-about").replaceChildren(...facts.map((text) => element("li", {}, text)));
  const span = (one) => ({ from: one.from_s, to: one.to_s, grid: one.tou / UAUD_PER_C, neighbours: one.neighbours == null ? null : one.neighbours / UAUD_PER_C, feed: one.feed_in / UAUD_PER_C });
  const series = [["grid", "grid_price"], ["neighbours", "neighbours_price"], ["feed", "feed_in_price"]].map(([name, key]) => ({ name, kind: name, label: say(key) }));
  steps(at("price-chart"), { title: say("prices_title"), unit: say("prices_unit"), spans: known.prices.map(span), series, words, heading: say("from_time"), shown: plain, time });
}

const total = (sums, names) => names.reduce((sum, name) => sum + sums[`${name}_wh`], 0);

function tiles(id, sums, paid, last) {
  const worse = sums.saved_naud < 0;
  at(id).replaceChildren(
    tile(say(sums.amount_naud < 0 ? "you_receive" : "you_pay"), `$${dollars(sums.amount_naud)}`, paid),
    tile(say(worse ? "cost_more" : "you_saved"), `$${dollars(sums.saved_naud)}`, say("saved_short"), worse ? "bad" : "good"),
    tile(say("received"), `${kwh(total(sums, IN))} kWh`, say("of_it_local", { energy: kwh(sums.bought_wh + sums.shared_in_wh) })),
    tile(say("given"), `${kwh(total(sums, OUT))} kWh`, say("of_it_to_neighbours", { energy: kwh(sums.sold_wh + sums.shared_out_wh) })),
    ...last,
  );
}

function flows(from, to, sums) {
  const parts = (names) => names.map((name) => ({ kind: name, name: say(name), value: sums[`${name}_wh`] }));
  const shown = (wh) => `${kwh(wh)} kWh`;
  flow(at(from), { title: say("where_from"), unit: "", parts: parts(IN), none: say("no_energy"), shown });
  flow(at(to), { title: say("where_to"), unit: "", parts: parts(OUT), none: say("no_energy"), shown });
}

const series = (rows) => [...IN.map((name) => [name, false]), ...OUT.map((name) => [name, true])].map(([name, down]) => ({ kind: name, name: say(name), down, values: rows.map((row) => row[`${name}_wh`] / WH_PER_KWH) }));

function today(known) {
  const day = known.today;
  tiles("today-tiles", day, known.supply_naud_per_day && day.settled_to_s ? say("supply_within", { amount: `$${dollars(known.supply_naud_per_day)}` }) : "", []);
  const about = [day.settled_to_s ? say("settled_to", { time: time(day.settled_to_s) }) : say("settled_none")];
  if (day.estimated) about.push(say("estimated", { count: day.estimated }));
  at("today-about").textContent = about.join(" ");
  flows("today-from", "today-to", day);
  at("hours").hidden = day.hours.length === 0;
  if (day.hours.length) bars(at("hours"), { title: say("hours_title"), unit: `kWh. ${say("up_received")}`, labels: day.hours.map((row) => row.hour), places: [...Array(24).keys()], series: series(day.hours), words, heading: say("hour"), shown: plain });
}

function month(known) {
  const sums = known.month, co2 = known.co2;
  const kg = (g) => plain(Math.round(g / 10) / (G_PER_KG / 10));
  const saved = [say("saved_why"), ...(known.has_battery ? [say("saved_battery")] : [])];
  const told = co2 ? [say("co2_why", { bought: kg(co2.avoided_g), sold: kg(co2.given_g), grid: kg(co2.grid_g), factor: co2.g_per_kwh, source: co2.source })] : [];
  const carbon = known.carbon, account = carbon?.month, kgOfMg = (mg) => kg(mg / MG_PER_G);
  if (carbon?.quota_g_per_day != null) told.push(say("carbon_why", { quota: kg(carbon.quota_g_per_day), price: `$${dollars(carbon.price_uaud_per_kg * NAUD_PER_UAUD)}` }));
  tiles("month-tiles", sums, "", [
    ...(co2 ? [tile(say("co2_title"), say("co2_avoided", { kg: kg(co2.avoided_g + co2.given_g) }), say("co2_short"))] : []),
    ...(account ? [tile(say("carbon_title"), say("carbon_emitted", { emitted: kgOfMg(account.emitted_mg), quota: kgOfMg(account.quota_mg) }), say("carbon_above", { what: say(account.amount_naud < 0 ? "you_receive" : "you_pay"), amount: `$${dollars(account.amount_naud)}`, above: account.days_above, days: account.days }))] : []),
  ]);
  at("month-why").replaceChildren(...[...saved, ...told].map((text) => element("p", {}, text)));
  at("month-about").textContent = [say("billed", { count: sums.billed_days, all: sums.days.length }), ...(sums.attested ? [say("attested", sums.attested)] : [])].join(" ");
  flows("month-from", "month-to", sums);
  at("own-note").hidden = !known.has_panels;
  const [year, number] = sums.month.split("-").map(Number);
  const places = [...Array(new Date(Date.UTC(year, number, 0)).getUTCDate()).keys()].map((place) => place + 1);
  bars(at("days"), { title: say("days_title"), unit: `kWh. ${say("up_received")}`, labels: sums.days.map((row) => row.day), places, series: series(sums.days), words, heading: say("day"), shown: plain });
  if (at("statement-month").dataset.last !== sums.month) months(sums.month);
}

function months(last) {
  const [year, number] = last.split("-").map(Number), name = new Intl.DateTimeFormat("en", { month: "long", year: "numeric", timeZone: "UTC" });
  const options = [...Array(13).keys()].map((back) => { const date = new Date(Date.UTC(year, number - 1 - back, 1)); return element("option", { value: date.toISOString().slice(0, 7) }, name.format(date)); });
  at("statement-month").replaceChildren(...options);
  at("statement-month").dataset.last = last;
  linkStatement();
}

let own = "";
function linkStatement() {
  const to = (ending) => `/api/v1/homes/${own}/statement${ending}?month=${at("statement-month").value}`;
  at("statement-open").href = to(".html");
  at("statement-csv").href = to(".csv");
}

function trades(known) {
  at("trades-none").hidden = known.trades.length > 0;
  at("trades-table").hidden = known.trades.length === 0;
  fill("trades-table", known.trades.map((one) => {
    const wh = one.bought_wh || one.sold_wh, sign = one.sold_wh ? -1 : 1;
    const what = one.code ? say("trade_refused", { reason: words[`refused_${one.code}`] ?? one.code }) : !wh ? say("trade_not") : say(one.sold_wh ? "trade_sold" : "trade_bought");
    return [dayAndTime(one.period * 60), what, wh ? kwh(wh) : "–", wh ? cents(one.price_uaud_per_kwh) : "–", wh ? signedDollars(sign * wh * one.price_uaud_per_kwh) : "–"];
  }));
}

const FIELDS = [["limit-buy", "buy_at_most_uaud_per_kwh", UAUD_PER_C], ["limit-sell", "sell_at_least_uaud_per_kwh", UAUD_PER_C], ["limit-storage", "keep_storage_wh", WH_PER_KWH]];

function wishes(known) {
  at("pause").setAttribute("aria-checked", String(!known.paused));
  at("pause-about").textContent = say(known.paused ? "pause_off" : "pause_on");
  for (const [id, name, per] of FIELDS)
    if (document.activeElement !== at(id)) at(id).value = known.limits[name] == null ? "" : plain(known.limits[name] / per);
}

async function show() {
  const known = await call("GET", `/homes/${own}/summary`);
  setOffset(known.offset_min);
  for (const part of [prices, today, month, trades]) part(known);
  at("updated").textContent = say("updated", { time: time(known.now_s) });
}

async function begin(me) {
  own = me.home;
  at("whose").textContent = say("home", { home: me.home });
  at("statement-month").addEventListener("change", linkStatement);
  at("pause").addEventListener("click", async () => {
    const paused = at("pause").getAttribute("aria-checked") === "true";
    try { wishes(await call("POST", "/pause", { paused })); news(say(paused ? "paused_done" : "resumed_done")); } catch (problem) { news(problem.message); }
  });
  onSubmit(at("limits"), async () => {
    const limits = {};
    for (const [id, name, per] of FIELDS) {
      const text = at(id).value.trim().replace(",", ".");
      if (text && !/^-?\d+(\.\d+)?$/.test(text)) { at(id).focus(); throw new Problem(400, "", say("number_wrong", { field: document.querySelector(`label[for=${id}]`).textContent })); }
      limits[name] = text ? Math.round(Number(text) * per) : null;
    }
    wishes(await call("PUT", "/limits", limits));
    news(say("saved"));
  });
  const [known] = await Promise.all([call("GET", `/homes/${own}/wishes`), show()]);
  wishes(known);
  follow(["cleared", "settled", "billed", "gap_settled", "configured", "award"], show);
}

enterAs("resident", "/", begin);
