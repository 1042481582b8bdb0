"""The report: one page made from the published copy alone, with its script and style beside it.

Belongs here: queries run, files written, and what the page says when something is missing. Not here: what a chart
shows (ml/charts/) and how the page looks (ml/templates/).
"""

import html
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from ml.charts import CHARTS, Chart
from ml.dataset import ModelError

ASSETS = ("report.css", "report.js")
TABLE_ROWS = 300
"""The page shows this many rows of a chart's table; the CSV beside it has them all."""


@dataclass(frozen=True)
class ReportResult:
    """Where the page lies, the charts it has, and a sentence for each that it could not have."""

    path: Path
    charts: list[str]
    missing: list[str]


def build_report(connection: duckdb.DuckDBPyConnection, output_dir: Path, *, run_id: str | None = None) -> ReportResult:
    """Write `output_dir`/index.html from marts and ml; `run_id` is a model run, by default the published one.

    What is missing (no model yet, a mart) is said on the page, which is made all the same. Raises `ModelError` where
    `run_id` is no run, or where there are no clean tracks.
    """
    dataset, synthetic = _dataset(connection)
    runs = _runs(connection, run_id)
    run = None if runs.empty else runs.iloc[0]
    shown: list[dict[str, Any]] = []
    missing: list[str] = []
    if run is None:
        missing.append(
            "There is no trained model yet, so there are no figures and no charts of it. Train one: make run."
        )
    data_dir = output_dir / "data"
    data_dir.mkdir(parents=True, exist_ok=True)
    for chart in CHARTS:
        frame = _table(connection, chart, None if run is None else str(run["run_id"]))
        if frame is None or frame.empty:
            missing.append(f"{chart.title}: there are no rows for it yet. Build them: make run.")
            continue
        frame.to_csv(data_dir / f"{chart.key}.csv", index=False)
        shown.append(_rendered(chart, frame, synthetic))
    _write_assets(output_dir)
    page = _environment().get_template("report.html").render(
        dataset=dataset,
        synthetic=synthetic,
        run=None if run is None else run.to_dict(),
        baseline=_baseline(connection, run),
        left_out=_left_out(connection, run),
        sections={section: [chart for chart in shown if chart["section"] == section] for section in
                  dict.fromkeys(chart["section"] for chart in shown)},
        missing=missing,
    )  # fmt: skip
    path = output_dir / "index.html"
    path.write_text(page, encoding="utf-8")
    return ReportResult(path, [chart["key"] for chart in shown], missing)


def _dataset(connection: duckdb.DuckDBPyConnection) -> tuple[str, bool]:
    try:
        row = connection.execute("select dataset, is_synthetic from marts.clean_tracks limit 1").fetchone()
    except duckdb.CatalogException:
        row = None
    if row is None:
        raise ModelError("There are no clean tracks to report on. Build them: make run.")
    return str(row[0]), bool(row[1])


def _runs(connection: duckdb.DuckDBPyConnection, run_id: str | None) -> pd.DataFrame:
    """The run to show, in a frame of one row; an empty frame where nothing was trained."""
    try:
        runs = connection.execute("select * from ml.model_runs order by created_at desc").df()
    except duckdb.CatalogException:
        return pd.DataFrame()
    if run_id is None:
        return runs[runs["is_published"]].head(1)
    if run_id not in set(runs["run_id"]):
        raise ModelError(f"There is no run {run_id!r}. There are: {', '.join(runs['run_id']) or 'none yet'}.")
    return runs[runs["run_id"] == run_id]


def _baseline(connection: duckdb.DuckDBPyConnection, run: pd.Series | None) -> dict[str, Any] | None:
    if run is None:
        return None
    found = connection.execute(
        "select * from ml.model_runs where is_baseline and dataset = ? and n_test = ? order by created_at desc limit 1",
        [run["dataset"], int(run["n_test"])],
    ).df()
    return None if found.empty else {str(name): value for name, value in found.iloc[0].items()}


def _left_out(connection: duckdb.DuckDBPyConnection, run: pd.Series | None) -> list[tuple[Any, ...]]:
    if run is None:
        return []
    return connection.execute(
        "select genre, n_tracks, reason from ml.genres_left_out where run_id = ? order by genre", [run["run_id"]]
    ).fetchall()


def _table(connection: duckdb.DuckDBPyConnection, chart: Chart, run_id: str | None) -> pd.DataFrame | None:
    parameters = {"run_id": run_id} if "$run_id" in chart.query else {}
    try:
        return connection.execute(chart.query, parameters).df()
    except duckdb.CatalogException:
        return None


def _rendered(chart: Chart, frame: pd.DataFrame, synthetic: bool) -> dict[str, Any]:
    # Plotly takes some HTML in labels (links among it), so names that come from outside are escaped for it too.
    texts = frame.select_dtypes(["object", "string"]).columns
    escaped = frame.assign(**{str(name): frame[name].map(html.escape, na_action="ignore") for name in texts})
    figures = {html.unescape(choice): json.loads(figure.to_json()) for choice, figure in chart.figures(escaped).items()}
    rows = chart.rows.format(n=chart.count(frame))
    table = frame.head(TABLE_ROWS)
    return {
        "key": chart.key,
        "section": chart.section,
        "title": chart.title,
        "how_to_read": chart.how_to_read,
        "rows": f"{rows}; synthetic data" if synthetic else rows,
        "choose": chart.choose,
        "choices": list(figures),
        # "<" could end the script element that holds the figures, whatever a genre is called.
        "figures": json.dumps(_without_repeats(figures), separators=(",", ":")).replace("<", "\\u003c"),
        "columns": list(table.columns),
        "cells": [[_cell(value) for value in row] for row in table.itertuples(index=False)],
        "cut": len(frame) - len(table),
    }


def _without_repeats(figures: dict[str, Any]) -> dict[str, Any]:
    """Figures with what they all share written once: {"layout": shared, "choices": {choice: {"data", "layout"}}}."""
    layouts = [figure["layout"] for figure in figures.values()]
    shared = {key: value for key, value in layouts[0].items() if all(layout.get(key) == value for layout in layouts)}
    return {
        "layout": shared,
        "choices": {
            choice: {
                "data": figure["data"],
                "layout": {key: value for key, value in figure["layout"].items() if key not in shared},
            }
            for choice, figure in figures.items()
        },
    }


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _write_assets(output_dir: Path) -> None:
    folder = output_dir / "assets"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ASSETS:
        text = resources.files("ml").joinpath("templates", name).read_text(encoding="utf-8")
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "plotly.min.js").write_text(get_plotlyjs(), encoding="utf-8")


def _environment() -> Environment:
    # Titles of songs and names of genres come from outside: everything is escaped.
    return Environment(loader=PackageLoader("ml"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
                       lstrip_blocks=True)  # fmt: skip
