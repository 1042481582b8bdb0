"""Which genres sound alike, from the means of their audio features: families, clusters and a map.

Belongs here: how they are named and drawn, without a model, so that it fits any labels. Not here: how genres are put
together (ml/clusters.py), and which the model takes for each other (model.py).
"""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from scipy.spatial.distance import cdist

from ml.charts.style import (
    FAMILY_COLOURS,
    FAMILY_MARKS,
    GREY,
    Drawing,
    NothingToDraw,
    family_colour,
    genre_rows,
    named_rows,
)
from ml.clusters import calm_first, number_of_clusters, standardised_means, ward

WORDS = {
    "danceability": ("undanceable", "danceable"), "energy": ("calm", "energetic"), "loudness": ("quiet", "loud"),
    "mode": ("minor", "major"), "speechiness": ("unspoken", "wordy"), "acousticness": ("electric", "acoustic"),
    "instrumentalness": ("sung", "instrumental"), "liveness": ("studio", "live"), "valence": ("sombre", "cheerful"),
    "tempo": ("slow", "fast"), "duration_ms": ("short", "long"),
}  # fmt: skip
"""What less and more of a feature sounds like."""

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "triangle-down", "pentagon")
NEIGHBOURS = 5


def families(summary: pd.DataFrame) -> pd.Series:
    """The family of each genre: at most eight groups of Ward's clustering of the means, calm ones first.

    A name is a mark and the two features that set the family most apart, such as "① calm, acoustic". Where there are
    too few genres for two families, every name is "".
    """
    means = standardised_means(summary)
    if number_of_clusters(len(means)) == 1:
        return pd.Series("", index=means.index, name="family", dtype=object)
    groups = calm_first(means, ward(means.to_numpy(), number_of_clusters(len(means))))
    centres = means.groupby(groups).mean()
    names = {
        place: f"{mark} {', '.join(_words(centres.loc[place], 2))}"
        for place, mark in zip(centres.index, FAMILY_MARKS, strict=False)
    }
    return groups.map(names).rename("family")


def _words(weights: pd.Series, number: int, sign: int = 1) -> list[str]:
    """The features of the largest weights as words, each for its weight's direction (against it where `sign` is -1)."""
    largest = weights.abs().sort_values(ascending=False, kind="stable").index[:number]
    return [WORDS[name][int(float(weights.to_dict()[name]) * sign > 0)] for name in largest]


def flat(scores: pd.DataFrame) -> tuple[np.ndarray, list[str]]:
    """The first two principal components of z-scores (one column per feature): the rows' places, and two axis labels.

    The first axis rises with energy, the second with danceability.
    """
    _, scales, directions = np.linalg.svd(scores.to_numpy(), full_matrices=False)
    weights = directions[:2]
    for place, feature in enumerate(("energy", "danceability")):
        if feature in scores and weights[place, scores.columns.get_loc(feature)] < 0:
            weights[place] *= -1
    shares = scales**2 / max((scales**2).sum(), 1e-12)
    named = [pd.Series(row, index=scores.columns) for row in weights]
    labels = [
        f"← {', '.join(_words(named[place], 3, -1))} · {', '.join(_words(named[place], 3))} →"
        f"  ({shares[place]:.0%} of the differences)"
        for place in (0, 1)
    ]
    return scores.to_numpy() @ weights.T, labels


def map_table(summary: pd.DataFrame) -> pd.DataFrame:
    """Principal components of the standardised means: genre, family, tracks, first, second, nearest, and two labels.

    `nearest` names the five genres at the smallest distance over all features, not only over the two components.
    """
    means = standardised_means(summary)
    if len(means) < 3:
        raise NothingToDraw("A map takes three genres or more. Add genres: song-genres import, or a crawl of more.")
    places, labels = flat(means)
    near = np.argsort(cdist(means, means), axis=1, kind="stable")
    nearest = [
        [str(means.index[other]) for other in row if other != number][:NEIGHBOURS] for number, row in enumerate(near)
    ]
    tracks = summary.groupby("genre")["tracks"].max()
    table = pd.DataFrame({"genre": means.index, "tracks": tracks.reindex(means.index).to_numpy()})
    table["family"] = table["genre"].map(families(summary))
    return table.assign(
        first=places[:, 0].round(3), second=places[:, 1].round(3), nearest=["; ".join(names) for names in nearest],
        first_axis=labels[0], second_axis=labels[1],
    )  # fmt: skip


def genre_map(table: pd.DataFrame) -> Drawing:
    """One point per genre in its family's colour; for the genre chosen, lines to the nearest. Takes `map_table`."""
    figure = go.Figure()
    symbols = dict(zip(FAMILY_COLOURS, SYMBOLS, strict=True))
    for family in sorted(set(table["family"])):
        part = table[table["family"] == family]
        colour = family_colour(family)
        figure.add_scatter(
            x=part["first"].tolist(),
            y=part["second"].tolist(),
            mode="markers",
            name=family or "genres",
            marker={"color": colour, "symbol": symbols[colour], "size": 9, "opacity": 0.85},
            customdata=part["genre"].tolist(),
            hovertext=[f"<b>{row.genre}</b><br>{row.family}<br>{row.tracks:,} tracks" for row in named_rows(part)],
            hoverinfo="text",
        )
    named = _names_with_room(table)
    figure.add_scatter(
        x=named["first"].tolist(), y=named["second"].tolist(), mode="text",
        text=[f"\u2002{name}" for name in named["genre"]],
        textposition="middle right", textfont={"size": 10}, hoverinfo="skip", showlegend=False,
    )  # fmt: skip
    labels = len(figure.data) - 1
    figure.add_scatter(mode="lines", line={"color": GREY, "width": 1.5}, hoverinfo="skip", showlegend=False)
    figure.add_scatter(
        mode="markers", hoverinfo="skip", showlegend=False,
        marker={"size": 15, "color": "rgba(0,0,0,0)", "line": {"color": GREY, "width": 2}},
    )  # fmt: skip
    places = {row.genre: (row.first, row.second) for row in named_rows(table)}
    spread = max(float(table["second"].max() - table["second"].min()), 1e-9)
    choices = {}
    for row in named_rows(table):
        near = [name for name in row.nearest.split("; ") if name in places]
        choices[row.genre] = _chosen(row.genre, near, places, labels, 500 / spread)
    first = str(table.sort_values(["tracks", "genre"], ascending=[False, True])["genre"].iloc[0])
    choices = {first: choices[first], **choices}
    figure.update_layout(
        height=640,
        showlegend=bool(table["family"].ne("").any()),
        xaxis={"title": {"text": table["first_axis"].iloc[0]}, "showgrid": False},
        yaxis={"title": {"text": table["second_axis"].iloc[0]}, "showgrid": False},
    )
    # A phone has no room for all the names, nor for a long axis title.
    wrapped = [
        str(table[name].iloc[0]).replace(" · ", "<br>").replace("  (", "<br>(")
        for name in ("first_axis", "second_axis")
    ]
    narrow = {
        "data": {labels: {"visible": False}},
        "layout": {
            "height": 720,
            "xaxis": {"title": {"text": wrapped[0], "font": {"size": 11}}},
            "yaxis": {"title": {"text": wrapped[1], "font": {"size": 11}}},
        },
    }
    return Drawing(choices[first]["title"], figure, choices, narrow)


def clusters(table: pd.DataFrame) -> Drawing:
    """One row per genre, one column per method: the number of the genre's cluster, in its colour.

    Columns: method, genre, cluster, clusters, silhouette, stability. Genres that all methods put together stand one
    below the other.
    """
    methods = table.drop_duplicates("method").set_index("method")
    wide = table.pivot(index="genre", columns="method", values="cluster")[list(methods.index)]
    order = wide.sort_values([*methods.index, "genre"]).index.tolist()
    names = {
        row.Index: f"{row.Index}<br>silhouette {row.silhouette:.2f}<br>stability {row.stability:.2f}"
        for row in named_rows(methods)
    }
    figure = go.Figure()
    for number in sorted(set(table["cluster"])):
        part = table[table["cluster"] == number]
        figure.add_scatter(
            x=part["method"].map(names).tolist(),
            y=part["genre"].tolist(),
            mode="text",
            text=[FAMILY_MARKS[number - 1]] * len(part),
            textfont={"size": 17, "color": FAMILY_COLOURS[number - 1]},
            hovertext=[f"<b>{row.genre}</b><br>{row.method}: cluster {row.cluster}" for row in named_rows(part)],
            hoverinfo="text",
            showlegend=False,
        )
    layout = genre_rows(order)
    layout["height"] += 30
    layout["xaxis"] |= {
        "type": "category", "categoryorder": "array", "categoryarray": list(names.values()), "tickfont": {"size": 12},
        "showgrid": False, "range": [-0.5, len(names) - 0.5],
    }  # fmt: skip
    layout["yaxis"] |= {"autorange": False, "range": [len(order) - 0.4, -0.8]}
    figure.update_layout(layout)
    best = methods["silhouette"].fillna(-1).idxmax()
    steadiest = methods["stability"].fillna(-1).idxmax()
    title = f"{best} sets groups of genres most clearly apart"
    title += ", and keeps them best" if best == steadiest else f", {steadiest} keeps them best"
    title += " when the artists are drawn anew"
    return Drawing(title, figure, {}, {"layout": {"xaxis": {"tickfont": {"size": 9}}}})


def _chosen(
    genre: str, near: list[str], places: dict[str, tuple[float, float]], labels: int, pixels: float
) -> dict[str, Any]:
    """What differs where `genre` is chosen. `pixels` is the height of a unit of the second component, about."""
    x, y = places[genre]
    names = [genre, *near]
    lines = {
        "x": [value for name in near for value in (x, places[name][0], None)],
        "y": [value for name in near for value in (y, places[name][1], None)],
    }
    ring = {"x": [places[name][0] for name in names], "y": [places[name][1] for name in names]}
    # Each neighbour's name on the side away from the genre, and above the name below it.
    annotations: list[dict[str, Any]] = []
    tops = {"left": -float("inf"), "right": -float("inf")}
    for name in sorted(names, key=lambda name: places[name][1]):
        side = "left" if places[name][0] >= x and name != genre else "right"
        height = places[name][1] * pixels
        shift = max(0.0, tops[side] + 16 - height)
        tops[side] = height + shift
        annotations.append(
            {
                "x": places[name][0],
                "y": places[name][1],
                "text": f"<b>{name}</b>" if name == genre else name,
                "xanchor": side,
                "xshift": 11 if side == "left" else -11,
                "yshift": round(shift),
            }
        )
    alike = f"{genre}, alone on the map"
    if near:
        alike = f"{genre} sounds most like {', '.join(near[:2])}{' and ' + near[2] if len(near) > 2 else ''}"
    return {"title": alike, "data": {labels + 1: lines, labels + 2: ring},
            "layout": {"annotations": annotations}}  # fmt: skip


def _names_with_room(table: pd.DataFrame, width: int = 860, height: int = 560) -> pd.DataFrame:
    """The genres whose names fit beside their points without touching another name; those with most tracks go first."""
    spread = [max(table[name].max() - table[name].min(), 1e-9) for name in ("first", "second")]
    taken: list[tuple[float, float, float]] = []
    fits = []
    for row in named_rows(table.sort_values(["tracks", "genre"], ascending=[False, True])):
        left, middle = row.first / spread[0] * width, row.second / spread[1] * height
        right = left + 20 + 6 * len(row.genre)
        if all(abs(middle - other[2]) > 13 or right < other[0] or left > other[1] for other in taken):
            taken.append((left, right, middle))
            fits.append(row.Index)
    return table.loc[fits]
