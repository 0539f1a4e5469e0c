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

function nearest(values, wanted) {
  let found = 0;
  for (let at = 1; at < values.length; at += 1) {
    if (Math.abs(values[at] - wanted) <= Math.abs(values[found] - wanted)) found = at;
  }
  return found;
}

for (const chart of document.querySelectorAll(".chart")) {
  const { span, high, lines } = data.charts[chart.id];
  const svg = chart.querySelector("svg");
  const here = chart.querySelector(".here");
  const slider = chart.querySelector("input[type=range]");
  const values = chart.querySelector("output");
  const longest = lines.reduce((best, one) => (one.x.length > best.length ? one.x : best), []);
  if (!longest.length) continue;
  let shown = longest.at(-1);

  const show = (x) => {
    shown = x;
    const at = span[0] + ((span[1] - span[0]) * x) / high;
    here.setAttribute("x1", at);
    here.setAttribute("x2", at);
    svg.classList.add("at");
    values.replaceChildren(x.toLocaleString(document.documentElement.lang, { maximumFractionDigits: 1 }) + ": ");
    const said = [];
    for (const line of lines) {
      if (!isOn(line.number) || !line.x.length || line.x.at(-1) < x * 0.98) continue;
      const point = nearest(line.x, x);
      const range = line.range && line.range[point].every(Boolean) ? ` (${line.range[point].join(" – ")})` : "";
      const name = document.createElement("b");
      name.className = `c${line.number % data.colours}`;
      name.textContent = names.get(line.number);
      const text = `${line.mean[point] ?? "–"}${range}`;
      values.append(said.length ? "  ·  " : "", name, ` ${text}`);
      said.push(`${names.get(line.number)} ${text}`);
    }
    slider.setAttribute("aria-valuetext", `${x}: ${said.join("; ")}`);
  };

  slider.max = String(longest.length - 1);
  slider.value = slider.max;
  slider.parentElement.hidden = false;
  show(longest.at(-1));
  slider.addEventListener("input", () => show(longest[Number(slider.value)]));
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
    const x = (Math.min(Math.max(at, span[0]), span[1]) - span[0]) / (span[1] - span[0]) * high;
    const point = nearest(longest, x);
    slider.value = String(point);
    show(longest[point]);
  });
  chart.addEventListener("again", () => show(shown));
}
