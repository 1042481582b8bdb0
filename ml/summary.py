"""What a run is summed up by: the counts and figures that the console prints at its end, from the published copy.

Belongs here: reading them. Not here: how they are printed (orchestration/screens.py), and the page (report.py).
"""

from dataclasses import dataclass

import duckdb

from ml.dataset import ModelError
from warehouse.publication import Build, ShownModel, built, shown_model


@dataclass(frozen=True)
class Figures:
    """The figures (0 to 1) of one run on `n_test` held-out tracks, as in `ml.model_runs`.

    `coverage` is the share of tracks whose set of genres holds the right one, and `set_size` the mean number of genres
    in a set; None where there are no sets.
    """

    model: str
    features: str
    top_1: float
    top_3: float
    macro_f1: float
    n_test: int
    top_1_any: float
    top_3_any: float
    coverage: float | None
    set_size: float | None


@dataclass(frozen=True)
class Summary:
    """The data and the model of a published copy.

    `listings` = clean tracks + rejected listings. `figures` are of the model that is shown, then of what was held out
    in the very same way: the study's forest and the majority class. `left_out` are genres that were not learnt, with
    the reason, and `notes` what to know of the figures, a sentence each.
    """

    build: Build
    listings: int
    clean_tracks: int
    genres: int
    model: ShownModel
    figures: list[Figures]
    left_out: list[tuple[str, str]]
    notes: list[str]


def summarise(connection: duckdb.DuckDBPyConnection) -> Summary:
    """Sum up the published copy. Raises `ModelError` where dbt has built no marts."""
    build = built(connection)
    if build is None:
        raise ModelError("There are no clean tracks to sum up. Build them: make run.")
    model = shown_model(connection, build)
    listings, clean, genres = connection.execute(
        """
        select max(rows_after), min(rows_after), (select count(distinct genre) from marts.clean_tracks)
        from marts.cleaning_audit
        """
    ).fetchone() or (0, 0, 0)
    figures: list[Figures] = []
    left_out: list[tuple[str, str]] = []
    notes: list[str] = []
    if model.run_id:
        rows = connection.execute(
            """
            with shown as (select * from ml.model_runs where run_id = ?)
            select runs.model, runs.features, runs.top_1, runs.top_3, runs.macro_f1, runs.n_test, runs.top_1_any,
                runs.top_3_any, runs.coverage, runs.set_size
            from ml.model_runs as runs
            inner join shown
                on (runs.dataset, runs.tracks_digest, runs.held_out_digest, runs.folds)
                = (shown.dataset, shown.tracks_digest, shown.held_out_digest, shown.folds)
            where runs.run_id = shown.run_id
                or (runs.model in ('study_forest', 'prior') and runs.features = 'audio')
            qualify row_number() over (
                partition by runs.model order by (runs.run_id = shown.run_id) desc, runs.n_train, runs.created_at desc
            ) = 1
            order by runs.run_id = shown.run_id desc, runs.is_baseline, runs.model
            """,
            [model.run_id],
        ).fetchall()
        figures = [Figures(*row) for row in rows]
        left_out = connection.execute(
            "select genre, reason from ml.genres_left_out where run_id = ? order by genre", [model.run_id]
        ).fetchall()
        ((said,),) = connection.execute("select notes from ml.model_runs where run_id = ?", [model.run_id]).fetchall()
        notes = (said or "").splitlines()
    return Summary(build, listings, clean, genres, model, figures, left_out, notes)
