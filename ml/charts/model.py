"""Charts of a model run, all on held-out tracks. Each takes the table behind the chart."""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
from scipy.spatial.distance import squareform
from scipy.stats import spearmanr

from ml.charts.style import (
    BLUE,
    FEATURES,
    GREY,
    ORANGE,
    Drawing,
    NothingToDraw,
    bars_by_genre,
    family_colours,
    named_rows,
    plural,
)

_ROUND = [digit * 10**power for power in range(7) for digit in (1, 1.5, 2, 3, 5, 7)]
TARGETS = 12
"""A Sankey names this many genres; the rest are one band."""
BAND_GAP = 0.027
"""The gap between two bands, as a share of the Sankey's height."""


def f1(scores: pd.DataFrame) -> Drawing:
    """Bars of F1, the highest first. Columns: genre, family, f1, precision, recall, support (held-out tracks)."""
    shown = _held_out(scores).sort_values(["f1", "genre"], ascending=[False, True])
    hover = [
        f"<b>{row.genre}</b><br>F1 {row.f1:.2f}, precision {row.precision:.2f}, recall {row.recall:.2f}"
        f"<br>{plural(row.support, 'held-out track')}<br>{row.family}"
        for row in named_rows(shown)
    ]
    figure = bars_by_genre(
        shown, "f1", axis="F1 (0 to 1)", text=[f"{value:.2f}" for value in shown["f1"]], hover=hover, range_to=1
    )
    best, worst = shown.iloc[0], shown.iloc[-1]
    title = f"{best['genre']} is recognised best, with F1 {best['f1']:.2f}"
    if len(shown) > 1:
        title += f"; {worst['genre']} worst, with {worst['f1']:.2f}"
    return Drawing(title, figure, note=_unheard(scores), families=family_colours(shown))


def _held_out(scores: pd.DataFrame) -> pd.DataFrame:
    shown = scores[scores["support"] > 0]
    if shown.empty:
        raise NothingToDraw(
            "None of these genres has a held-out track, so nothing can be said about them. It takes more artists per "
            "genre."
        )
    return shown


def _unheard(scores: pd.DataFrame) -> str:
    names = sorted(scores.loc[scores["support"] == 0, "genre"])
    if not names:
        return ""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"Without a held-out track, and so not shown: {', '.join(names[:5])}{more}."


def precision_recall(scores: pd.DataFrame) -> Drawing:
    """Two points per genre over its number of clean tracks. Columns: genre, n_tracks, support, precision, recall."""
    shown = _held_out(scores)
    figure = go.Figure()
    for measure, colour, symbol in (("precision", BLUE, "circle"), ("recall", ORANGE, "diamond")):
        named = {shown[column].idxmax() for column in (measure, "n_tracks")} | {shown["n_tracks"].idxmin()}
        figure.add_scatter(
            x=shown["n_tracks"].tolist(),
            y=shown[measure].round(4).tolist(),
            mode="markers+text",
            name=measure,
            marker={"color": colour, "symbol": symbol, "size": 9, "opacity": 0.75},
            text=[genre if row in named else "" for row, genre in shown["genre"].items()],
            textposition="top center",
            cliponaxis=False,
            hovertext=[
                f"<b>{row.genre}</b><br>{measure} {getattr(row, measure):.2f}<br>{row.n_tracks:,} tracks, "
                f"{row.support:,} held out"
                for row in named_rows(shown)
            ],
            hoverinfo="text",
        )
    figure.update_layout(
        height=520,
        xaxis={
            "title": {"text": "clean tracks of the genre (logarithmic)"},
            "type": "log",
            "tickvals": _ROUND,
            "tickformat": ",d",
        },
        yaxis={"title": {"text": "share (0 to 1)"}, "rangemode": "tozero"},
        legend={"y": 1.04},
    )
    return Drawing(_with_tracks(shown), figure, note=_unheard(scores))


def _with_tracks(shown: pd.DataFrame) -> str:
    if len(shown) < 5 or min(shown[name].nunique() for name in ("n_tracks", "precision", "recall")) < 2:
        return "Precision and recall against the genre's number of tracks"
    ranks = {name: float(spearmanr(shown["n_tracks"], shown[name]).statistic) for name in ("precision", "recall")}
    words = {
        name: "rises" if rank > 0.2 else "falls" if rank < -0.2 else "hardly changes" for name, rank in ranks.items()
    }
    numbers = ", ".join(f"{rank:+.2f}".replace("-", "−") for rank in ranks.values())
    if words["precision"] == words["recall"]:
        both = words["precision"].replace("changes", "change").replace("rises", "rise").replace("falls", "fall")
        return f"Precision and recall both {both} with a genre's tracks (rank correlations {numbers})"
    return (
        f"Precision {words['precision']} with a genre's tracks, recall {words['recall']} (rank correlations {numbers})"
    )


def confusion_table(counts: pd.DataFrame) -> pd.DataFrame:
    """Adds `share` of the genre's held-out tracks to genre, predicted_genre and tracks."""
    return counts.assign(share=(counts["tracks"] / counts.groupby("genre")["tracks"].transform("sum")).round(4))


def confusions(table: pd.DataFrame) -> Drawing:
    """A heat map, genre by predicted genre, in an order that puts genres with similar confusions side by side.

    Columns: genre, predicted_genre, tracks, share (of the genre's held-out tracks, 0 to 1).
    """
    genres = sorted(set(table["genre"]) | set(table["predicted_genre"]))
    matrix = table.pivot(index="genre", columns="predicted_genre", values="share")
    matrix = matrix.reindex(index=genres, columns=genres).fillna(0.0)
    order = [genres[place] for place in _alike_first(matrix.to_numpy())]
    matrix = matrix.loc[order, order]
    off = matrix.to_numpy().copy()
    np.fill_diagonal(off, 0)
    top = float(max(np.quantile(off[off > 0], 0.99) if (off > 0).any() else 0, 0.05))
    figure = go.Figure(
        go.Heatmap(
            x=order,
            y=order,
            z=[[value or 0 for value in row] for row in matrix.round(3).to_numpy().tolist()],
            zmin=0,
            zmax=round(top, 3),
            autocolorscale=True,
            hovertemplate="<b>%{y}</b> taken for <b>%{x}</b>: %{z:.1%} of its tracks<extra></extra>",
            colorbar={"title": {"text": "share of the<br>genre's tracks", "side": "right"}, "tickformat": ".0%"},
        )
    )
    size = {"size": 10 if len(order) > 30 else 12}
    axis = {"type": "category", "showgrid": False, "tickfont": size}
    figure.update_layout(
        height=860,
        xaxis={**axis, "title": {"text": "predicted genre"}, "tickangle": -60},
        yaxis={**axis, "title": {"text": "genre"}, "autorange": "reversed"},
    )
    narrow = {"data": {0: {"showscale": False}}, "layout": {"height": 480}}
    return Drawing(_most_confused(off, order), figure, {}, narrow, f"Colour is full at {top:.0%} and above.")


def _alike_first(shares: np.ndarray) -> list[int]:
    """Places in an order that puts similar rows and columns together: average linkage of cosine distances."""
    if len(shares) < 3:
        return list(range(len(shares)))
    profiles = shares + shares.T + np.eye(len(shares)) * 1e-6
    profiles = profiles / np.linalg.norm(profiles, axis=1, keepdims=True)
    distances = squareform(np.clip(1 - profiles @ profiles.T, 0, None), checks=False)
    return [int(place) for place in leaves_list(optimal_leaf_ordering(linkage(distances, "average"), distances))]


def _most_confused(off: np.ndarray, order: list[str]) -> str:
    if not off.any():
        return "No held-out track is taken for one of another genre"
    row, column = np.unravel_index(off.argmax(), off.shape)
    return f"{order[row]} is most often mistaken: for {order[column]}, {off[row, column]:.0%} of its tracks"


def runner_up_table(means: pd.DataFrame) -> pd.DataFrame:
    """The first twelve predicted genres of each genre, and a row for all the others together ("120 other genres").

    Columns: genre, predicted_genre, probability (mean over the genre's held-out tracks), n_tracks.
    """
    ordered = means.sort_values(["genre", "probability", "predicted_genre"], ascending=[True, False, True])
    place = ordered.groupby("genre").cumcount()
    rest = ordered[place >= TARGETS].groupby("genre", as_index=False).agg(
        others=("predicted_genre", "size"), probability=("probability", "sum"), n_tracks=("n_tracks", "first")
    )  # fmt: skip
    rest["predicted_genre"] = [f"{plural(number, 'other genre')}" for number in rest["others"]]
    shown = pd.concat([ordered[place < TARGETS].assign(others=0), rest], ignore_index=True)
    return shown.sort_values("genre", kind="stable", ignore_index=True)[
        ["genre", "predicted_genre", "probability", "n_tracks", "others"]
    ]


def runner_ups(table: pd.DataFrame) -> Drawing:
    """A Sankey of one genre's tracks, for each genre. Takes the table of `runner_up_table`."""
    parts = {str(genre): part for genre, part in table.groupby("genre")}
    sizes = table.groupby("genre")["n_tracks"].first()
    first = min(parts, key=lambda genre: (-int(sizes[genre]), genre))
    choices = {first: _bands(first, parts[first])}
    choices |= {genre: _bands(genre, part) for genre, part in parts.items() if genre != first}
    figure = go.Figure(
        go.Sankey(
            arrangement="fixed",
            node={"pad": 14, "thickness": 14, "hovertemplate": "%{label}<extra></extra>"},
            link={"hovertemplate": "%{source.label} → %{target.label}<extra></extra>"},
            valueformat=".1%",
        )
    )
    figure.update_layout(height=540, margin={"t": 16, "b": 16, "l": 4, "r": 4})
    drawing = Drawing(choices[first]["title"], figure, choices)
    return Drawing(drawing.title, drawing.chosen(first), choices)


def _bands(genre: str, part: pd.DataFrame) -> dict[str, Any]:
    values = part["probability"].round(5).to_numpy()
    own, others = (part["predicted_genre"] == genre).to_numpy(), (part["others"] > 0).to_numpy()
    labels = [f"{name} {value:.1%}" for name, value in zip(part["predicted_genre"], part["probability"], strict=True)]
    colours = [BLUE if mine else GREY if rest else ORANGE for mine, rest in zip(own, others, strict=True)]
    # Plotly would order the bands itself and cross the widest with another, so the genre's own bar is two bars that
    # touch, one for the bands with a name and one for the rest, and every bar has its place.
    heights = values / max(values.sum(), 1e-9) * (1 - BAND_GAP * (len(values) - 1))
    middles = np.cumsum(heights + BAND_GAP) - BAND_GAP - heights / 2
    top = (1 - heights.sum()) / 2
    named = heights[~others].sum()
    sources = [top + named / 2, *(top + named + heights[others] / 2)]
    return {
        "title": _where_probability_goes(genre, part),
        "data": {
            0: {
                "node": {
                    "label": [*labels, f"{genre} ({plural(int(part['n_tracks'].iloc[0]), 'track')})", ""][
                        : len(labels) + len(sources)
                    ],
                    "color": [*colours, *[BLUE] * len(sources)],
                    "x": [*[0.999] * len(values), *[0.001] * len(sources)],
                    "y": [round(float(middle), 4) for middle in (*middles, *sources)],
                },
                "link": {
                    "source": [len(values) + int(rest) for rest in others],
                    "target": list(range(len(values))),
                    "value": values.tolist(),
                    "color": ["rgba(0,114,178,0.35)" if mine else "rgba(127,127,127,0.28)" for mine in own],
                },
            }
        },
    }


def _where_probability_goes(genre: str, part: pd.DataFrame) -> str:
    own = part["predicted_genre"] == genre
    named = part[~own & (part["others"] == 0)]
    title = f"{genre} tracks: little of the probability is on {genre}"
    if own.any():
        title = f"{genre} tracks: {part.loc[own, 'probability'].sum():.0%} of the probability is on {genre}"
    if len(named):
        title += f", {named['probability'].iloc[0]:.0%} on {named['predicted_genre'].iloc[0]}"
    return title


def importances(table: pd.DataFrame) -> Drawing:
    """Bars of the fall in top-1, with its deviation. Columns: feature, importance (0 to 1), standard_deviation."""
    shown = table.sort_values(["importance", "feature"], ascending=[False, True])
    labels = [FEATURES[name][0] if name in FEATURES else name.replace("_", " ") for name in shown["feature"]]
    points = (shown["importance"] * 100).round(3)
    figure = go.Figure(
        go.Bar(
            x=points.tolist(),
            y=labels,
            orientation="h",
            marker_color=BLUE,
            error_x={"array": (shown["standard_deviation"].fillna(0) * 100).round(3).tolist(), "color": GREY,
                     "thickness": 1.5, "width": 4},
            hovertemplate="%{y}: %{x:.2f} points<extra></extra>",
        )
    )  # fmt: skip
    figure.update_layout(
        height=90 + 30 * len(shown),
        bargap=0.35,
        showlegend=False,
        xaxis={"title": {"text": "fall in top-1 when shuffled (percentage points)"}, "rangemode": "tozero"},
        yaxis={"type": "category", "autorange": "reversed"},
    )
    title = f"{labels[0].capitalize()} matters most: shuffled, top-1 falls by {points.iloc[0]:.1f} points"
    return Drawing(title.replace("-0.0", "0.0"), figure)


def calibration(bins: pd.DataFrame) -> Drawing:
    """How often the first guess is right, by its probability; below, how many tracks each bin of probability has.

    Columns: lower_bound, upper_bound, tracks, mean_confidence, accuracy; bins without tracks are left out.
    """
    shown = bins[bins["tracks"] > 0].sort_values("lower_bound")
    if shown.empty:
        raise NothingToDraw("The run has no held-out track, so its confidence cannot be checked.")
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", name="perfectly calibrated", line={"color": GREY, "dash": "dot"},
        hoverinfo="skip",
    )  # fmt: skip
    figure.add_scatter(
        x=shown["mean_confidence"].round(4).tolist(),
        y=shown["accuracy"].round(4).tolist(),
        mode="lines+markers",
        name="this model",
        line={"color": BLUE, "width": 2},
        marker={"size": 9},
        hovertext=[
            f"says {row.mean_confidence:.1%}, is right {row.accuracy:.1%}<br>{plural(row.tracks, 'track')}"
            for row in named_rows(shown)
        ],
        hoverinfo="text",
    )
    figure.add_bar(
        x=((shown["lower_bound"] + shown["upper_bound"]) / 2).round(4).tolist(),
        y=shown["tracks"].tolist(),
        width=(shown["upper_bound"] - shown["lower_bound"]).round(4).tolist(),
        marker={"color": BLUE, "opacity": 0.5},
        yaxis="y2",
        showlegend=False,
        hovertemplate="%{y:,} tracks<extra></extra>",
    )
    figure.update_layout(
        height=560,
        xaxis={"title": {"text": "the model's probability of its first guess"}, "tickformat": ".0%", "range": [0, 1],
               "anchor": "y2"},
        yaxis={"title": {"text": "first guess right"}, "tickformat": ".0%", "range": [0, 1.02], "domain": [0.3, 1]},
        yaxis2={"title": {"text": "tracks"}, "domain": [0, 0.2], "rangemode": "tozero", "nticks": 3},
        legend={"y": 1.03},
    )  # fmt: skip
    weights = shown["tracks"] / shown["tracks"].sum()
    signed = float((weights * (shown["mean_confidence"] - shown["accuracy"])).sum())
    off = float((weights * (shown["mean_confidence"] - shown["accuracy"]).abs()).sum())
    way = "neither over- nor underconfident"
    if abs(signed) > 0.005:
        way = "overconfident" if signed > 0 else "underconfident"
    return Drawing(f"The model's probabilities are off by {off * 100:.1f} points, and on the whole {way}", figure)
