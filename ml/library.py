"""The page about one's own music: which genres the songs of a list sound like, by the model of another dataset.

Belongs here: what the page needs of the published copy. Not here: its charts (charts/library.py), how an entry of a
chart is made and what both pages share (report.py), and how it looks (templates/library.html).
"""

from pathlib import Path
from typing import Any

import duckdb

from ml.charts.library import LIBRARY_CHARTS
from ml.charts.style import THEMES, template
from ml.report import chart_entry, environment, script_json, write_assets
from warehouse.files import write_whole
from warehouse.publication import built

SONGS_LISTED = 10
_GUESSES = """
    select coalesce(song_name, spotify_track_id) as song_name, artist_name, guesses.genre, probability, genre_tags,
        coalesce(genres, []) as genres
    from ml.song_predictions as guesses
    inner join marts.clean_tracks using (spotify_track_id)
    inner join marts.track_details using (spotify_track_id)
    left join {sets} using (spotify_track_id)
    where rank = 1 order by probability {order}, spotify_track_id limit {limit}
"""


def is_library(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the marts hold a list of songs, none of which has a genre."""
    (source,) = connection.execute(
        """
        select any_value(source) from raw.datasets
        where dataset = (select any_value(dataset) from marts.cleaning_audit)
        """
    ).fetchone() or ("",)
    return str(source).startswith("songs:")


def build_library(connection: duckdb.DuckDBPyConnection, output_dir: Path) -> Path | None:
    """Write `output_dir`/library.html from the marts and `ml.song_predictions` of `connection`.

    Returns its path, or None where the marts hold songs with genres: then an earlier page is removed, since it would
    be of other songs. Without a model the page says how to get one, and what was left out.
    """
    path = output_dir / "library.html"
    build = built(connection)
    if build is None or not is_library(connection):
        path.unlink(missing_ok=True)
        return None
    run = _run(connection)
    synthetic = build.is_synthetic or bool(run and run["is_synthetic"])
    listings, scored = connection.execute(
        "select max(rows_after), min(rows_after) from marts.cleaning_audit"
    ).fetchone() or (0, 0)
    page = environment().get_template("library.html").render(
        build=build,
        synthetic=synthetic,
        run=run,
        songs={"listings": listings, "scored": scored},
        charts=[chart_entry(connection, chart, synthetic, output_dir) for chart in LIBRARY_CHARTS] if run else [],
        lists=_lists(connection, scored) if run else [],
        left_out=connection.execute(
            "select reason, count(*) from marts.rejected_listings group by reason order by 2 desc, 1 limit 20"
        ).fetchall(),
        themes=THEMES,
        templates=script_json({theme: template(theme) for theme in THEMES}),
    )  # fmt: skip
    write_assets(output_dir)
    write_whole(path, page)
    return path


def _run(connection: duckdb.DuckDBPyConnection) -> dict[str, Any] | None:
    """The run whose model named the genres, None where none did."""
    try:
        found = connection.execute(
            "select * from ml.model_runs where run_id = (select any_value(run_id) from ml.song_predictions)"
        ).df()
    except duckdb.CatalogException:
        return None
    return None if found.empty else {str(name): value for name, value in found.iloc[0].items()}


def _lists(connection: duckdb.DuckDBPyConnection, songs: int) -> list[tuple[str, list[dict[str, Any]]]]:
    (has_sets,) = connection.execute(  # a copy of an earlier version has none
        "select count(*) > 0 from duckdb_tables() where schema_name = 'ml' and table_name = 'genre_sets'"
    ).fetchone() or (False,)
    sets = "ml.genre_sets" if has_sets else "(select null as spotify_track_id, null::varchar[] as genres)"
    return [
        (words, _records(connection, _GUESSES.format(sets=sets, order=order, limit=SONGS_LISTED)))
        for words, order in (("Most confident predictions", "desc"), ("Least confident predictions", "asc"))
        if order == "desc" or songs >= 2 * SONGS_LISTED  # or else both would list the same songs
    ]


def _records(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    found = connection.execute(query)
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
