"""The pages: which template is filled with what of the published copy.

Belongs here: what each page needs. Not here: addresses and what is refused (app.py), queries (songs.py, knobs.py).
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from jinja2 import ChoiceLoader, PackageLoader

from ml.charts import CHARTS, Chart
from ml.charts.style import BLUE, FEATURES, THEMES, Drawing, NothingToDraw, bars_by_genre, template
from ml.clusters import standardised_means
from ml.dataset import ModelError
from ml.report import drawn_entry, environment, script_json
from warehouse.features import AUDIO_FEATURES
from web import knobs, songs
from web.dropped import Dropped
from web.published import Snapshot

BARS = 25
NAMES = {"song_name": "the title", "release_year": "the release year", "album_name": "the album"}
"""What a model may read beside the sound, by its column."""
_environment = environment()
_environment.loader = ChoiceLoader([PackageLoader("web"), PackageLoader("ml")])
_environment.filters["script_json"] = script_json
_TEMPLATES = script_json({theme: template(theme) for theme in THEMES})

_COUNTS = Chart(
    key="counts",
    section="",
    name="Genres of the songs",
    how_to_read="Each song counts for the genre that the model finds most probable.",
    rows="n = {n:,} songs",
    query="",
    draw=lambda table: Drawing(
        f"Most sound like {table['genre'].iloc[0]}",
        bars_by_genre(
            table, "songs", axis="songs", text=[f"{count:,}" for count in table["songs"]],
            hover=[f"{genre}: {count:,}" for genre, count in zip(table["genre"], table["songs"], strict=True)],
        ),
    ),
    count=lambda table: int(table["songs"].sum()),
)  # fmt: skip


def theme_css() -> str:
    """The colours of both themes, as the report has them."""
    names = "".join(
        f"--{name}: light-dark({colour}, {THEMES['dark'][name]});" for name, colour in THEMES["light"].items()
    )
    return f":root {{ {names} --bar: {BLUE}; }}\n"


def render(name: str, snapshot: Snapshot | None, **values: Any) -> str:
    """A page; `snapshot` says whose data it shows, None where nothing is published."""
    return _environment.get_template(name).render(
        copy=snapshot, synthetic=bool(snapshot and snapshot.is_synthetic), templates=_TEMPLATES, **values
    )


def search_page(snapshot: Snapshot, query: str) -> str:
    """Look for a song."""
    found = songs.search(snapshot, query)
    return render("search.html", snapshot, query=query, found=found, place="search")


def song_page(snapshot: Snapshot, track_id: str, *, same_artist: bool) -> str | None:
    """One song; None where there is none of that id."""
    song = songs.song(snapshot, track_id)
    if song is None:
        return None
    recorded = songs.predictions_of(snapshot, track_id)
    guesses, part, missing = recorded, recorded[0]["part"] if recorded else "", ""
    genre_set = songs.set_of(snapshot, track_id)
    if not recorded:
        try:
            heard = knobs.hear(snapshot, song, song, song)
            guesses, genre_set = heard["genres"][:5], heard["set"]
        except ModelError as error:
            missing = _first_line(error)
    genre = song["genre"] or (guesses[0]["genre"] if guesses else None)
    return render(
        "song.html", snapshot, song=song, guesses=guesses, genre_set=genre_set, missing=missing, place="search",
        learnt=songs.PART_WORDS.get(part or "", "The model was made of other songs, and has not learnt this one."),
        genres=songs.genres_of(snapshot, track_id), genre=genre, same_artist=same_artist,
        profile=songs.profile(snapshot, genre, song) if genre else [],
        nearest=songs.nearest(snapshot, song["row"], same_artist=same_artist),
    )  # fmt: skip


def start_of(snapshot: Snapshot, given: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Where the knobs stood before they were turned: at a song's features or the middle of all; and the song."""
    base = knobs.middle(snapshot)
    song = songs.song(snapshot, given["song"]) if given.get("song") else None
    known = {name: song[name] for name in AUDIO_FEATURES if song and song[name] is not None}
    return base | known, song


def knobs_page(snapshot: Snapshot, given: Mapping[str, str]) -> str:
    """The knobs as an address has them. Raises `BadValue`."""
    base, song = start_of(snapshot, given)
    values = knobs.read_values(given, base)
    heard, missing = None, ""
    try:
        heard = knobs.hear(snapshot, values, base, song)
    except ModelError as error:
        missing = _first_line(error)
    useless = knobs.known_of_none(snapshot)
    unknown = [name for name in AUDIO_FEATURES if song and song[name] is None and name not in useless]
    words = {"unknown": [FEATURES[name][0] for name in unknown], "useless": [FEATURES[name][0] for name in useless]}
    return render(
        "knobs.html", snapshot, knobs=knobs.knobs(), values=values, base=base, song=song, heard=heard,
        missing=missing, typical=knobs.typical(snapshot), names=NAMES, place="knobs", **words,
    )  # fmt: skip


def file_page(snapshot: Snapshot, file: Dropped | None) -> str:
    """Drop a file, or what became of one."""
    missing = "" if snapshot.model_path else snapshot.finding
    result = file.result if file else None
    chart = None
    if result and result.get("genres"):
        counts = pd.DataFrame(result["genres"][:BARS], columns=["genre", "songs"]).assign(family="")
        chart = drawn_entry(_COUNTS, counts, snapshot.is_synthetic)
    error = result.get("error", "") if result else ""
    return render(
        "file.html", snapshot, file=file, result=result, error=error, chart=chart, missing=missing, place="file"
    )


def map_page(snapshot: Snapshot) -> str:
    """The genre map, as the report draws it, and all genres as a list."""
    listed = songs.genres(snapshot)
    return render("map.html", snapshot, chart=snapshot.once("map", _map), genres=listed, place="map")


def _map(snapshot: Snapshot) -> dict[str, Any]:
    chart = next(chart for chart in CHARTS if chart.key == "map")
    found = pd.DataFrame(snapshot.rows(chart.query), columns=["genre", "feature", "mean", "tracks"])
    try:
        return drawn_entry(chart, chart.prepare(found), snapshot.is_synthetic)
    except NothingToDraw as error:
        return {"key": "map", "name": chart.name, "missing": str(error)}


def genre_page(snapshot: Snapshot, genre: str) -> str | None:
    """One genre; None where no song has it."""
    found = [row for row in songs.genres(snapshot) if row["genre"] == genre]
    if not found:
        return None
    return render(
        "genre.html", snapshot, genre=genre, tracks=found[0]["tracks"], profile=songs.profile(snapshot, genre),
        typical=songs.typical_songs(snapshot, genre), confusions=songs.confusions(snapshot, genre),
        coverage=songs.coverage(snapshot, genre),
        alike=snapshot.once("alike", _alike).get(genre, []), place="map",
    )  # fmt: skip


def _alike(snapshot: Snapshot) -> dict[str, list[str]]:
    """For each genre the five that sound most like it."""
    chart = snapshot.rows("select genre, feature, mean from marts.genre_summary")
    means = standardised_means(pd.DataFrame(chart, columns=["genre", "feature", "mean"]))
    return {
        str(genre): [
            str(name) for name in ((means - row) ** 2).sum(axis=1).sort_values(kind="stable").index if name != genre
        ][:5]
        for genre, row in means.iterrows()
    }


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
