"""The report's charts: pure functions from a frame to Plotly figures, and the list of what the page shows.

Belongs here: what is drawn, from which query, and its words. Not here: files and HTML (ml/report.py). Adding a chart is
a function and an entry in CHARTS.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

from ml.charts import data, model


@dataclass(frozen=True)
class Chart:
    """One chart of the page.

    `query` reads the published copy (`$run_id` is the run shown) and gives the table behind the chart; `figures` makes
    from it a figure for each choice of the reader ("" alone where there is nothing to choose, `choose` names what is
    chosen). `rows` says on which rows it was computed, with {n} for their number, which `count` finds in the table.
    """

    key: str
    section: str
    title: str
    how_to_read: str
    rows: str
    query: str
    figures: Callable[[pd.DataFrame], dict[str, go.Figure]]
    count: Callable[[pd.DataFrame], int]
    choose: str = ""


HELD_OUT = "n = {n:,} held-out tracks: none of their artists was in the training part"
CLEAN = "n = {n:,} clean tracks, each under the genre it was first listed under"

CHARTS = (
    Chart(
        key="cleaning",
        section="The data",
        title="What cleaning took from the listings, rule by rule",
        how_to_read="The first bar is every listing as downloaded, the last what is left; between, what a rule took.",
        rows="n = {n:,} listings; each that is not clean stands in marts.rejected_listings with its reason",
        query="select step, rule, description, rows_removed, rows_after from marts.cleaning_audit order by step",
        figures=data.cleaning,
        count=lambda frame: int(frame["rows_after"].iloc[0]),
    ),
    Chart(
        key="tracks-per-genre",
        section="The data",
        title="Genres differ much in their number of tracks",
        how_to_read="A bar a genre, the largest first. A genre with few tracks is harder to learn.",
        rows=CLEAN,
        query="select genre, count(*) as tracks from marts.clean_tracks group by genre order by tracks desc, genre",
        figures=data.tracks_per_genre,
        count=lambda frame: int(frame["tracks"].sum()),
    ),
    Chart(
        key="distribution",
        section="The sound",
        title="How each audio feature is distributed, in all tracks and in a genre of your choice",
        how_to_read="Shares of tracks. Where a genre's line leaves the grey area of all tracks, it can be heard.",
        rows=CLEAN,
        query="""
            select coalesce(genre, 'All genres') as genre, feature, cast(floor((bin - 1) / 4) as integer) as bin,
                min(lower_bound) as lower_bound, max(upper_bound) as upper_bound, cast(sum(tracks) as bigint) as tracks
            from marts.feature_distribution
            group by all order by genre, feature, bin
        """,
        figures=data.distributions,
        count=lambda frame: int(
            frame.loc[(frame["genre"] == data.ALL) & (frame["feature"] == "danceability"), "tracks"].sum()
        ),
        choose="genre",
    ),
    Chart(
        key="f1",
        section="The model",
        title="How well each genre is recognised: F1",
        how_to_read="F1 is the harmonic mean of precision and recall; 1 is perfect, 0 is never right. Hover for both.",
        rows=HELD_OUT,
        query="""
            select genre, f1, precision, recall, support, n_tracks from ml.genre_scores
            where run_id = $run_id order by f1 desc, genre
        """,
        figures=model.f1,
        count=lambda frame: int(frame["support"].sum()),
    ),
    Chart(
        key="precision-recall",
        section="The model",
        title="Precision and recall against the genre's number of tracks",
        how_to_read="A circle is a genre's precision, a diamond its recall. Hover for the genre's name.",
        rows=HELD_OUT,
        query="""
            select genre, n_tracks, support, precision, recall from ml.genre_scores
            where run_id = $run_id order by n_tracks desc, genre
        """,
        figures=model.precision_recall,
        count=lambda frame: int(frame["support"].sum()),
    ),
    Chart(
        key="runner-ups",
        section="The model",
        title="Where the model's belief goes for the tracks of one genre",
        how_to_read="Choose a genre. The width of a band is the mean probability that the genre's tracks were given.",
        rows=HELD_OUT,
        query="""
            select genre, predicted_genre, probability, n_tracks from ml.runner_ups
            where run_id = $run_id order by genre, probability desc, predicted_genre
        """,
        figures=model.runner_ups,
        count=lambda frame: int(frame.drop_duplicates("genre")["n_tracks"].sum()),
        choose="genre",
    ),
)
