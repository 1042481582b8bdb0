"""The report: one page made from the published copy alone, with its script, style and tables beside it.

Belongs here: queries run, files written, and what the page says when something is missing. Not here: what a chart
shows (ml/charts/) and how the page looks (ml/templates/).
"""

import difflib
import html
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from ml.charts import CHARTS, Chart
from ml.charts.genres import families
from ml.charts.style import THEMES, NothingToDraw, template
from ml.dataset import ModelError
from ml.inputs import in_words
from warehouse.files import for_shell, whole_or_not_there, write_whole
from warehouse.publication import Build, built, shown_model

ASSETS = ("report.css", "report.js")
TABLE_ROWS = 150
"""The page shows this many rows of a chart's table; the CSV beside it has them all."""

HOW = {
    "marts": "Build it: make run.",
    "ml": "Train a model: make run.",
}
NO_MODEL = "no model of these tracks is shown; under The answer, the report says why."
SONGS = """
    select kind, rank, song_name, artist_name, genre, predicted_genre, probability, spotify_track_id from ml.surprises
    where run_id = $run_id order by kind, rank
"""


@dataclass(frozen=True)
class ReportResult:
    """Where the page lies, the charts it has, and a sentence for each that it could not have.

    `titles` and `tracks` give for each chart what it shows and the number of rows it was computed on.
    """

    path: Path
    charts: list[str]
    missing: list[str]
    titles: dict[str, str] = field(default_factory=dict)
    tracks: dict[str, int] = field(default_factory=dict)


def build_report(
    connection: duckdb.DuckDBPyConnection,
    output_dir: Path,
    *,
    run_id: str | None = None,
    genres: Sequence[str] = (),
) -> ReportResult:
    """Write `output_dir`/index.html from the marts and schema ml of `connection`.

    `run_id` is a model run, by default the one that may be shown (`warehouse.publication.shown_model`); `genres` keeps
    the charts by genre to these. What is missing (no model yet, a mart, held-out tracks) is said in its place on the
    page, which is made all the same. Raises `ModelError` where `run_id` is no run of the very tracks that the marts
    hold, where one of `genres` is no genre, or where dbt has built nothing.
    """
    build = built(connection)
    if build is None:
        raise ModelError("There are no clean tracks to report on. Build them: make run.")
    chosen = _chosen_genres(connection, genres)
    shown = shown_model(connection, build)
    run = _run(connection, build, run_id or shown.run_id)
    synthetic = build.is_synthetic or bool(run and run["is_synthetic"])
    entries = [_entry(connection, chart, run, chosen, synthetic, output_dir) for chart in CHARTS]
    cards = _cards(connection, run)
    songs = _songs(connection, run, chosen, output_dir)
    missing = [f"{entry['name']}: {entry['missing']}" for entry in [*entries, songs] if entry["missing"]]
    sections: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        sections.setdefault(entry["section"], []).append(entry)
    page = environment().get_template("report.html").render(
        build=build,
        synthetic=synthetic,
        finding="" if run_id else shown.finding,
        apart=_apart(connection, run),
        size=_size(connection),
        chosen=chosen,
        run=run,
        told=in_words(run["features"], with_audio=False) if run else "",
        cards=cards,
        verdict=_verdict(cards, run, synthetic),
        left_out=_left_out(connection, run),
        sections=sections,
        songs=songs,
        missing=missing,
        themes=THEMES,
        templates=script_json({theme: template(theme) for theme in THEMES}),
    )  # fmt: skip
    write_assets(output_dir)
    path = output_dir / "index.html"
    write_whole(path, page)
    kept = {entry.get("file") for entry in [*entries, songs]}
    for file in (f"data/{key}.csv" for key in [*(chart.key for chart in CHARTS), "songs"]):
        if file not in kept:  # an earlier page's, whose chart is missing now
            (output_dir / file).unlink(missing_ok=True)
    drawn = [entry for entry in entries if not entry["missing"]]
    return ReportResult(
        path,
        [entry["key"] for entry in drawn],
        missing,
        {entry["key"]: entry["title"] for entry in drawn},
        {entry["key"]: entry["n"] for entry in drawn},
    )


def _chosen_genres(connection: duckdb.DuckDBPyConnection, genres: Sequence[str]) -> list[str]:
    """`genres` without repeats, each as the marts spell it."""
    if not genres:
        return []
    try:
        known = [str(row[0]) for row in connection.execute("select distinct genre from marts.clean_tracks").fetchall()]
    except duckdb.CatalogException:
        raise ModelError("There are no clean tracks, so no genres to choose from. Build them: make run.") from None
    spelled = {name.casefold(): name for name in known}
    chosen = []
    for genre in dict.fromkeys(genres):
        if genre.casefold() not in spelled:
            close = difflib.get_close_matches(genre.casefold(), spelled, n=3)
            meant = f" Did you mean {' or '.join(spelled[name] for name in close)}?" if close else ""
            raise ModelError(f"There is no genre {genre!r} among the {len(known)} of the clean tracks.{meant}")
        chosen.append(genre if genre in known else spelled[genre.casefold()])
    return list(dict.fromkeys(chosen))


def _run(connection: duckdb.DuckDBPyConnection, build: Build, run_id: str | None) -> dict[str, Any] | None:
    """The run of that id, which must be of the very tracks that the marts hold; None where no run is wanted."""
    if run_id is None:
        return None
    try:
        runs = connection.execute("select * from ml.model_runs order by created_at desc").df()
    except duckdb.CatalogException:
        runs = pd.DataFrame({"run_id": [], "dataset": [], "tracks_digest": []})
    of_these = (runs["dataset"] == build.dataset) & (runs["tracks_digest"] == build.tracks_digest)
    found = runs[runs["run_id"] == run_id]
    if found.empty:
        raise ModelError(f"There is no run {run_id!r}. Of these tracks there are: {_listed(runs[of_these])}.")
    if not of_these[found.index[0]]:
        raise ModelError(
            f"The run {run_id!r} learnt {found['dataset'].iloc[0]}, and not the tracks that the marts hold "
            f"({build.dataset}). Of these there are: {_listed(runs[of_these])}."
        )
    return {str(name): value for name, value in found.iloc[0].items()}


def _listed(runs: pd.DataFrame) -> str:
    return ", ".join(runs["run_id"]) or "none yet"


def _size(connection: duckdb.DuckDBPyConnection) -> tuple[int, int] | None:
    """Clean tracks and their genres."""
    try:
        row = connection.execute("select count(*), count(distinct genre) from marts.clean_tracks").fetchone()
    except duckdb.CatalogException:
        return None
    return row and (int(row[0]), int(row[1]))


def _cards(connection: duckdb.DuckDBPyConnection, run: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The answer's three figures in percent, with interval, majority and the study's protocol."""
    if run is None:
        return []
    table = _rows(connection, next(chart for chart in CHARTS if chart.key == "scores"), run)
    cards = []
    for figure, name, words in (
        ("top_1", "Top-1", "the first guess is right"),
        ("top_3", "Top-3", "one of the first three guesses is right"),
        ("macro_f1", "Macro F1", "precision and recall in one; every genre counts alike"),
    ):
        card: dict[str, Any] = {"name": name, "words": words, "value": run.get(figure), "low": run.get(f"{figure}_low"),
                "high": run.get(f"{figure}_high"), "any": run.get(f"{figure}_any"), "others": []}  # fmt: skip
        if not isinstance(table, str):
            rows = table[table["figure"] == figure].iloc[1:]
            card["others"] = list(zip(rows["contender"], rows["value"], strict=True))
        cards.append(card)
    return cards


def _verdict(cards: list[dict[str, Any]], run: dict[str, Any] | None, synthetic: bool) -> str:
    """The answer in a sentence or two, from the cards' figures."""
    if run is None:
        return ""
    top_1, top_3 = cards[0], cards[1]
    unheard = "by artists that it has not seen, " * (run["protocol"] == "artist_grouped")
    counts = (
        f"Of 100 {'made-up ' * synthetic}songs that it has not seen, {unheard}it names the right one of "
        f"{run['n_genres']} genres for {top_1['value'] * 100:.0f}, and has it among its first three for "
        f"{top_3['value'] * 100:.0f}."
    )
    commonest = [value for contender, value in top_1["others"] if "commonest" in contender]
    if not commonest:
        return counts
    low = top_1["value"] if pd.isna(top_1["low"]) else top_1["low"]
    if low <= commonest[0]:
        return f"Not by this model. {counts} Always naming the commonest genre does as well: {commonest[0] * 100:.0f}."
    much = "Mostly, yes." if low > 0.5 else "To a degree."
    return f"{much} {counts} Always naming the commonest genre is right for {commonest[0] * 100:.0f}."


def _apart(connection: duckdb.DuckDBPyConnection, run: dict[str, Any] | None) -> list[str]:
    """The study's own protocol on these tracks, in sentences: it splits by row, so it stands beside nothing here."""
    if run is None:
        return []
    rows = connection.execute(
        """
        select protocol, model, top_1, top_3, n_test from ml.model_runs
        where protocol like 'study%' and not is_baseline
            and (dataset, tracks_digest) = (select (dataset, tracks_digest) from ml.model_runs where run_id = ?)
        qualify row_number() over (partition by protocol, model order by created_at desc) = 1
        order by protocol, top_3 desc, model
        """,
        [run["run_id"]],
    ).fetchall()
    return [
        f"Under {protocol}, {model.replace('_', ' ')} has {top_1:.1%} top-1 and {top_3:.1%} top-3 on {n_test:,} tracks."
        for protocol, model, top_1, top_3, n_test in rows
    ]


def _left_out(connection: duckdb.DuckDBPyConnection, run: dict[str, Any] | None) -> list[tuple[Any, ...]]:
    if run is None:
        return []
    try:
        return connection.execute(
            "select genre, n_tracks, reason from ml.genres_left_out where run_id = ? order by genre", [run["run_id"]]
        ).fetchall()
    except duckdb.CatalogException:
        return []


def _rows(connection: duckdb.DuckDBPyConnection, chart: Chart, run: dict[str, Any] | None) -> pd.DataFrame | str:
    """What the chart's query gives, or a sentence that says why there is nothing and what to do."""
    if chart.needs_run and run is None:
        return NO_MODEL
    found = _read(connection, chart.query, run)
    if isinstance(found, str):
        return found
    if chart.families:
        summary = _read(connection, "select genre, feature, mean, tracks from marts.genre_summary", None)
        names = {} if isinstance(summary, str) or summary.empty else families(summary).to_dict()
        found = found.assign(family=[names.get(genre, "") for genre in found["genre"]])
    if found.empty:
        return chart.no_rows or f"there are no rows for it. {HOW['ml' if chart.needs_run else 'marts']}"
    return found


def _read(connection: duckdb.DuckDBPyConnection, query: str, run: dict[str, Any] | None) -> pd.DataFrame | str:
    """The query's rows, or a sentence that names the table or column that is not there."""
    try:
        return connection.execute(query, {"run_id": run["run_id"]} if run and "$run_id" in query else {}).df()
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        why = str(error).splitlines()[0].partition(": ")[2] or str(error).splitlines()[0]
        return f"{why} {HOW['ml' if 'ml.' in query else 'marts']}"


def chart_entry(
    connection: duckdb.DuckDBPyConnection, chart: Chart, synthetic: bool, output_dir: Path
) -> dict[str, Any]:
    """What a page needs of a chart that shows no run of its own; `missing` says why there is none."""
    return _entry(connection, chart, None, [], synthetic, output_dir)


def _entry(
    connection: duckdb.DuckDBPyConnection,
    chart: Chart,
    run: dict[str, Any] | None,
    chosen: list[str],
    synthetic: bool,
    output_dir: Path,
) -> dict[str, Any]:
    """What the page needs of a chart; `missing` says why there is none."""
    entry: dict[str, Any] = {"key": chart.key, "section": chart.section, "name": chart.name, "missing": ""}
    rows = _rows(connection, chart, run)
    if isinstance(rows, str):
        return entry | {"missing": rows}
    try:
        table = chart.prepare(rows)
        if chosen:
            table = chart.narrow(table, chosen).reset_index(drop=True)
        if table.empty:
            raise NothingToDraw("None of the genres that you asked for has rows for it. Ask for others, or for all.")
        return drawn_entry(chart, table, synthetic) | _table(table, chart.key, output_dir)
    except NothingToDraw as error:
        return entry | {"missing": str(error)}


def drawn_entry(chart: Chart, table: pd.DataFrame, synthetic: bool) -> dict[str, Any]:
    """What a page needs of a chart of `table`, which `chart.prepare` made; no CSV lies beside it.

    Raises `NothingToDraw` where the table has too few rows.
    """
    # Plotly takes some HTML in labels (links among it), so names that come from outside are escaped for it.
    drawing = chart.draw(_mapped(table, lambda text: html.escape(text, quote=False)))
    n = chart.count(table)
    figure = json.loads(drawing.figure.to_json())
    figure["layout"].pop("template", None)
    height = figure["layout"].get("height", 450)
    choices = {html.unescape(choice): {**part, "title": html.unescape(part.get("title", drawing.title))}
               for choice, part in drawing.choices.items()}  # fmt: skip
    return {
        "key": chart.key,
        "section": chart.section,
        "name": chart.name,
        "missing": "",
        "title": html.unescape(drawing.title),
        "how_to_read": chart.how_to_read,
        "note": html.unescape(drawing.note),
        "n": n,
        "rows": chart.rows.format(n=n) + (", synthetic data" if synthetic else ""),
        "choose": chart.choose if choices else "",
        "choices": list(choices),
        "search": chart.search and table["genre"].nunique() > 12,
        "families": drawing.families,
        "height": height,
        "narrow_height": drawing.narrow.get("layout", {}).get("height", height),
        "tall": height > 1000 and chart.search,
        "figure": script_json({**figure, "choices": choices, "narrow": drawing.narrow}),
        **first_rows(table),
    }


def _mapped(table: pd.DataFrame, change: Any) -> pd.DataFrame:
    texts = table.select_dtypes(["object", "string"]).columns
    return table.assign(**{str(name): table[name].map(change, na_action="ignore") for name in texts})


def script_json(content: object) -> str:
    """JSON for a script element; "<" could end it, whatever a genre is called."""
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")


def _table(table: pd.DataFrame, key: str, output_dir: Path) -> dict[str, Any]:
    """The table behind a chart: written as CSV, and its first rows for the page."""
    with whole_or_not_there(output_dir / "data" / f"{key}.csv") as unfinished:
        table.to_csv(unfinished, index=False, float_format="%.6g")
    return first_rows(table) | {"file": f"data/{key}.csv"}


def first_rows(table: pd.DataFrame) -> dict[str, Any]:
    """The rows of a table that a page shows; no file has them all."""
    first = table.head(TABLE_ROWS)
    return {
        "columns": list(first.columns),
        "cells": [[_cell(value) for value in row] for row in first.astype(object).itertuples(index=False)],
        "cut": len(table) - len(first),
        "file": "",
    }


def _cell(value: Any) -> str:
    if pd.isna(value):
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() and abs(value) >= 10 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _songs(
    connection: duckdb.DuckDBPyConnection, run: dict[str, Any] | None, chosen: list[str], output_dir: Path
) -> dict[str, Any]:
    """The most confident predictions, right and wrong."""
    entry: dict[str, Any] = {"key": "songs", "name": "Most confident predictions", "missing": ""}
    if run is None:
        return entry | {"missing": NO_MODEL}
    table = _read(connection, SONGS, run)
    if isinstance(table, str):
        return entry | {"missing": table}
    if chosen:
        table = table[table["genre"].isin(chosen)]
    if table.empty:
        return entry | {"missing": f"no song of these was tested. {HOW['ml']}"}
    lists = [
        (words, table[table["kind"] == kind].head(10).to_dict("records"))
        for kind, words in (("sure_and_right", "Confident and right"), ("sure_and_wrong", "Confident and wrong"))
    ]
    return entry | {"lists": lists, **_table(table, "songs", output_dir)}


def write_assets(output_dir: Path) -> None:
    """Write the script and the style that the pages share."""
    folder = output_dir / "assets"
    for name in ASSETS:
        text = resources.files("ml").joinpath("templates", name).read_text(encoding="utf-8")
        write_whole(folder / name, text)
    write_whole(folder / "plotly.min.js", get_plotlyjs())


def environment() -> Environment:
    """The templates of the pages."""
    # Titles of songs and names of genres come from outside: everything is escaped.
    environment = Environment(
        loader=PackageLoader("ml"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["for_shell"] = for_shell
    environment.filters["percent"] = lambda value: f"{value:.1%}"
    environment.filters["thousands"] = lambda value: f"{value:,.0f}"
    environment.filters["known"] = lambda value: value is not None and not pd.isna(value)
    return environment
