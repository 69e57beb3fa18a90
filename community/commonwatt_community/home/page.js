// SPDX-License-Identifier: Apache-2.0
// Shows state.json every few seconds. Whatever the home says is text, never markup.

const cents = (price) => `${(price / 10000).toFixed(2)} c/kWh`;
const kwh = (wh) => `${(wh / 1000).toFixed(3)} kWh`;
const dollars = (naud) => `$${(naud / 1e9).toFixed(2)}`;
const at = (id) => document.getElementById(id);
let wishes = null;

function list(id, texts) {
  at(id).replaceChildren(...texts.map((text) => {
    const item = document.createElement("li");
    item.textContent = text;
    return item;
  }));
}

function terms(id, pairs) {
  at(id).replaceChildren(...pairs.flatMap(([name, value]) => {
    const term = document.createElement("dt"), said = document.createElement("dd");
    term.textContent = name;
    said.textContent = value;
    return [term, said];
  }));
}

async function show() {
  let state;
  try {
    state = await (await fetch("state.json")).json();
  } catch {
    at("trouble").textContent = "The agent does not run.";
    return;
  }
  wishes = state.own_wishes;
  at("home").textContent = state.home;
  at("trouble").textContent = state.troubles.join(" ");
  const now = (state.prices ?? []).map((one) => [`Grid from ${one.local}`, `${cents(one.tou)}, feed-in ${cents(one.feed_in)}`]);
  if (state.meter) {
    now.push(["Meter, import", kwh(state.meter.import_total_wh)], ["Meter, export", kwh(state.meter.export_total_wh)]);
    if (state.meter.battery_wh !== null) now.push(["Battery", kwh(state.meter.battery_wh)]);
  }
  now.push(["Readings that wait to be sent", String(state.waiting)]);
  terms("now", now);
  list("plan", (state.plan ?? []).map((one) => `${one.local} ${one.does}: ${one.reason}`));
  const today = state.today;
  terms("today", [
    ["Bought from neighbours", kwh(today.bought_wh)], ["Sold to neighbours", kwh(today.sold_wh)],
    ["Shared", kwh(today.shared_wh)], ["Cost", dollars(today.cost_naud)],
  ]);
  list("lines", [...state.lines].reverse());
  at("pause").textContent = state.own_wishes.paused ? "Trade again" : "Pause trading";
  at("pause").setAttribute("aria-pressed", String(state.own_wishes.paused));
}

at("pause").addEventListener("click", async () => {
  if (!wishes) return;
  await fetch("wishes", {
    method: "POST",
    headers: {"Content-Type": "application/json"},
    body: JSON.stringify({...wishes, paused: !wishes.paused}),
  });
  await show();
});

await show();
setInterval(show, 3000);
