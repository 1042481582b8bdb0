"""Charts of the data: cleaning, genres, audio features. Each takes the table behind the chart."""

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ml.charts.style import BLUE, GREY, ORANGE, TEMPLATE, bars_by_genre

ALL = "All genres"
UNITS = {"loudness": "dB", "tempo": "bpm", "duration_ms": "ms", "key": "pitch class", "time_signature": "beats a bar"}


def cleaning(audit: pd.DataFrame) -> dict[str, go.Figure]:
    """A waterfall of rows. Columns: rule, description, rows_removed, rows_after; the first row is all listings."""
    first, rules = audit.iloc[0], audit.iloc[1:]
    labels = ["listings", *rules["rule"].str.replace("_", " "), "clean tracks"]
    amounts = [int(first["rows_after"]), *(-rules["rows_removed"]).astype(int), int(audit["rows_after"].iloc[-1])]
    figure = go.Figure(
        go.Waterfall(
            y=labels,
            x=amounts,
            orientation="h",
            measure=["absolute", *["relative"] * len(rules), "total"],
            text=[f"{amount:,}" for amount in amounts],
            textposition="auto",
            hovertext=[first["description"], *rules["description"], "What is left"],
            hoverinfo="text+x",
            decreasing={"marker": {"color": ORANGE}},
            increasing={"marker": {"color": BLUE}},
            totals={"marker": {"color": BLUE}},
        )
    )
    figure.update_layout(
        template=TEMPLATE, height=420, xaxis={"title": "rows"}, yaxis={"autorange": "reversed"}, showlegend=False
    )
    return {"": figure}


def tracks_per_genre(counts: pd.DataFrame) -> dict[str, go.Figure]:
    """Bars of the columns genre and tracks."""
    hover = [f"{row.genre}: {row.tracks:,} tracks" for row in counts.itertuples()]
    return {"": bars_by_genre(counts["genre"].tolist(), counts["tracks"].tolist(), hover, "clean tracks")}


def distributions(bins: pd.DataFrame) -> dict[str, go.Figure]:
    """For each genre (and ALL) a panel a feature. Columns: genre, feature, lower_bound, upper_bound, tracks."""
    shares = bins.assign(
        middle=(bins["lower_bound"] + bins["upper_bound"]) / 2,
        share=bins["tracks"] / bins.groupby(["genre", "feature"])["tracks"].transform("sum"),
    )
    parts = {
        (str(key[0]), str(key[1])): part.sort_values("middle") for key, part in shares.groupby(["genre", "feature"])
    }
    features = list(dict.fromkeys(bins["feature"]))
    genres = [ALL, *sorted(set(bins["genre"]) - {ALL})]
    return {genre: _panels(genre, features, parts) for genre in genres}


def _panels(genre: str, features: list[str], parts: dict[tuple[str, str], pd.DataFrame]) -> go.Figure:
    columns = 3
    titles = [f"{name} ({UNITS[name]})" if name in UNITS else name for name in features]
    figure = make_subplots(
        rows=-(-len(features) // columns), cols=columns, subplot_titles=titles, vertical_spacing=0.07
    )
    for place, feature in enumerate(features):
        for name in dict.fromkeys((ALL, genre)):
            part = parts.get((name, feature))
            if part is None:
                continue
            pooled = name == ALL
            figure.add_scatter(
                x=part["middle"].round(4).tolist(),
                y=part["share"].round(5).tolist(),
                mode="lines",
                name=name,
                fill="tozeroy" if pooled else None,
                line={"color": GREY if pooled else BLUE, "width": 1 if pooled else 2.5, "shape": "hvh"},
                legendgroup=name,
                showlegend=place == 0,
                row=place // columns + 1,
                col=place % columns + 1,
            )
    figure.update_yaxes(tickformat=".0%", rangemode="tozero", nticks=4)
    return figure.update_layout(template=TEMPLATE, height=1000, margin={"t": 70})
