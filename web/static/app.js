// The pages while they are used: search as you type, knobs, files, and clicks on the map. Names are set as text, never as HTML.
"use strict";

const $ = (id) => document.getElementById(id);

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// Calls `work` with the newest input, one call at a time; what comes meanwhile waits, and only the last of it is done.
function newestOnly(work) {
  let busy = false;
  let again = false;
  const go = async () => {
    if (busy) { again = true; return; }
    busy = true;
    do { again = false; await work(); } while (again);
    busy = false;
  };
  return go;
}

async function asked(address, options) {
  try {
    const answer = await fetch(address, options);
    return answer.status === 204 ? {} : await answer.json();
  } catch {
    return { error: "The server does not answer. Does song-genres serve still run?" };
  }
}

function searchAsYouType() {
  const box = $("query");
  if (!box) return;
  const look = newestOnly(async () => {
    const query = box.value;
    const found = await asked(`/api/search?${new URLSearchParams({ q: query })}`);
    history.replaceState(null, "", query ? `/?${new URLSearchParams({ q: query })}` : "/");
    const songs = found.songs ?? [];
    $("count").textContent = found.error ?? (query.trim() ? `${songs.length === 20 ? "The first " : ""}${songs.length} found` : "");
    $("found").firstElementChild.replaceChildren(...songs.map((song) => element("li", {},
      element("a", { className: "song", href: `/song/${encodeURIComponent(song.spotify_track_id)}`, textContent: song.song_name || "(untitled)" }),
      " ", element("span", { className: "quiet", textContent: song.artist_name || "(unknown)" }),
      " ", element("span", { className: "guess", textContent: song.genre ?? "" }))));
  });
  box.addEventListener("input", look);
}

function turnKnobs() {
  const form = $("knobs");
  if (!form) return;
  const { knobs, base, typical, values } = JSON.parse($("knob-data").textContent);
  const state = { ...values };
  const inputs = new Map(knobs.map((knob) => [knob.feature, $(`knob-${knob.feature}`)]));
  const like = $("like");
  const firstGuess = () => $("guesses").querySelector("a, span")?.textContent;

  const shown = (knob, value) => {
    if (knob.names) return knob.names[Math.round(value) - knob.low] ?? value;
    const number = value * knob.factor;
    return `${knob.unit === "0 to 1" ? number.toFixed(2) : number.toFixed(knob.step === "1" ? 0 : 1)} ${knob.unit === "0 to 1" ? "" : knob.unit}`.trim();
  };
  const showKnob = (knob, genre) => {
    const input = inputs.get(knob.feature);
    const text = shown(knob, state[knob.feature]);
    input.previousElementSibling.previousElementSibling.textContent = text;
    input.setAttribute("aria-valuetext", text);
    const band = typical[genre]?.[knob.feature];
    const rect = input.previousElementSibling.firstElementChild;
    const place = (value) => Math.min(Math.max((value - knob.low) / (knob.high - knob.low), 0), 1) * 100;
    rect.setAttribute("x", band ? place(band[0]) : 0);
    rect.setAttribute("width", band ? Math.max(place(band[1]) - place(band[0]), 1) : 0);
  };
  const showAll = (genre) => {
    knobs.forEach((knob) => showKnob(knob, genre));
    $("band-genre").textContent = genre ?? "the first genre";
  };
  const address = () => {
    const query = new URLSearchParams();
    if (form.dataset.song) query.set("song", form.dataset.song);
    for (const knob of knobs) if (state[knob.feature] !== base[knob.feature]) query.set(knob.feature, String(state[knob.feature]));
    return query;
  };
  const hear = newestOnly(async () => {
    const query = address();
    const heard = await asked(`/api/predict?${query}`);
    history.replaceState(null, "", query.size ? `/knobs?${query}` : "/knobs");
    $("problem").hidden = !heard.error;
    $("problem").textContent = heard.error ?? "";
    if (heard.error) return;
    $("guesses").replaceChildren(...heard.genres.map(({ genre, probability }) => {
      const meter = element("meter", { min: 0, max: 1, value: probability });
      meter.setAttribute("aria-label", `Probability of ${genre}`);
      const name = like.length > 1 ? element("a", { href: `/genre/${encodeURIComponent(genre)}` }) : element("span");
      name.textContent = genre;
      return element("li", {}, name, " ", meter, " ",
        element("span", { className: "sure", textContent: `${(probability * 100).toFixed(1)}%` }));
    }));
    $("moved").replaceChildren(...heard.moved.map(({ name, change }) =>
      element("li", { textContent: `${name}: ${change < 0 ? "" : "+"}${(change * 100).toFixed(1)} points` })));
    const among = heard.set.length > 1 ? `these ${heard.set.length}` : "this one";
    const more = heard.set.length > 12 ? ` and ${heard.set.length - 12} more` : "";
    $("set").textContent = heard.set.length ? `Nine times in ten the right genre is among ${among}: ${heard.set.slice(0, 12).join(", ")}${more}.` : "";
    $("said").textContent = `${heard.genres[0].genre}, ${Math.round(heard.genres[0].probability * 100)} percent`;
    showAll(like.value || heard.genres[0].genre);
    form.dataset.heard = String(query);
  });
  const setAll = (wanted) => {
    for (const knob of knobs) {
      if (wanted[knob.feature] === undefined) continue;
      state[knob.feature] = wanted[knob.feature];
      inputs.get(knob.feature).value = state[knob.feature];
    }
    hear();
  };
  for (const knob of knobs) {
    inputs.get(knob.feature).addEventListener("input", (event) => {
      // Four decimals are finer than a finger, and keep the address short; ms are whole.
      state[knob.feature] = Number(Number(event.target.value).toFixed(knob.high > 1000 ? 0 : 4));
      showKnob(knob, like.value || firstGuess());
      hear();
    });
  }
  const soundLike = (genre) => setAll(Object.fromEntries(Object.entries(typical[genre] ?? {}).map(([name, band]) => [name, band[2]])));
  like.addEventListener("change", () => soundLike(like.value));
  $("back").addEventListener("click", () => { like.value = ""; setAll(base); });
  form.addEventListener("submit", (event) => event.preventDefault());
  const asGenre = new URLSearchParams(location.search).get("like");
  if (asGenre && typical[asGenre]) { like.value = asGenre; soundLike(asGenre); }
  showAll(like.value || firstGuess());
}

function dropFiles() {
  const waiting = $("waiting");
  if (waiting) watch(waiting.dataset.token);
  $("remove")?.addEventListener("click", async (event) => {
    await asked(`/api/files/${event.target.dataset.token}`, { method: "DELETE" });
    location.assign("/file");
  });
  const area = $("drop");
  if (!area) return;
  const fail = (words) => {
    $("progress").textContent = "";
    $("problem").hidden = false;
    $("problem").textContent = words;
  };
  async function watch(token) {
    for (;;) {
      const state = await asked(`/api/files/${token}`);
      if (state.error) return fail(state.error);
      if (state.is_done) return location.replace(`/file/${token}`);
      $("progress").textContent = state.songs ? `${state.songs.toLocaleString("en")} songs scored …` : "Reading …";
      await new Promise((done) => setTimeout(done, 300));
    }
  }
  function send(file) {
    if (!file) return;
    $("problem").hidden = true;
    const request = new XMLHttpRequest(); // fetch does not tell how much has been sent
    request.upload.addEventListener("progress", (event) => {
      $("progress").textContent = `Sending: ${Math.round((event.loaded / event.total) * 100)}%`;
    });
    request.addEventListener("load", () => {
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch { /* told below */ }
      if (!answer.token) return fail(answer.error ?? "The file was not taken.");
      history.pushState(null, "", `/file/${answer.token}`);
      watch(answer.token);
    });
    request.addEventListener("error", () => fail("The file was not taken: it may be too large, or the server is gone."));
    request.open("POST", `/api/files?${new URLSearchParams({ name: file.name })}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.send(file);
  }
  $("file").addEventListener("change", (event) => send(event.target.files[0]));
  for (const kind of ["dragenter", "dragover"]) {
    area.addEventListener(kind, (event) => { event.preventDefault(); area.classList.add("over"); });
  }
  area.addEventListener("dragleave", () => area.classList.remove("over"));
  area.addEventListener("drop", (event) => {
    event.preventDefault();
    area.classList.remove("over");
    send(event.dataTransfer.files[0]);
  });
}

function openGenresFromTheMap() {
  const chart = $("map");
  if (!chart?.matches(".chart")) return;
  const plain = (name) => name.replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&");
  new MutationObserver((_, observer) => {
    if (!chart.dataset.drawn) return;
    observer.disconnect();
    chart.querySelector(".plot").on("plotly_click", ({ points }) => {
      if (points[0]?.customdata) location.assign(`/genre/${encodeURIComponent(plain(points[0].customdata))}`);
    });
  }).observe(chart, { attributes: true, attributeFilter: ["data-drawn"] });
}

searchAsYouType();
turnKnobs();
dropFiles();
openGenresFromTheMap();
