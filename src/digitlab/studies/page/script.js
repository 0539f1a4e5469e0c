"use strict";
// Switches variants on and off, and says the values at a point: by pointing, or by the slider.
const data = JSON.parse(document.getElementById("data").textContent);
const names = new Map();
for (const box of document.querySelectorAll("[data-switch]")) {
  const number = Number(box.dataset.switch);
  names.set(number, box.parentElement.childNodes[2].textContent.trim());
  box.addEventListener("change", () => {
    for (const one of document.querySelectorAll(`.variant[data-number="${number}"]`)) {
      one.classList.toggle("off", !box.checked);
    }
    for (const chart of document.querySelectorAll(".chart")) chart.dispatchEvent(new Event("again"));
  });
}
const isOn = (number) => document.querySelector(`[data-switch="${number}"]`).checked;
const single = document.querySelector("[data-single]");
if (single) {
  single.addEventListener("change", () => document.body.classList.toggle("singly", single.checked));
}

// As each language writes brackets.
const [OPEN, CLOSE] = document.documentElement.lang.startsWith("zh") ? ["（", "）"] : [" (", ")"];

const POINTS = 100; // of the slider, from 0 to the end of the longest line

function nearest(values, wanted) {
  let found = 0;
  for (let at = 1; at < values.length; at += 1) {
    if (Math.abs(values[at] - wanted) <= Math.abs(values[found] - wanted)) found = at;
  }
  return found;
}

function said(line, x) {
  const point = nearest(line.x, x);
  const range = line.range && line.range[point].every(Boolean) ? `${OPEN}${line.range[point].join(" – ")}${CLOSE}` : "";
  return `${line.mean[point] ?? "–"}${range}`;
}

for (const chart of document.querySelectorAll(".chart")) {
  const { span, high, whole, lines } = data.charts[chart.id];
  const svg = chart.querySelector("svg");
  const here = chart.querySelector(".here");
  const slider = chart.querySelector("input[type=range]");
  const values = chart.querySelector("output");
  const drawn = lines.filter((line) => line.x.length);
  if (!drawn.length) continue;
  let shown = high;

  const show = (x) => {
    shown = x;
    const at = span[0] + ((span[1] - span[0]) * x) / high;
    here.setAttribute("x1", at);
    here.setAttribute("x2", at);
    svg.classList.add("at");
    const written = x.toLocaleString(document.documentElement.lang, { maximumSignificantDigits: whole ? 12 : 3 });
    values.replaceChildren(`${written}: `);
    const all = [];
    for (const line of drawn) {
      if (!isOn(line.number) || x < line.x[0]) continue; // it has no value there yet
      const name = document.createElement("b");
      name.className = `c${line.number % data.colours}`;
      name.textContent = names.get(line.number);
      const text = said(line, x); // after its end: its last
      values.append(all.length ? "  ·  " : "", name, ` ${text}`);
      all.push(`${names.get(line.number)} ${text}`);
    }
    slider.setAttribute("aria-valuetext", `${written}: ${all.join("; ")}`);
  };
  const place = (part) => (whole ? Math.round(part * high) : part * high);

  const points = whole ? Math.min(POINTS, high) : POINTS;
  slider.max = String(points);
  slider.value = slider.max;
  slider.parentElement.hidden = false;
  show(high);
  slider.addEventListener("input", () => show(place(Number(slider.value) / points)));
  const point = (event) => {
    const box = svg.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
    const part = (Math.min(Math.max(at, span[0]), span[1]) - span[0]) / (span[1] - span[0]);
    slider.value = String(Math.round(part * points));
    show(place(part));
  };
  svg.addEventListener("pointermove", point);
  svg.addEventListener("pointerdown", point);
  chart.addEventListener("again", () => show(shown));
}
