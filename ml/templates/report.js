// Draws each chart when it comes into view, draws it anew when another genre is chosen, and follows light and dark.
"use strict";

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function themed(layout) {
  const themed = { ...layout, font: { color: colour("--ink"), family: "inherit" } };
  for (const key of Object.keys(themed)) {
    if (/^[xy]axis\d*$/.test(key)) themed[key] = { ...themed[key], gridcolor: colour("--line"), linecolor: colour("--line") };
  }
  themed.xaxis = { gridcolor: colour("--line"), ...themed.xaxis };
  themed.yaxis = { gridcolor: colour("--line"), ...themed.yaxis };
  return themed;
}

function draw(chart) {
  const figures = chart.figures ??= JSON.parse(chart.querySelector("script").textContent);
  const input = chart.querySelector("input");
  const choice = input ? input.value : "";
  const figure = figures.choices[choice];
  if (input) chart.querySelector(".unknown").textContent = figure ? "" : "There is no such genre; choose one from the list.";
  if (!figure) return;
  const layout = themed({ ...figures.layout, ...figure.layout });
  Plotly.react(chart.querySelector(".plot"), figure.data, layout, { responsive: true, displaylogo: false });
  chart.dataset.drawn = choice || "yes";
}

const charts = [...document.querySelectorAll(".chart")];
const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    seen.unobserve(entry.target);
    draw(entry.target);
  }
}, { rootMargin: "600px" });

for (const chart of charts) {
  const input = chart.querySelector("input");
  if (input) {
    input.addEventListener("change", () => draw(chart));
    input.addEventListener("focus", () => input.select());
  }
  seen.observe(chart);
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const chart of charts) if (chart.dataset.drawn) draw(chart);
});
