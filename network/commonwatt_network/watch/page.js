// Draws the figures that the watch serves, once a second. Whatever comes from the network is set as text, never as HTML.
import { liveChart } from "./live_chart.js";

const sections = new Map();
const charts = new Map();

function number(value, digits = 0) {
  return value.toLocaleString("en-AU", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

const cents = (uaudPerKwh) => (uaudPerKwh === null ? "–" : number(uaudPerKwh / 1e4, 2) + " c");
const kilowattHours = (wh) => number(wh / 1e3, 1) + " kWh";
const dollars = (naud) => "$" + number(naud / 1e9, 2);

function row(values, classes = []) {
  const line = document.createElement("tr");
  values.forEach((value, column) => {
    const cell = document.createElement("td");
    cell.textContent = value;
    if (classes[column]) cell.className = classes[column];
    line.append(cell);
  });
  return line;
}

function fill(body, rows, none) {
  body.replaceChildren(...(rows.length ? rows : [row([none])]));
}

function section(name) {
  if (!sections.has(name)) {
    const made = document.getElementById("channel").content.firstElementChild.cloneNode(true);
    document.getElementById("channels").append(made);
    sections.set(name, made);
    const lines = [{ field: "per_s", name: "committed", kind: "one" }];
    charts.set(name, liveChart(made.querySelector(".rate"), { title: `Transactions committed on ${name}`, unit: "per second", series: lines, file: `${name}-transactions.csv` }));
  }
  return sections.get(name);
}

// A row for each second, the last of them now.
function draw(name, history) {
  const now = Math.floor(Date.now() / 1000);
  charts.get(name)(history.map((per_s, index) => ({ at_ms: 1000 * (now - history.length + 1 + index), per_s })));
}

function clock(minute) {
  return `${Math.floor(minute / 60)}:${String(minute % 60).padStart(2, "0")}`;
}

const date = (at_s) => new Date(1000 * at_s).toISOString().slice(0, 16).replace("T", " ");

function show(name, channel) {
  const part = section(name);
  const market = channel.market;
  part.querySelector("h2").textContent = "Channel " + name;
  const changes = channel.leader_changes ? `, which changed ${channel.leader_changes} times` : "";
  part.querySelector(".lead").textContent = `${channel.organizations.join(" and ")}; ordered by ${channel.leader || "nobody known"}${changes}`;
  const tiles = [
    [number(channel.transactions_per_s, 1), "transactions per second"],
    [number(market.open_rounds), "open rounds"],
    [number(market.trades), "trades"],
    [kilowattHours(market.traded_wh), "traded between homes"],
    [dollars(market.traded_naud), "paid between homes"],
    [cents(market.sell_price_uaud_per_kwh), "selling price per kWh"],
    [cents(market.tou_uaud_per_kwh), "the grid's price per kWh"],
  ].map(([value, label]) => {
    const tile = document.createElement("li");
    const strong = document.createElement("b");
    const text = document.createElement("span");
    strong.textContent = value;
    text.textContent = label;
    tile.append(strong, text);
    return tile;
  });
  part.querySelector(".tiles").replaceChildren(...tiles);
  draw(name, channel.history);
  const heights = Object.entries(channel.heights);
  const highest = Math.max(0, ...heights.map(([, height]) => height || 0));
  fill(part.querySelector(".peers"), heights.map(([peer, height]) => {
    if (height === null) return row([peer, "no answer", "–", "–"], ["", "bad"]);
    const work = channel.peers[peer];
    const behind = height < highest - 2 ? ` (${highest - height} behind)` : "";
    return row([peer, number(height) + behind, number(work.commit_ms, 1) + " ms", number(work.not_endorsed)]);
  }), "no peers");
  const outcomes = Object.entries(channel.transactions).map(([code, count]) => row([code, number(count)], ["", code === "VALID" ? "" : "bad"]));
  const refused = Object.entries(channel.refusals).map(([code, count]) => row(["refused: " + code, number(count)]));
  fill(part.querySelector(".outcomes"), outcomes.concat(refused), "nothing yet");
  fill(part.querySelector(".trades"), market.recent.map((round) => row([
    clock(round.minute), date(round.closed_at), number(round.fills), number(round.p2p_energy_wh) + " Wh", cents(round.p2p_amount_naud / round.p2p_energy_wh), cents(round.tou_uaud_per_kwh), number(round.p2p_amount_naud / 1e7, 2) + " c",
  ])), "no trade yet");
}

function showNodes(nodes) {
  fill(document.getElementById("nodes"), nodes.map((node) => {
    const days = node.certificate_days_left;
    const good = node.state === "running" ? "good" : "bad";
    return row(
      [node.name, node.kind, node.state, node.memory_bytes ? number(node.memory_bytes / 1e6) + " MB" : "–", days === null ? "–" : number(days) + " days left"],
      ["", "", good, "", days !== null && days < 30 ? "bad" : ""],
    );
  }), "waiting");
}

async function refresh() {
  const state = document.getElementById("state");
  try {
    const answer = await fetch("figures.json");
    const figures = await answer.json();
    document.getElementById("name").textContent = figures.name;
    document.title = figures.name + ": watch";
    const text = `${figures.backend} network, ${figures.state}, ${number(figures.memory_bytes / 1e6)} MB`;
    if (state.textContent !== text) state.textContent = text;
    state.className = figures.state === "running" ? "lead" : "lead bad";
    Object.entries(figures.channels).forEach(([name, channel]) => show(name, channel));
    showNodes(figures.nodes);
    document.documentElement.dataset.ready = "yes";
  } catch (error) {
    state.textContent = "the watch does not answer: start it again with `make watch`";
    state.className = "lead bad";
  }
  setTimeout(refresh, 1000);
}

refresh();
