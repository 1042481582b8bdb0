// Draws each chart when it comes into view, and anew when a choice, a search, the theme or the width changes.
"use strict";

const root = document.documentElement;
const systemDark = matchMedia("(prefers-color-scheme: dark)");
const narrowScreen = matchMedia("(max-width: 40rem)");
const charts = [...document.querySelectorAll(".chart")];
let templates;

const isDark = () => (root.dataset.theme ?? (systemDark.matches ? "dark" : "light")) === "dark";
const isPlain = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

// A copy of `base` with what `part` says; lists are taken whole, but a part for numbered traces ({"0": …}) goes into a list.
function merged(base, part) {
  if (Array.isArray(base) && isPlain(part)) return base.map((item, place) => merged(item, part[place]));
  if (!isPlain(base) || !isPlain(part)) return part === undefined ? base : part;
  const result = { ...base };
  for (const [key, value] of Object.entries(part)) result[key] = merged(base[key], value);
  return result;
}

// The rows whose genre or family has the words; every list as long as the genres loses the same places.
function searched(figure, words) {
  const wanted = words.trim().toLowerCase();
  if (!wanted) return figure;
  const plain = (name) => String(name).replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&").toLowerCase();
  const names = new Set();
  const data = figure.data.map((trace) => {
    const family = plain(trace.name ?? "").includes(wanted);
    const kept = trace.y.map((name) => plain(name).includes(wanted) || family);
    trace.y.forEach((name, place) => { if (kept[place]) names.add(name); });
    const sift = (value) => {
      if (Array.isArray(value)) return value.length === kept.length ? value.filter((_, place) => kept[place]) : value;
      if (!isPlain(value)) return value;
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, sift(inner)]));
    };
    return sift(trace);
  });
  const order = figure.layout.yaxis.categoryarray.filter((name) => names.has(name));
  const layout = merged(figure.layout, { height: 80 + 19 * Math.max(order.length, 3), yaxis: { categoryarray: order } });
  return { data: data.filter((trace) => trace.y.length), layout, found: order.length };
}

function draw(chart) {
  templates ??= JSON.parse(document.getElementById("templates").textContent);
  const source = (chart.source ??= JSON.parse(chart.querySelector("script").textContent));
  const input = chart.querySelector(".choice");
  const found = chart.querySelector(".found");
  const choice = input?.value;
  const part = input ? source.choices[choice] : {};
  if (found) found.textContent = "";
  if (!part) {
    found.textContent = "There is none of that name here; choose one from the list.";
    return;
  }
  let figure = merged({ data: source.data, layout: source.layout }, { data: part.data ?? {}, layout: part.layout ?? {} });
  if (narrowScreen.matches) figure = merged(figure, source.narrow);
  const words = chart.querySelector(".search")?.value ?? "";
  figure = searched(figure, words);
  if (figure.found !== undefined) {
    found.textContent = figure.found ? `${figure.found} found` : "No genre and no family has these words in its name.";
  }
  for (const family of chart.querySelectorAll("button.family")) {
    family.setAttribute("aria-pressed", String(family.textContent === words));
  }
  const title = part.title ?? chart.querySelector("h3").textContent;
  chart.querySelector("h3").textContent = title;
  const layout = {
    ...figure.layout,
    template: templates[isDark() ? "dark" : "light"],
    font: { family: getComputedStyle(document.body).fontFamily },
    dragmode: narrowScreen.matches ? false : figure.layout.dragmode,
  };
  const config = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"] };
  chart.querySelector(".plot").style.minHeight = `${layout.height}px`;
  const done = Plotly.react(chart.querySelector(".plot"), figure.data, layout, config);
  Promise.resolve(done).then(() => { chart.dataset.drawn = choice ?? "yes"; });
}

const redraw = () => charts.filter((chart) => chart.dataset.drawn).forEach(draw);

function watch() {
  const inView = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      inView.unobserve(entry.target);
      draw(entry.target);
    }
  }, { rootMargin: "400px" });
  for (const chart of charts) {
    inView.observe(chart);
    const choice = chart.querySelector(".choice");
    choice?.addEventListener("change", () => draw(chart));
    // A list shows only what fits the words in the box: an empty box shows all.
    if (choice?.list) {
      choice.addEventListener("focus", () => { choice.dataset.last = choice.value; choice.select(); });
      choice.addEventListener("blur", () => { if (!choice.value) { choice.value = choice.dataset.last; draw(chart); } });
    }
    const search = chart.querySelector(".search");
    search?.addEventListener("input", () => draw(chart));
    for (const family of chart.querySelectorAll("button.family")) {
      family.addEventListener("click", () => {
        search.value = search.value === family.textContent ? "" : family.textContent;
        draw(chart);
      });
    }
  }
  addEventListener("beforeprint", () => charts.forEach(draw));
  systemDark.addEventListener("change", redraw);
  narrowScreen.addEventListener("change", redraw);
}

function followContents() {
  const contents = document.querySelector(".contents");
  const wide = matchMedia("(min-width: 62.01rem)");
  const fold = () => { contents.open = wide.matches; };
  wide.addEventListener("change", fold);
  fold();
  const links = new Map([...document.querySelectorAll("nav ol ol a")].map((link) => [link.hash.slice(1), link]));
  const here = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(entry.target.id)?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-20% 0px -70% 0px" });
  for (const id of links.keys()) here.observe(document.getElementById(id));
}

function offerThemes() {
  const button = document.querySelector(".theme");
  const names = [undefined, "light", "dark"];
  const show = (theme) => {
    if (theme) root.dataset.theme = theme; else delete root.dataset.theme;
    button.querySelector("span").textContent = theme ?? "as the system";
  };
  try { show(localStorage.getItem("theme") ?? undefined); } catch { /* a page from disk may have no storage */ }
  button.hidden = false;
  button.addEventListener("click", () => {
    const theme = names[(names.indexOf(root.dataset.theme) + 1) % names.length];
    show(theme);
    try { if (theme) localStorage.setItem("theme", theme); else localStorage.removeItem("theme"); } catch { /* as above */ }
    redraw();
  });
}

offerThemes();
followContents();
addEventListener("DOMContentLoaded", watch);
