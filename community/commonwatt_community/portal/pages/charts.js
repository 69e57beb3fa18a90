// SPDX-License-Identifier: Apache-2.0
// Charts as SVG: each with a title, its unit, a legend and the same figures as a table. No dependency.

const NS = "http://www.w3.org/2000/svg";
const HEIGHT = 190, LEFT = 44, BOTTOM = 22, TOP = 10;
let numbers = 0;

const shape = (name, attributes, ...inside) => {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...inside);
  return made;
};

export const element = (name, attributes = {}, ...inside) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...inside);
  return made;
};

const mark = (kind, line) => shape("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" },
  line ? shape("path", { class: `steps ${kind}`, d: "M0 5h10" }) : shape("rect", { class: kind, width: 10, height: 10 }));

function caption(title, unit) {
  return element("figcaption", {}, title, element("small", {}, unit));
}

function asTable(title, words, heads, rows) {
  const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)));
  const body = rows.map(([first, ...rest]) => element("tr", {}, element("th", { scope: "row" }, first), ...rest.map((text) => element("td", {}, text))));
  const table = element("table", {}, element("caption", { class: "away" }, title), element("thead", {}, head), element("tbody", {}, ...body));
  return element("details", {}, element("summary", {}, words.as_table), element("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": title }, table));
}

// Steps of 1, 2, 2.5 or 5 times a power of ten: at most `most` of them up to `top`.
function stepOf(top, most = 4) {
  const rough = top / most, power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 2.5, 5, 10].map((times) => times * power).find((step) => step >= rough);
}

// Draw into a figure, and again when its width changes; what is open stays open, and the focus stays where it is.
function drawn(figure, draw, parts) {
  const open = figure.querySelector("details")?.open;
  const focused = figure.querySelector("details")?.contains(document.activeElement);
  const svg = shape("svg", { role: "img", "aria-labelledby": `chart-${++numbers}` });
  const title = shape("title", { id: `chart-${numbers}` }, parts.label);
  figure.replaceChildren(parts.caption, svg, parts.legend, ...(parts.table ? [parts.table] : []));
  if (open) parts.table.open = true;
  if (focused) parts.table.querySelector("summary").focus();
  const again = () => {
    const width = figure.querySelector("svg").clientWidth || 600;
    svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    svg.setAttribute("height", HEIGHT);
    svg.replaceChildren(title, ...draw(width));
  };
  figure.watched?.disconnect();
  figure.watched = new ResizeObserver(again);
  figure.watched.observe(figure);
  again();
}

const legend = (series, line) => element("ul", { class: "legend" }, ...series.map((one) => element("li", {}, mark(one.kind, line), one.name)));

// Stacked bars: series with `down` hang below the line. Values are numbers in the unit of the chart.
export function bars(figure, { title, unit, labels, places, series, words, heading, shown, between = 1 }) {
  const used = series.filter((one) => one.values.some((value) => value));
  const sums = (down) => labels.map((_, at) => used.filter((one) => !!one.down === down).reduce((sum, one) => sum + one.values[at], 0));
  const top = Math.max(0.001, ...sums(false)), low = Math.max(0, ...sums(true));
  const step = stepOf(Math.max(top, low));
  const ceiling = Math.ceil(top / step) * step, floor = Math.ceil(low / step) * step;
  const draw = (width) => {
    const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (ceiling - value) / (ceiling + floor);
    const slot = (width - LEFT) / places.length, made = [];
    for (let value = -floor; value <= ceiling + step / 2; value += step) {
      made.push(shape("line", { class: Math.abs(value) < step / 2 ? "axis" : "rule", x1: LEFT, x2: width, y1: y(value), y2: y(value) }));
      made.push(shape("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, shown(Math.abs(value))));
    }
    const every = Math.ceil(26 / slot) * between;
    places.forEach((place, number) => {
      if (number % every === 0) made.push(shape("text", { x: LEFT + slot * (number + 0.5), y: HEIGHT - 4, "text-anchor": "middle" }, String(place)));
      const at = labels.indexOf(place);
      if (at < 0) return;
      const group = shape("g", {}, shape("title", {}, `${heading} ${place}: ` + used.filter((one) => one.values[at]).map((one) => `${one.name} ${shown(one.values[at])}`).join(", ")));
      let up = 0, down = 0;
      for (const one of used) {
        const value = one.values[at];
        if (!value) continue;
        const from = one.down ? -(down += value) : (up += value);
        const height = Math.abs(y(0) - y(value));
        group.append(shape("rect", { class: one.kind, x: LEFT + slot * number + slot * 0.12, width: Math.max(1, slot * 0.76), y: one.down ? y(from) - height : y(from), height }));
      }
      made.push(group);
    });
    return made;
  };
  const rows = labels.map((label, at) => [String(label), ...used.map((one) => shown(one.values[at]))]);
  const table = asTable(title, words, [heading, ...used.map((one) => one.name)], rows);
  drawn(figure, draw, { caption: caption(title, unit), label: `${title}, ${unit}`, legend: legend(used), table });
}

// Prices as steps in time: spans with `from`, `to` and a value per series; null leaves a gap.
export function steps(figure, { title, unit, spans, series, words, heading, shown, time }) {
  const used = series.filter((one) => spans.some((span) => span[one.name] != null));
  const values = spans.flatMap((span) => used.map((one) => span[one.name]).filter((value) => value != null));
  const step = stepOf(Math.max(0.001, ...values));
  const ceiling = Math.ceil(Math.max(0.001, ...values) / step) * step, floor = Math.min(0, Math.floor(Math.min(0, ...values) / step) * step);
  const first = spans[0].from, last = spans.at(-1).to;
  const draw = (width) => {
    const x = (at) => LEFT + (width - LEFT) * (at - first) / (last - first);
    const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (ceiling - value) / (ceiling - floor);
    const made = [];
    for (let value = floor; value <= ceiling + step / 2; value += step) {
      made.push(shape("line", { class: value ? "rule" : "axis", x1: LEFT, x2: width, y1: y(value), y2: y(value) }));
      made.push(shape("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, shown(value)));
    }
    const every = 3600 * Math.ceil((last - first) / 3600 / Math.max(2, Math.floor((width - LEFT) / 60)));
    for (let at = Math.ceil(first / 3600) * 3600; at < last; at += every)
      if (x(at) < width - 18) made.push(shape("text", { x: x(at), y: HEIGHT - 4, "text-anchor": x(at) < LEFT + 18 ? "start" : "middle" }, time(at)));
    for (const one of used) {
      let d = "", before = null;
      for (const span of spans) {
        const value = span[one.name];
        if (value != null) d += `${before == null ? "M" : "L"}${x(span.from).toFixed(1)} ${y(value).toFixed(1)}H${x(span.to).toFixed(1)}`;
        before = value;
      }
      made.push(shape("path", { class: `steps ${one.kind}`, d }));
    }
    return made;
  };
  const rows = spans.map((span) => [time(span.from), ...used.map((one) => (span[one.name] == null ? "–" : shown(span[one.name])))]);
  const table = asTable(title, words, [heading, ...used.map((one) => one.label)], rows);
  const named = used.map((one) => ({ kind: one.kind, name: one.label }));
  drawn(figure, draw, { caption: caption(title, unit), label: `${title}, ${unit}`, legend: legend(named, true), table });
}

// One bar of parts, with each part's share in words beneath.
export function flow(figure, { title, unit, parts, none, shown }) {
  const used = parts.filter((one) => one.value > 0), whole = used.reduce((sum, one) => sum + one.value, 0);
  figure.classList.add("flow");
  if (!whole) return figure.replaceChildren(caption(title, unit), element("p", { class: "hint" }, none));
  const texts = used.map((one) => `${one.name}: ${shown(one.value)}, ${Math.round(100 * one.value / whole)} %`);
  let at = 0;
  const rects = used.map((one) => { const made = shape("rect", { class: one.kind, x: at, width: 100 * one.value / whole, height: 10 }); at += 100 * one.value / whole; return made; });
  const svg = shape("svg", { viewBox: "0 0 100 10", height: 16, preserveAspectRatio: "none", role: "img", "aria-label": `${title}: ${texts.join("; ")}` }, ...rects);
  figure.replaceChildren(caption(title, unit), svg, element("ul", { class: "legend down" }, ...used.map((one, place) => element("li", {}, mark(one.kind), texts[place]))));
}
