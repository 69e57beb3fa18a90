// SPDX-License-Identifier: Apache-2.0
// A chart of lines in time that grows while one looks: axes with unit, clock and date; figures under the pointer or by
// the arrow keys; its rows as CSV. No dependency.

const NS = "http://www.w3.org/2000/svg";
const HEIGHT = 184, LEFT = 52, RIGHT = 12, TOP = 26, BOTTOM = 24;
const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];

const clock = (at_ms) => new Date(at_ms).toLocaleTimeString("en-AU", { hour12: false });
const day = (at_ms) => new Date(at_ms).toLocaleDateString("en-AU", { day: "numeric", month: "long", year: "numeric" });
const shown = (value) => value.toLocaleString("en-AU", { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 });

function shape(name, attributes, ...inside) {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...inside);
  return made;
}

function element(name, attributes, ...inside) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...inside);
  return made;
}

// Steps of 1, 2, 2.5 or 5 times a power of ten: at most four of them up to `top`.
function stepOf(top) {
  const power = 10 ** Math.floor(Math.log10(top / 4));
  return [1, 2, 2.5, 5, 10].map((times) => times * power).find((step) => step * 4 >= top);
}

// Fill `figure`, which has a figcaption, with an empty chart. The answer draws rows of {at_ms, <field>...}, first to last.
// `series` lists {field, name, kind}, of which `kind` is the stylesheet's "one" or "two"; `file` names the CSV.
export function liveChart(figure, { title, unit, series, file }) {
  const svg = shape("svg", { class: "live", role: "img", tabindex: "0", "aria-label": `${title}, ${unit}: no figures yet` });
  const said = element("span", {}), save = element("button", { type: "button", "aria-label": `Save as CSV: ${title}` }, "Save as CSV");
  const keys = series.map((one) => element("li", {}, shape("svg", { class: "key", viewBox: "0 0 14 6", "aria-hidden": "true" }, shape("path", { class: one.kind, d: "M0 3h14" })), one.name));
  figure.append(element("ul", { class: "legend" }, ...keys), svg, element("p", { class: "under" }, said, save));
  let rows = [], chosen = null, width = 600;

  const texts = (row) => series.map((one) => `${one.name} ${shown(row[one.field])}`).join(", ");
  const spread = () => {
    const last = rows.at(-1).at_ms;
    return [Math.min(rows[0].at_ms, last - 10_000), last];
  };
  const xOf = (at_ms) => {
    const [from, to] = spread();
    return LEFT + (width - LEFT - RIGHT) * (at_ms - from) / (to - from);
  };

  function draw() {
    if (!rows.length) return;
    const top = Math.max(0.001, ...rows.flatMap((row) => series.map((one) => row[one.field])));
    const step = stepOf(top), ceiling = Math.ceil(top / step - 1e-9) * step;
    const [from, to] = spread();
    width = svg.clientWidth || 600;
    const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / ceiling);
    const made = [shape("text", { x: 2, y: 11 }, unit)];
    for (let value = 0; value < ceiling + step / 2; value += step) {
      made.push(shape("line", { class: value ? "rule" : "axis", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }));
      made.push(shape("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, shown(value)));
    }
    const most = Math.max(2, Math.floor((width - LEFT) / 90));
    const every = 1000 * (STEPS_S.find((seconds) => seconds * 1000 * most >= to - from) ?? 7200);
    for (let at = Math.ceil(from / every) * every; at <= to; at += every) {
      const x = xOf(at);
      made.push(shape("line", { class: "axis", x1: x, x2: x, y1: y(0), y2: y(0) + 4 }));
      if (x > LEFT + 24 && x < width - RIGHT - 24) made.push(shape("text", { x, y: HEIGHT - 6, "text-anchor": "middle" }, clock(at)));
    }
    for (const one of series) {
      const points = rows.map((row) => `${xOf(row.at_ms).toFixed(1)} ${y(row[one.field]).toFixed(1)}`);
      made.push(shape("path", { class: one.kind, d: "M" + points.join("L") }));
    }
    const row = chosen === null ? null : rows.reduce((best, one) => Math.abs(one.at_ms - chosen) < Math.abs(best.at_ms - chosen) ? one : best);
    if (row) made.push(shape("line", { class: "here", x1: xOf(row.at_ms), x2: xOf(row.at_ms), y1: TOP, y2: y(0) }));
    svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    svg.setAttribute("aria-label", `${title}, ${unit}: ${texts(rows.at(-1))} now, at most ${shown(top)} since ${clock(rows[0].at_ms)}`);
    svg.replaceChildren(...made);
    said.textContent = row ? `${clock(row.at_ms)}: ${texts(row)} ${unit}` : `${day(to)}, your clock`;
  }

  svg.addEventListener("pointermove", (event) => {
    if (!rows.length) return;
    const [from, to] = spread(), box = svg.getBoundingClientRect();
    chosen = from + (to - from) * ((event.clientX - box.left) * width / box.width - LEFT) / (width - LEFT - RIGHT);
    draw();
  });
  svg.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by || !rows.length) return;
    event.preventDefault();
    const at = chosen === null ? rows.length : rows.findIndex((row) => row.at_ms >= chosen);
    chosen = rows[Math.min(rows.length - 1, Math.max(0, (at < 0 ? rows.length - 1 : at) + by))].at_ms;
    draw();
  });
  for (const left of ["pointerleave", "blur"]) svg.addEventListener(left, () => { chosen = null; draw(); });
  save.addEventListener("click", () => {
    const lines = rows.map((row) => [new Date(row.at_ms).toISOString(), ...series.map((one) => row[one.field])].join(","));
    const csv = [["time", ...series.map((one) => one.field)].join(","), ...lines, ""].join("\n");
    const link = element("a", { href: URL.createObjectURL(new Blob([csv], { type: "text/csv" })), download: file });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
  new ResizeObserver(draw).observe(figure);
  return (given) => {
    rows = given;
    draw();
  };
}
