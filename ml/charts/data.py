"""Charts of the data: cleaning, genres, audio features. Each takes the table behind the chart."""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ml.charts.style import (
    ALL,
    BLUE,
    FEATURES,
    GREY,
    ORANGE,
    Drawing,
    NothingToDraw,
    bars_by_genre,
    family_colours,
    feature_title,
    genre_rows,
    named_rows,
    plural,
)
from warehouse.features import DISCRETE_FEATURES

TICKS = {
    "key": {"tickvals": [0, 2, 4, 5, 7, 9, 11], "ticktext": list("CDEFGAB")},
    "mode": {"tickvals": [0, 1], "ticktext": ["minor", "major"]},
    "time_signature": {"dtick": 1},
}
PAIRS_SHOWN = 30
EARLIEST_DECADE = 1940
"""Tracks from before it count as of it: few are, and columns for all since 1860 would be too narrow to read."""
QUANTILES = {"p05": 0.05, "first_quartile": 0.25, "median": 0.5, "third_quartile": 0.75, "p95": 0.95}


def cleaning(audit: pd.DataFrame) -> Drawing:
    """A waterfall of rows. Columns: rule, description, rows_removed, rows_after; the first row is all listings."""
    first, rules = audit.iloc[0], audit.iloc[1:]
    kept, landed = int(audit["rows_after"].iloc[-1]), int(first["rows_after"])
    labels = ["listings", *rules["rule"].str.replace("_", " "), "clean tracks"]
    amounts = [landed, *(-rules["rows_removed"]).astype(int), kept]
    figure = go.Figure(
        go.Waterfall(
            y=labels,
            x=amounts,
            orientation="h",
            measure=["absolute", *["relative"] * len(rules), "total"],
            text=[f"{amount:,}".replace("-", "−") for amount in amounts],
            textposition="auto",
            hovertext=[first["description"], *rules["description"], "What is left"],
            hoverinfo="text+x",
            decreasing={"marker": {"color": ORANGE}},
            increasing={"marker": {"color": BLUE}},
            totals={"marker": {"color": BLUE}},
            cliponaxis=False,
        )
    )
    figure.update_layout(
        height=420,
        xaxis={"title": {"text": "rows"}, "rangemode": "tozero"},
        yaxis={"type": "category", "autorange": "reversed"},
        showlegend=False,
    )
    title = f"{kept:,} of {landed:,} listings are clean tracks"
    if len(rules) and rules["rows_removed"].max() > 0:
        most = rules.sort_values("rows_removed", ascending=False, kind="stable")["rule"].iloc[0].replace("_", " ")
        title += f"; the rule “{most}” took most of the others"
    return Drawing(title, figure)


def tracks_per_genre(counts: pd.DataFrame) -> Drawing:
    """Bars of the columns genre, family and tracks, the largest first."""
    shown = counts.sort_values(["tracks", "genre"], ascending=[False, True])
    largest, smallest = shown.iloc[0], shown.iloc[-1]
    title = f"{largest['genre']} has {plural(int(largest['tracks']), 'track')}"
    if len(shown) > 1:
        title += f", {smallest['genre']} has {int(smallest['tracks']):,}"
    figure = bars_by_genre(
        shown,
        "tracks",
        axis="clean tracks",
        text=[f"{tracks:,}" for tracks in shown["tracks"]],
        hover=[f"<b>{row.genre}</b><br>{plural(row.tracks, 'track')}<br>{row.family}" for row in named_rows(shown)],
    )
    return Drawing(title, figure, families=family_colours(shown))


def overlap(pairs: pd.DataFrame) -> Drawing:
    """Bars of the pairs of genres that share most of their tracks, the largest Jaccard index first.

    Columns: genre, other_genre, tracks_in_both, jaccard (0 to 1).
    """
    shown = pairs.sort_values(["jaccard", "genre", "other_genre"], ascending=[False, True, True]).head(PAIRS_SHOWN)
    labels = [f"{row.genre} · {row.other_genre}" for row in named_rows(shown)]
    figure = go.Figure(
        go.Bar(
            x=shown["jaccard"].round(4).tolist(),
            y=labels,
            orientation="h",
            text=[f"{row.jaccard:.1%}" for row in named_rows(shown)],
            textposition="outside",
            cliponaxis=False,
            hovertext=[
                f"<b>{label}</b><br>{plural(row.tracks_in_both, 'track')} in both"
                for label, row in zip(labels, named_rows(shown), strict=True)
            ],
            hoverinfo="text",
            marker_color=BLUE,
        )
    )
    figure.update_layout(bargap=0.3, showlegend=False, margin={"r": 48}, **genre_rows(labels))
    figure.update_xaxes(title={"text": "tracks in both, of those in either"}, tickformat=".0%", rangemode="tozero")
    first = shown.iloc[0]
    title = (
        f"{first['genre']} and {first['other_genre']} share most: {first['jaccard']:.0%} of their tracks are in both"
    )
    left = len(pairs) - len(shown)
    note = f"{plural(left, 'more pair')} of genres with a track in common: in the table." if left else ""
    return Drawing(title, figure, note=note)


def decades(table: pd.DataFrame) -> Drawing:
    """A heat map with figures: which share of a genre's dated tracks is of each decade, the oldest genres first.

    Columns: genre, decade (its first year; the first column of the chart holds all that came before its end),
    tracks, mean_year (of the genre, in each of its rows).
    """
    wide = table.pivot(index="genre", columns="decade", values="tracks").fillna(0)
    first, last = int(table["decade"].min()), int(table["decade"].max())
    wide = wide.reindex(columns=range(first, last + 1, 10), fill_value=0)
    years = table.drop_duplicates("genre").set_index("genre")["mean_year"].sort_index().sort_values(kind="stable")
    wide = wide.loc[years.index]
    shares = wide.div(wide.sum(axis="columns"), axis="index")
    names = [
        f"{decade}s" if decade > EARLIEST_DECADE else f"–{EARLIEST_DECADE + 9}" for decade in range(first, last + 1, 10)
    ]
    figure = go.Figure(
        go.Heatmap(
            x=names,
            y=wide.index.tolist(),
            z=shares.round(3).to_numpy().tolist(),
            zmin=0,
            zmax=1,  # most cells stay pale, and their figures legible
            autocolorscale=True,
            customdata=wide.astype(int).to_numpy().tolist(),
            texttemplate="%{z:.0%}",
            textfont={"size": 10},
            hovertemplate="<b>%{y}</b>, %{x}: %{customdata} tracks, %{z:.1%}<extra></extra>",
            showscale=False,
            xgap=1,
            ygap=1,
        )
    )
    figure.update_layout(genre_rows(wide.index.tolist()))
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_yaxes(showgrid=False)
    title = f"The tracks of {years.index[0]} are from {years.iloc[0]:.0f} on average"
    if len(years) > 1:
        title += f", those of {years.index[-1]} from {years.iloc[-1]:.0f}"
    return Drawing(title, figure)


def distributions(bins: pd.DataFrame) -> Drawing:
    """One panel per feature: all tracks and the genre chosen, each as shares of its tracks, whatever their number.

    Columns: genre, feature, bin, lower_bound, upper_bound, tracks. The bins of a feature are equally wide; one without
    tracks may be left out. A discrete feature has one bin per value, whose two bounds are that value.
    """
    totals = bins.groupby(["genre", "feature"])["tracks"].transform("sum")
    shares = bins.assign(share=bins["tracks"] / totals)
    features = [name for name in FEATURES if name in set(bins["feature"])]
    sizes = bins[bins["feature"] == features[0]].groupby("genre")["tracks"].sum().to_dict()
    genres = sorted(set(bins["genre"]) - {ALL}, key=lambda name: (-sizes.get(name, 0), name))
    figure = go.Figure()
    columns, distances = {}, {}
    for place, feature in enumerate(features, start=1):
        part = shares[shares["feature"] == feature]
        x, wide = _histogram(part, feature)
        columns[feature] = wide.reindex([ALL, *genres]).fillna(0.0).round(4)
        # Half the sum of differences: the share of a genre's tracks that lies where other tracks do not.
        values = columns[feature].to_numpy()
        distances[feature] = (np.abs(values - values[0]).sum(axis=1) / 2).tolist()
        axes = {"xaxis": f"x{place}", "yaxis": f"y{place}"}
        figure.add_bar(
            x=x, y=values[0].tolist(), name=ALL, marker={"color": GREY, "opacity": 0.45},
            hovertemplate="all: %{y:.1%}<extra></extra>", legendgroup="all", showlegend=place == 1, **axes,
        )  # fmt: skip
        look: dict[str, Any] = {"mode": "lines", "line": {"color": BLUE, "width": 2, "shape": "hvh"}}
        if feature in DISCRETE_FEATURES:
            look = {"mode": "markers", "marker": {"color": BLUE, "size": 9, "symbol": "diamond"}}
        figure.add_scatter(
            x=x, y=[], name="genre", legendgroup="genre", showlegend=place == 1, cliponaxis=False,
            hovertemplate="%{y:.1%}<extra></extra>", **look, **axes,
        )  # fmt: skip
    apart = pd.DataFrame(distances, index=[ALL, *genres])
    choices: dict[str, dict[str, Any]] = {
        genre: {
            "title": f"{genre} differs most from all tracks in {_name(apart.loc[genre].idxmax())}, "
            f"least in {_name(apart.loc[genre].idxmin())}",
            "data": {
                2 * place + 1: {"y": [value or 0 for value in columns[feature].loc[genre].tolist()], "name": genre}
                for place, feature in enumerate(features)
            },
        }
        for genre in genres
    }
    if not choices:
        raise NothingToDraw("Distributions take one genre or more.")
    figure.update_layout(
        _panels(features, columns=3, row_height=165),
        bargap=0,
        barmode="overlay",
        legend={"x": 1, "xanchor": "right", "y": 1.02},
    )
    for place, feature in enumerate(features, start=1):
        figure.layout[f"yaxis{place}"].update(tickformat=".0%", rangemode="tozero", nticks=4)
        figure.layout[f"xaxis{place}"].update(TICKS.get(feature, {}), showgrid=False)
    narrow = _panels(features, columns=1, row_height=150)
    return Drawing(choices[genres[0]]["title"], figure, choices, {"layout": narrow})


def _name(feature: object) -> str:
    return FEATURES[str(feature)][0]


def _histogram(part: pd.DataFrame, feature: str) -> tuple[list[float], pd.DataFrame]:
    """Middles of a feature's bins in the unit shown, and the shares, genre by bin; bins that have no tracks too."""
    wide = part.pivot(index="genre", columns="bin", values="share").sort_index(axis="columns")
    edges = part.drop_duplicates("bin").set_index("bin")[["lower_bound", "upper_bound"]].sort_index()
    if feature not in DISCRETE_FEATURES and len(edges) > 1:
        numbers = edges.index.to_numpy()
        step = int(np.diff(numbers).min())
        wide = wide.reindex(columns=range(int(numbers[0]), int(numbers[-1]) + 1, step))
        width = float((edges["upper_bound"] - edges["lower_bound"]).iloc[0])
        lower = float(edges["lower_bound"].iloc[0]) + width * np.arange(wide.shape[1])
        middles = lower + width / 2
    else:
        middles = edges.mean(axis="columns").to_numpy()
    return (middles * FEATURES[feature][2]).round(4).tolist(), wide


def _panels(features: list[str], columns: int, row_height: int) -> dict[str, Any]:
    """Axes of a grid of panels, row by row, with each feature's name and unit above its panel."""
    rows = -(-len(features) // columns)
    layout: dict[str, Any] = {"height": 60 + rows * row_height, "margin": {"t": 56, "r": 12, "l": 8, "b": 8}}
    layout["annotations"] = []
    gap = 0.06 if columns > 1 else 0.0
    width, height = (1 - gap * (columns - 1)) / columns, 1 / rows
    for place, feature in enumerate(features):
        left, top = place % columns * (width + gap), 1 - place // columns * height
        x = [round(left, 4), round(left + width, 4)]
        y = [round(max(top - height * 0.7, 0), 4), round(top - height * 0.06, 4)]
        number = place + 1 if place else ""  # Plotly's first axis has no number
        layout[f"xaxis{number}"] = {"domain": x, "anchor": f"y{number}", "tickfont": {"size": 11}}
        layout[f"yaxis{number}"] = {"domain": y, "anchor": f"x{number}", "tickfont": {"size": 11}}
        layout["annotations"].append(
            {"text": f"<b>{feature_title(feature)}</b>", "showarrow": False, "xref": "paper", "yref": "paper",
             "x": x[0], "y": y[1], "xanchor": "left", "yanchor": "bottom", "font": {"size": 12},
             "bgcolor": "rgba(0,0,0,0)"}
        )  # fmt: skip
    return layout


def quantiles(bins: pd.DataFrame) -> pd.DataFrame:
    """Quantiles of each genre and feature, read off its histogram: genre, feature, tracks, p05 … p95.

    `bins` has the columns genre, feature, lower_bound, upper_bound and tracks, each genre and feature in order. Within
    a bin the tracks are taken as evenly spread, so a quantile is off by less than a bin; what lies beyond the first or
    the last bin counts as within it.
    """
    rows = []
    for (genre, feature), part in bins.groupby(["genre", "feature"], sort=False):
        tracks = part["tracks"].to_numpy(dtype=float)
        low, high = part["lower_bound"].to_numpy(), part["upper_bound"].to_numpy()
        after = tracks.cumsum()
        wanted = np.array(list(QUANTILES.values())) * after[-1]
        place = np.minimum(np.searchsorted(after, wanted - 1e-9), len(after) - 1)
        within = (wanted - (after[place] - tracks[place])) / tracks[place]
        values = low[place] + within * (high[place] - low[place])
        rows.append((genre, feature, int(after[-1]), *values.round(5)))
    return pd.DataFrame(rows, columns=["genre", "feature", "tracks", *QUANTILES])


def boxes(table: pd.DataFrame) -> Drawing:
    """One box per genre for the feature chosen, the highest median first. Takes the table of `quantiles`."""
    features = [name for name in FEATURES if name in set(table["feature"]) and name not in DISCRETE_FEATURES]
    if table["genre"].eq(ALL).all():
        raise NothingToDraw("Box plots take one genre or more.")
    choices = {feature_title(name): _boxes(table, name) for name in features}
    preferred = feature_title("energy") if "energy" in features else feature_title(features[0])
    choices = {preferred: choices[preferred], **choices}
    figure = go.Figure(
        go.Box(orientation="h", line={"color": BLUE, "width": 1.3}, fillcolor="rgba(0,114,178,0.25)", hoverinfo="x",
               whiskerwidth=0.4, **choices[preferred]["data"][0])
    )  # fmt: skip
    figure.update_layout(boxgap=0.35, showlegend=False, **genre_rows(choices[preferred]["data"][0]["y"]))
    figure.update_layout(choices[preferred]["layout"])
    return Drawing(choices[preferred]["title"], figure, choices)


def _boxes(table: pd.DataFrame, feature: str) -> dict[str, Any]:
    name, unit, scale = FEATURES[feature]
    part = table[table["feature"] == feature]
    shown = part[part["genre"] != ALL].sort_values(["median", "genre"], ascending=[False, True])
    pooled = part.loc[part["genre"] == ALL, "median"] * scale
    ends = ("p05", "first_quartile", "median", "third_quartile", "p95")
    keys = ("lowerfence", "q1", "median", "q3", "upperfence")
    data = {key: (shown[end] * scale).round(4).tolist() for key, end in zip(keys, ends, strict=True)}
    data["y"] = shown["genre"].tolist()
    title = f"Median {name} of {shown['genre'].iloc[0]}: {shown['median'].iloc[0] * scale:.3g}"
    if len(shown) > 1:
        title += f"; of {shown['genre'].iloc[-1]}: {shown['median'].iloc[-1] * scale:.3g}"
    shapes = [
        {"type": "line", "xref": "x", "yref": "paper", "x0": value, "x1": value, "y0": 0, "y1": 1,
         "line": {"color": ORANGE, "width": 1.5, "dash": "dot"}, "layer": "below"}
        for value in pooled.round(4)
    ]  # fmt: skip
    return {
        "title": f"{title} ({unit})",
        "data": {0: data},
        "layout": {
            "xaxis": {"title": {"text": f"{feature_title(feature)}; dotted: median of all clean tracks"}},
            "yaxis": {"categoryarray": data["y"]},
            "shapes": shapes,
        },
    }


def correlation(pairs: pd.DataFrame) -> Drawing:
    """A heat map of Pearson's r. Columns: feature, other_feature, tracks, correlation (NULL where one never varies)."""
    features = [name for name in FEATURES if name in set(pairs["feature"])]
    matrix = pairs.pivot(index="feature", columns="other_feature", values="correlation").reindex(
        index=features, columns=features
    )
    labels = [FEATURES[name][0] for name in features]
    values = [[None if np.isnan(value) else round(value, 3) for value in row] for row in matrix.to_numpy(dtype=float)]
    figure = go.Figure(
        go.Heatmap(
            x=labels, y=labels, z=values, zmin=-1, zmax=1, autocolorscale=True, texttemplate="%{z:.2f}",
            textfont={"size": 10}, hovertemplate="%{y} and %{x}: r = %{z:.2f}<extra></extra>",
            colorbar={"title": {"text": "r"}}, xgap=1, ygap=1,
        )
    )  # fmt: skip
    figure.update_layout(
        height=620,
        xaxis={"type": "category", "showgrid": False, "tickangle": -45},
        yaxis={"type": "category", "autorange": "reversed", "showgrid": False},
    )
    narrow = {"data": {0: {"texttemplate": "", "showscale": False}}, "layout": {"height": 430}}
    others = pairs[pairs["feature"] < pairs["other_feature"]].dropna(subset="correlation")
    if others.empty:
        return Drawing("No two audio features vary together", figure, {}, narrow)
    top = others.sort_values("correlation", key=abs, ascending=False, kind="stable").iloc[0]
    names = FEATURES[top["feature"]][0], FEATURES[top["other_feature"]][0]
    way = "rise and fall together" if top["correlation"] > 0 else "go opposite ways"
    title = f"{names[0].capitalize()} and {names[1]} {way} most: r = {top['correlation']:.2f}".replace("-", "−")
    return Drawing(title, figure, {}, narrow)
