"""Charts that set runs beside one another and beside the study's published figures. Each takes the table behind it."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from ml.charts.style import BLUE, GREY, ORANGE, Drawing, NothingToDraw, named_rows

SCORES = {
    "top_1": "top-1", "top_2": "top-2", "top_3": "top-3", "top_4": "top-4", "macro_f1": "macro F1",
}  # fmt: skip
"""Shares from 0 to 1, of which more is better."""
ROUND = [10.0**power for power in range(-4, 7)]


def long_scores(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per run and figure (value, low, high), from one row per run; figures not measured are left out."""
    columns = [name for name in runs.columns if name.removesuffix("_low").removesuffix("_high") not in SCORES]
    parts = [
        runs[columns].assign(figure=score, value=runs[score], low=runs[f"{score}_low"], high=runs[f"{score}_high"])
        for score in SCORES
        if score in runs.columns
    ]
    return pd.concat(parts, ignore_index=True).dropna(subset="value").reset_index(drop=True)


def answer(table: pd.DataFrame) -> Drawing:
    """Bars of three figures, one bar per contender. Columns: contender, figure, value, low, high (0 to 1)."""
    shown = table[table["figure"].isin(["top_1", "top_3", "macro_f1"])]
    contenders = list(dict.fromkeys(shown["contender"]))
    colours = dict(zip(contenders, (BLUE, ORANGE, GREY, "#a07c00"), strict=False))
    figure = go.Figure()
    for contender in contenders:
        part = shown[shown["contender"] == contender]
        figure.add_bar(
            x=part["value"].round(4).tolist(),
            y=[SCORES[name] for name in part["figure"]],
            orientation="h",
            name=contender,
            marker_color=colours[contender],
            error_x=_interval(part) | {"color": GREY, "thickness": 1.5, "width": 4},
            hovertext=[_hover(row) for row in named_rows(part)],
            hoverinfo="text",
        )
    figure.update_layout(
        height=140 + 26 * len(shown),
        barmode="group",
        bargap=0.25,
        xaxis={"title": {"text": "share right (macro F1: 0 to 1)"}, "tickformat": ".0%", "rangemode": "tozero"},
        yaxis={"type": "category", "autorange": "reversed"},
        legend={"traceorder": "normal"},
    )
    return Drawing(_verdict(shown, contenders), figure)


def _verdict(shown: pd.DataFrame, contenders: list[str]) -> str:
    top = shown[shown["figure"] == "top_1"].set_index("contender")["value"]
    model = contenders[0]
    others = [name for name in contenders if "commonest" in name and name in top.index]
    if not others or top[others[0]] <= 0:
        return f"The model's first guess is right for {top[model]:.1%} of the songs"
    times = top[model] / top[others[0]]
    return f"The model's first guess is right {times:.1f} times as often as always naming the commonest genre"


def _interval(part: pd.DataFrame) -> dict[str, Any]:
    """Plotly's error bar from low and high; none where they are unknown."""
    return {
        "type": "data",
        "symmetric": False,
        "array": (part["high"] - part["value"]).fillna(0).clip(lower=0).round(4).tolist(),
        "arrayminus": (part["value"] - part["low"]).fillna(0).clip(lower=0).round(4).tolist(),
    }


def _hover(row: Any) -> str:
    name = f"<b>{row.contender}</b><br>{SCORES[row.figure]} {row.value:.1%}"
    return name if pd.isna(row.low) else f"{name}<br>95% interval {row.low:.1%} to {row.high:.1%}"


def models(table: pd.DataFrame) -> Drawing:
    """Two panels: top-1 over the seconds of fitting, and over the bytes of the model file.

    Columns: model, features, top_1, top_1_low, top_1_high, fit_seconds, model_bytes (NULL where no file was kept).
    """
    if len(table) < 2:
        raise NothingToDraw(
            "Only one model was trained under this protocol. Train others to compare: song-genres train --help."
        )
    shown = table.sort_values(["top_1", "model"], ascending=[False, True], ignore_index=True)
    names = _model_names(shown)
    figure = go.Figure()
    panels = (("", "fit_seconds", 1.0, "seconds to fit"), ("2", "model_bytes", 1e-6, "megabytes of the model file"))
    for place, column, scale, _ in panels:
        known = shown[column].notna() & (shown[column] > 0)
        part = shown[known]
        figure.add_scatter(
            x=(part[column] * scale).round(4).tolist(),
            y=part["top_1"].round(4).tolist(),
            mode="markers+text",
            text=[name for name, fine in zip(names, known, strict=True) if fine],
            textposition=_beside(part[column]),
            cliponaxis=False,
            marker={"color": BLUE, "size": 11},
            error_y=_interval(part.assign(value=part["top_1"], low=part["top_1_low"], high=part["top_1_high"]))
            | {"color": GREY, "thickness": 1.5, "width": 4},
            hovertemplate="<b>%{text}</b><br>top-1 %{y:.1%}<br>%{x:.3g} " + ("MB" if place else "s")
            + "<extra></extra>",
            showlegend=False,
            xaxis=f"x{place}",
            yaxis=f"y{place}",
        )  # fmt: skip
    wide = [([0, 0.46], [0.0, 1]), ([0.54, 1], [0.0, 1])]
    tall = [([0.0, 1], [0.58, 1]), ([0.0, 1], [0, 0.42])]

    def axes(domains: list[tuple[list[float], list[float]]]) -> dict[str, Any]:
        layout: dict[str, Any] = {}
        for (place, _, _, title), (x, y) in zip(panels, domains, strict=True):
            layout[f"xaxis{place}"] = {
                "type": "log", "domain": x, "anchor": f"y{place}", "title": {"text": f"{title} (logarithmic)"},
                "tickvals": ROUND, "ticktext": [f"{value:,g}" for value in ROUND],
            }  # fmt: skip
            layout[f"yaxis{place}"] = {
                "domain": y, "anchor": f"x{place}", "title": {"text": "top-1"}, "tickformat": ".0%",
                "rangemode": "tozero",
            }  # fmt: skip
        return layout

    figure.update_layout(axes(wide), height=440, margin={"r": 40})
    best, quickest = shown.iloc[0], shown[shown["fit_seconds"].notna()]
    title = f"{names[0]} is right most often, {best['top_1']:.1%}"
    if pd.notna(best["fit_seconds"]):
        title += f", after {best['fit_seconds']:,.3g} s of fitting"
        within = quickest[quickest["top_1"] >= best["top_1"] * 0.9].sort_values("fit_seconds")
        if len(within) and within.index[0] != 0:
            other = within.iloc[0]
            title += f"; {names[within.index[0]]} comes within a tenth of it in {other['fit_seconds']:,.2g} s"
    return Drawing(title, figure, {}, {"layout": {**axes(tall), "height": 760}})


def _beside(values: pd.Series) -> list[str]:
    """The side of its point on which a name has room, on a logarithmic axis."""
    middle = (values.min() * values.max()) ** 0.5 if len(values) > 1 else float("inf")
    return ["middle right" if value <= middle else "middle left" for value in values]


def _model_names(table: pd.DataFrame) -> list[str]:
    several = table["features"].nunique() > 1
    return [
        f"{name} ({features})" if several else str(name)
        for name, features in zip(table["model"], table["features"], strict=True)
    ]


def popularity(table: pd.DataFrame) -> Drawing:
    """One row per what the regression was given: R² on held-out artists with its interval, and on the tracks learnt.

    Columns: inputs, r2, r2_low, r2_high, r2_training, n_test.
    """
    figure = go.Figure()
    figure.add_scatter(
        x=table["r2"].round(4).tolist(), y=table["inputs"].tolist(), mode="markers+text", name="on held-out artists",
        text=[f"{value:.2f}" for value in table["r2"]], textposition="top center", cliponaxis=False,
        marker={"color": BLUE, "size": 11},
        error_x=_interval(table.assign(value=table["r2"], low=table["r2_low"], high=table["r2_high"]))
        | {"color": GREY, "thickness": 1.5, "width": 4},
        hovertemplate="<b>%{y}</b><br>R² %{x:.3f} on held-out artists<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=table["r2_training"].round(4).tolist(), y=table["inputs"].tolist(), mode="markers",
        name="on the tracks learnt, where it flatters",
        marker={"color": ORANGE, "size": 12, "symbol": "diamond-open", "line": {"width": 2}},
        hovertemplate="<b>%{y}</b><br>R² %{x:.3f} on the tracks learnt<extra></extra>",
    )  # fmt: skip
    figure.update_layout(
        height=170 + 40 * len(table),
        xaxis={"title": {"text": "R² (1: wholly; 0: not at all)"}, "rangemode": "tozero"},
        yaxis={"type": "category", "autorange": "reversed", "categoryorder": "array",
               "categoryarray": table["inputs"].tolist()},
        legend={"y": 1.01},
    )  # fmt: skip
    values = table.set_index("inputs")["r2"]
    name, without = "sound and genre", float(values["sound and genre"])
    title = f"For artists not seen, {name} tell {max(without, 0):.0%} of the differences in popularity"
    if "sound, genre and year" in values:
        title += f", with the year {max(float(values['sound, genre and year']), 0):.0%}"
    return Drawing(title, figure)


def protocols(table: pd.DataFrame) -> Drawing:
    """One row per protocol and model: as measured here, with its interval, and as published by the study.

    Columns: protocol, folds, model, features, figure, value, low, high, n_test, published; value or published may be
    NULL, not both.
    """
    names = {
        number: f"{row.protocol}: {row.model}"
        + (f" ({row.features})" if isinstance(row.features, str) and row.features != "audio" else "")
        + (f", {row.folds:.0f} folds" if pd.notna(row.folds) and row.folds > 1 else "")
        for number, row in enumerate(named_rows(table))
    }
    labelled = table.reset_index(drop=True).assign(label=pd.Series(names))
    choices = {
        SCORES[score]: _protocol(labelled[labelled["figure"] == score], SCORES[score])
        for score in SCORES
        if (labelled["figure"] == score).any()
    }
    if not choices:
        raise NothingToDraw("No protocol has been run yet. Run them: make run.")
    preferred = "top-3" if "top-3" in choices else next(iter(choices))
    choices = {preferred: choices[preferred], **choices}
    figure = go.Figure()
    figure.add_scatter(
        mode="markers", name="measured here, on these data", marker={"color": BLUE, "size": 11},
        error_x={"type": "data", "symmetric": False, "color": GREY, "thickness": 1.5, "width": 4}, hoverinfo="text",
    )  # fmt: skip
    figure.add_scatter(
        mode="markers", name="published by the study, on its own tracks", hoverinfo="text",
        marker={"color": ORANGE, "size": 12, "symbol": "diamond-open", "line": {"width": 2}},
    )  # fmt: skip
    figure.update_layout(
        height=130 + 26 * labelled["label"].nunique(),
        xaxis={"tickformat": ".0%", "rangemode": "tozero"},
        yaxis={"type": "category", "autorange": "reversed", "categoryorder": "array", "tickfont": {"size": 12}},
        legend={"y": 1.01},
    )
    narrow = {"layout": {"yaxis": {"tickfont": {"size": 10}}}}
    drawing = Drawing(choices[preferred]["title"], figure, choices, narrow)
    return Drawing(drawing.title, drawing.chosen(preferred), choices, narrow)


def _what_artists_cost(measured: pd.DataFrame, name: str) -> str:
    """What a model that was measured by both loses when artists are kept on one side."""
    single = measured[measured["folds"] == 1]
    values = single.pivot_table(index="model", columns="protocol", values="value", aggfunc="first")
    values = values.reindex(columns=["artist_grouped", "study_2023_04"]).dropna()
    if values.empty:
        return f"{name[:1].upper()}{name[1:]} under each protocol"
    model = str(values["study_2023_04"].idxmax())
    kept, by_row = (float(values[protocol].to_dict()[model]) for protocol in ("artist_grouped", "study_2023_04"))
    verb = "costs" if by_row >= kept else "gains"
    return (
        f"Keeping artists apart {verb} {model} {abs(by_row - kept) * 100:.1f} points of {name}: "
        f"{kept:.1%} against {by_row:.1%}"
    )


def _protocol(part: pd.DataFrame, name: str) -> dict[str, Any]:
    order = list(dict.fromkeys(part.sort_values(["protocol", "label"])["label"]))
    measured, published = part.dropna(subset="value"), part.dropna(subset="published")
    return {
        "title": _what_artists_cost(measured, name),
        "data": {
            0: {
                "x": measured["value"].round(4).tolist(),
                "y": measured["label"].tolist(),
                "error_x": _interval(measured),
                "hovertext": [
                    f"<b>{row.label}</b><br>{name} {row.value:.1%}"
                    + ("" if pd.isna(row.low) else f"<br>95% interval {row.low:.1%} to {row.high:.1%}")
                    + f"<br>{row.n_test:,.0f} tracks tested"
                    for row in named_rows(measured)
                ],
            },
            1: {
                "x": published["published"].round(4).tolist(),
                "y": published["label"].tolist(),
                "hovertext": [
                    f"<b>{row.label}</b><br>{name} {row.published:.1%}, published" for row in named_rows(published)
                ],
            },
        },
        "layout": {"xaxis": {"title": {"text": f"{name} (0 to 100%)"}}, "yaxis": {"categoryarray": order}},
    }
