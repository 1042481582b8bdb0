"""What is asked of the published songs: by words, one of them, those that sound like it, and a genre.

Belongs here: queries of a snapshot, and what they give as plain values. Not here: the model (knobs.py) and pages.
"""

from typing import Any

import numpy as np

from ml.charts.style import FEATURES
from warehouse.features import AUDIO_FEATURES, feature_bins
from web.published import Snapshot

FOUND = 20
WORDS = 8
LONGEST_QUERY = 200
NEAREST = 10
CANDIDATES = 1_000
TYPICAL = 10
PART_WORDS = {
    "train": "The model has learnt this very song, so its guess says little about how good it is.",
    "held_out": "The model has not learnt this song: it was held out to measure how good the model is.",
    "set_aside": "The model has not learnt this song: it was set aside, since it is linked to a held-out one.",
    "unseen": "The model has not learnt this song: it was no part of that run.",
}
"""What the model's run did with a song, by `ml.genre_predictions.part`."""
KEYS = ("unknown", "C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")


def search(snapshot: Snapshot, text: str, limit: int = FOUND) -> list[dict[str, Any]]:
    """The songs whose title and artist have all the words of `text`, in any case and accents.

    Those that begin with the text come first, then the most popular. The keys are spotify_track_id, song_name,
    artist_name and genre.
    """
    words = text[:LONGEST_QUERY].split()[:WORDS]
    if not words:
        return []
    # A constant is folded; the same function on both sides, so that nothing is plain here and accented there.
    wanted = {f"word_{place}": word for place, word in enumerate(words)}
    has_all = " and ".join(f"contains(words, strip_accents(lower(${name})))" for name in wanted)
    return snapshot.songs(
        f"""
        select spotify_track_id, song_name, artist_name, genre from memory.main.songs where {has_all}
        order by starts_with(words, strip_accents(lower($beginning))) desc, row limit {int(limit)}
        """,
        wanted | {"beginning": " ".join(words)},
    )


def song(snapshot: Snapshot, track_id: str) -> dict[str, Any] | None:
    """A song's row of `memory.songs`, with release_year and album_name; None where there is none of that id."""
    found = snapshot.songs("select * exclude (words) from memory.main.songs where spotify_track_id = ?", [track_id])
    if not found:
        return None
    details = snapshot.may_have(
        "select release_year, album_name from marts.track_details where spotify_track_id = ?", [track_id]
    )
    return found[0] | (details[0] if details else {"release_year": None, "album_name": None})


def genres_of(snapshot: Snapshot, track_id: str) -> list[dict[str, Any]]:
    """The genres under which a song is listed: genre, listings, and is_kept for the one that the model is told."""
    return snapshot.may_have(
        "select genre, listings, is_kept from marts.track_genres where spotify_track_id = ? "
        "order by is_kept desc, listings desc, genre",
        [track_id],
    )


def predictions_of(snapshot: Snapshot, track_id: str) -> list[dict[str, Any]]:
    """The recorded guesses for a song, most probable first: genre, probability, and part (None for another's model)."""
    return snapshot.may_have(
        "select genre, probability, part from ml.genre_predictions where spotify_track_id = ? order by rank", [track_id]
    ) or snapshot.may_have(
        "select genre, probability, null as part from ml.song_predictions where spotify_track_id = ? order by rank",
        [track_id],
    )


def set_of(snapshot: Snapshot, track_id: str) -> list[str]:
    """The genres among which a song's own is nine times in ten, most probable first; none where it has no set."""
    found = snapshot.may_have("select genres from ml.genre_sets where spotify_track_id = ?", [track_id])
    return list(found[0]["genres"]) if found else []


def nearest(snapshot: Snapshot, row: int, *, same_artist: bool = False) -> list[dict[str, Any]]:
    """The songs at the smallest distance over the standardised features, with `distance`.

    Unless `same_artist`, none shares an artist with the song.
    """
    sounds, _ = snapshot.sounds
    found = _closest(snapshot, sounds[row], CANDIDATES)
    found.pop(row, None)
    return _listed(snapshot, found, NEAREST, None if same_artist else row)


def _closest(snapshot: Snapshot, sound: np.ndarray, number: int, among: np.ndarray | None = None) -> dict[int, float]:
    """Rows and distances of the `number` songs closest to a sound, nearest first; `among` keeps to these rows."""
    sounds, squares = snapshot.sounds
    if among is not None:
        sounds, squares = sounds[among], squares[among]
    distances = squares - 2 * (sounds @ sound) + sound @ sound
    number = min(number, len(distances))
    first = np.argpartition(distances, number - 1)[:number] if number else np.array([], int)
    first = first[np.lexsort((first, distances[first]))]
    rows = first if among is None else among[first]
    return {int(row): float(max(distances[place], 0) ** 0.5) for row, place in zip(rows, first, strict=True)}


def _listed(snapshot: Snapshot, found: dict[int, float], number: int, not_by: int | None) -> list[dict[str, Any]]:
    """The first `number` songs of those found, in order; none that shares an artist with the row `not_by`."""
    others = "true"
    if not_by is not None:
        others = """
            artist_name is distinct from (select artist_name from memory.main.songs where row = $not_by)
            and not exists (
                from marts.track_artists as theirs inner join marts.track_artists as own
                    on coalesce(theirs.artist_id, theirs.artist_name) = coalesce(own.artist_id, own.artist_name)
                where theirs.spotify_track_id = candidates.spotify_track_id
                    and own.spotify_track_id = (select spotify_track_id from memory.main.songs where row = $not_by)
            )
        """
    return snapshot.songs(
        f"""
        with candidates as (
            select row, spotify_track_id, song_name, artist_name, genre, distance
            from memory.main.songs inner join (select unnest($rows) as row, unnest($distances) as distance) using (row)
        )
        select * from candidates where {others} order by distance, row limit {int(number)}
        """,
        {"rows": list(found), "distances": list(found.values())} | ({} if not_by is None else {"not_by": not_by}),
    )


def typical_songs(snapshot: Snapshot, genre: str) -> list[dict[str, Any]]:
    """The genre's songs nearest to its mean sound, with `distance`."""
    rows = snapshot.songs("select row from memory.main.songs where genre = ? order by row", [genre])
    among = np.array([found["row"] for found in rows], dtype=np.int64)
    if not len(among):
        return []
    mean = snapshot.sounds[0][among].mean(axis=0)
    return _listed(snapshot, _closest(snapshot, mean, TYPICAL, among), TYPICAL, None)


def genres(snapshot: Snapshot) -> list[dict[str, Any]]:
    """All genres of the songs, with the number of their tracks, by name."""
    return snapshot.once(
        "genres",
        lambda copy: copy.rows(
            "select genre, count(*) as tracks from marts.clean_tracks where genre is not null "
            "group by genre order by genre"
        ),
    )


def coverage(snapshot: Snapshot, genre: str) -> dict[str, Any] | None:
    """How often a set holds the genre where it is right: coverage, set_size and support; None where that is unknown."""
    run_id = snapshot.run and snapshot.run["run_id"]
    found = snapshot.may_have(
        "select coverage, set_size, support from ml.genre_scores where (run_id, genre) = (?, ?) "
        "and coverage is not null",
        [run_id, genre],
    )
    return found[0] if found else None


def confusions(snapshot: Snapshot, genre: str) -> dict[str, list[dict[str, Any]]]:
    """What the genre's held-out songs are taken for, and what is taken for it: genre, tracks and share, eight each."""
    run_id = snapshot.run and snapshot.run["run_id"]
    taken_for = """
        select {other} as genre, tracks, tracks / (sum(tracks) over ()) as share from ml.confusions
        where run_id = $run_id and {own} = $genre order by tracks desc, 1 limit 8
    """
    return {
        name: snapshot.may_have(taken_for.format(own=own, other=other), {"run_id": run_id, "genre": genre})
        for name, own, other in (
            ("taken_for", "genre", "predicted_genre"), ("taken", "predicted_genre", "genre"),
        )
    }  # fmt: skip


def profile(snapshot: Snapshot, genre: str, values: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Each audio feature in a genre: name, mean and mean_of_all as text, and the outline of its distribution.

    With the `values` of a song also its value as text, `below` (the share of the genre's songs below it, by bins; None
    where unknown) and `place` (0 to 100, where it lies between the first and the last bin).
    """
    bins = snapshot.rows(
        "select feature, bin, tracks, upper_bound from marts.feature_distribution where genre = ? "
        "order by feature, bin",
        [genre],
    )
    means = snapshot.rows("select feature, mean from marts.genre_summary where genre = ?", [genre])
    mean_of = {row["feature"]: row["mean"] for row in means}
    everywhere = snapshot.once("means", _means_of_all)
    entries = []
    for feature in AUDIO_FEATURES:
        own = [row for row in bins if row["feature"] == feature]
        if not own:
            continue
        entry: dict[str, Any] = {
            "feature": feature, "name": FEATURES[feature][0], "mean": shown(feature, mean_of.get(feature)),
            "mean_of_all": shown(feature, everywhere.get(feature)), "outline": _outline(own),
        }  # fmt: skip
        if values is not None:
            value = values[feature]
            below = sum(row["tracks"] for row in own if value is not None and row["upper_bound"] <= value)
            low, high = feature_bins()[feature]
            entry |= {
                "value": shown(feature, value),
                "below": None if value is None else below / sum(row["tracks"] for row in own),
                "place": None if value is None else round(min(max((value - low) / (high - low), 0), 1) * 100, 1),
            }
        entries.append(entry)
    return entries


def _means_of_all(snapshot: Snapshot) -> dict[str, Any]:
    means = ", ".join(f"avg({name}) as {name}" for name in AUDIO_FEATURES)
    return snapshot.rows(f"select {means} from marts.clean_tracks")[0]


def _outline(bins: list[dict[str, Any]]) -> str:
    """The histogram as the path of an SVG, 100 wide and 24 high."""
    highest = max(row["tracks"] for row in bins)
    return "".join(f"M{row['bin'] - 1} 24v-{row['tracks'] / highest * 24:.1f}h1V24z" for row in bins)


def shown(feature: str, value: float | None) -> str:
    """A feature's value for people: in its unit, a key by its name."""
    if value is None:
        return "unknown"
    _, unit, factor = FEATURES[feature]
    if feature == "duration_ms":
        return f"{int(value // 60_000)}:{int(value % 60_000 // 1_000):02d}"
    if feature == "key" and float(value).is_integer() and -1 <= value <= 11:
        return KEYS[int(value) + 1]
    if feature == "mode" and value in (0, 1):
        return "major" if value else "minor"
    number = f"{value * factor:.2f}" if unit == "0 to 1" or feature == "mode" else f"{value * factor:.1f}"
    return f"{number} {unit}" if unit in ("dB", "bpm") else number.removesuffix(".0")
