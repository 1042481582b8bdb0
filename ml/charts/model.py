"""Charts of a model run, all on held-out tracks. Each takes the table behind the chart."""

import pandas as pd
import plotly.graph_objects as go

from ml.charts.style import BLUE, GREY, ORANGE, TEMPLATE, bars_by_genre

TARGETS = 12
"""A Sankey names this many genres; the rest are one band."""


def f1(scores: pd.DataFrame) -> dict[str, go.Figure]:
    """Bars of the columns genre and f1, in their order; precision, recall, support on hover."""
    hover = [
        f"{row.genre}<br>F1 {row.f1:.2f}, precision {row.precision:.2f}, recall {row.recall:.2f}"
        f"<br>{row.support:,} held-out tracks"
        for row in scores.itertuples()
    ]
    return {"": bars_by_genre(scores["genre"].tolist(), scores["f1"].tolist(), hover, "F1 (0 to 1)")}


def precision_recall(scores: pd.DataFrame) -> dict[str, go.Figure]:
    """Two points a genre over its number of clean tracks. Columns: genre, n_tracks, support, precision, recall."""
    figure = go.Figure()
    for measure, colour, symbol in (("precision", BLUE, "circle"), ("recall", ORANGE, "diamond")):
        figure.add_scatter(
            x=scores["n_tracks"].tolist(),
            y=scores[measure].tolist(),
            mode="markers",
            name=measure,
            marker={"color": colour, "symbol": symbol, "size": 9, "opacity": 0.75},
            hovertext=[
                f"{genre}: {measure} {value:.2f}<br>{tracks:,} tracks, {support:,} held out"
                for genre, value, tracks, support in zip(
                    scores["genre"], scores[measure], scores["n_tracks"], scores["support"], strict=True
                )
            ],
            hoverinfo="text",
        )
    figure.update_layout(
        template=TEMPLATE,
        height=480,
        xaxis={"title": "clean tracks of the genre (logarithmic)", "type": "log"},
        yaxis={"title": "share (0 to 1)", "rangemode": "tozero"},
    )
    return {"": figure}


def runner_ups(means: pd.DataFrame) -> dict[str, go.Figure]:
    """A Sankey for each genre. Columns: genre, predicted_genre, probability (sums to 1 a genre), n_tracks."""
    return {str(genre): _sankey(str(genre), part) for genre, part in means.groupby("genre")}


def _sankey(genre: str, means: pd.DataFrame) -> go.Figure:
    ordered = means.sort_values(["probability", "predicted_genre"], ascending=[False, True])
    first, rest = ordered.head(TARGETS), ordered.iloc[TARGETS:]
    targets = [
        (name, probability, BLUE if name == genre else ORANGE)
        for name, probability in zip(first["predicted_genre"], first["probability"], strict=True)
    ]
    if len(rest):
        targets.append((f"{len(rest)} other genres", float(rest["probability"].sum()), GREY))
    labels = [f"{genre} ({int(means['n_tracks'].iloc[0]):,} tracks)"]
    labels += [f"{name} {probability:.1%}" for name, probability, _ in targets]
    figure = go.Figure(
        go.Sankey(
            arrangement="fixed",
            node={"label": labels, "color": [BLUE, *(colour for _, _, colour in targets)], "pad": 12, "thickness": 14},
            link={
                "source": [0] * len(targets),
                "target": list(range(1, len(targets) + 1)),
                "value": [round(probability, 6) for _, probability, _ in targets],
                "color": ["rgba(128,128,128,0.3)"] * len(targets),
            },
            hoverinfo="none",
        )
    )
    return figure.update_layout(template=TEMPLATE, height=520)
