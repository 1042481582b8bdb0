"""What all charts share: the drawing that they return, colours, units, and the looks of light and dark.

Belongs here: what more than one chart needs. Not here: a chart.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from ml.dataset import ModelError
from warehouse.features import feature_units

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#7f7f7f"
FAMILY_COLOURS = (BLUE, ORANGE, "#009e73", "#b8609a", "#a07c00", "#7a6bd6", "#2f8fae", GREY)
"""Okabe and Ito's palette, its light colours darkened: each has a contrast of 3 or more on both themes' paper."""
FAMILY_MARKS = "①②③④⑤⑥⑦⑧"

THEMES = {
    "light": {"paper": "#fcfcfa", "ink": "#1c1d1f", "quiet": "#565a60", "line": "#dcdedf", "panel": "#f3f4f3",
              "accent": "#00588c", "note": "#fff1c9", "note-ink": "#473500"},
    "dark": {"paper": "#15171a", "ink": "#e9eaeb", "quiet": "#a6abb2", "line": "#33373c", "panel": "#1d2024",
             "accent": "#7cc4f2", "note": "#3d320c", "note-ink": "#ffe7a0"},
}  # fmt: skip
"""The page's colours; text on paper, panel and note has a contrast of 4.5 or more."""

ALL = "All genres"
_UNITS = {
    "share": ("0 to 1", 1.0), "pitch class": ("", 1.0), "flag": ("", 1.0), "ms": ("s", 0.001),
    "points": ("0 to 100 points", 1.0),
}  # fmt: skip
FEATURES: dict[str, tuple[str, str, float]] = {
    name: (name.removesuffix("_ms").replace("_", " "), *_UNITS.get(unit, (unit, 1.0)))
    for name, unit in feature_units().items()
}
"""The features in the study's order: name to show, unit to show, and the factor from the mart's unit to it."""


class NothingToDraw(ModelError):
    """There are rows, but too few for the chart; the message says what it would take."""


@dataclass(frozen=True)
class Drawing:
    """A chart as drawn: a title that says what is seen, and a figure for the first of its choices.

    `choices` holds for each choice of the reader what differs: {"data": {number of the trace: part of a trace},
    "layout": part of the layout}. `narrow` is the part of the layout that differs on a narrow screen. `note` is a
    sentence for the caption. `families` are the colours of the families that it shows.
    """

    title: str
    figure: go.Figure
    choices: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    narrow: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    families: Mapping[str, str] = field(default_factory=dict)

    def chosen(self, choice: str) -> go.Figure:
        """The whole figure that the page shows for `choice`."""
        figure, part = go.Figure(self.figure), self.choices[choice]
        for number, trace in part.get("data", {}).items():
            figure.data[number].update(trace, overwrite=False)
        return figure.update_layout(part.get("layout", {}))


def template(theme: str) -> dict[str, Any]:
    """Plotly's template for "light" or "dark", as JSON takes it; the page gives it to every figure."""
    colours = THEMES[theme]
    axis = {
        "automargin": True,
        "zeroline": False,
        "gridcolor": colours["line"],
        "linecolor": colours["line"],
        "title": {"standoff": 10, "font": {"size": 13, "color": colours["quiet"]}},
    }
    middle = colours["paper"]
    strong = "#00456e" if theme == "light" else "#8fd0f8"
    warm = "#8f3d00" if theme == "light" else "#ffa35c"
    bar = {"outlinewidth": 0, "thickness": 12, "tickfont": {"size": 11}}
    return {
        "layout": {
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "colorway": list(FAMILY_COLOURS),
            "font": {"color": colours["ink"], "size": 13},
            "margin": {"l": 8, "r": 12, "t": 28, "b": 8},
            "xaxis": axis,
            "yaxis": axis,
            "hoverlabel": {"align": "left", "bgcolor": colours["panel"], "bordercolor": colours["quiet"],
                           "font": {"color": colours["ink"]}},
            "legend": {"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0, "itemsizing": "constant"},
            "modebar": {"color": colours["quiet"], "activecolor": colours["accent"], "bgcolor": "rgba(0,0,0,0)"},
            "colorscale": {
                "sequential": [[0, colours["panel"]], [0.5, BLUE if theme == "light" else "#2f80b0"], [1, strong]],
                "diverging": [[0, warm], [0.25, ORANGE], [0.5, middle], [0.75, BLUE], [1, strong]],
            },
            "annotationdefaults": {"font": {"color": colours["ink"]}, "bgcolor": colours["paper"] + "c8",
                                   "showarrow": False},
            "shapedefaults": {"line": {"color": colours["quiet"]}},
        },
        "data": {
            "heatmap": [{"autocolorscale": True, "colorbar": bar}],
            "sankey": [{"node": {"line": {"width": 0}}, "textfont": {"color": colours["ink"], "size": 13}}],
            "scatter": [{"textfont": {"color": colours["quiet"], "size": 11}}],
            "bar": [{"textfont": {"size": 11}, "outsidetextfont": {"color": colours["ink"]}}],
            "waterfall": [{"connector": {"line": {"color": colours["line"], "width": 1}},
                           "outsidetextfont": {"color": colours["ink"]}}],
        },
    }  # fmt: skip


def feature_title(feature: str) -> str:
    """A feature's name with its unit, such as "tempo (bpm)"."""
    name, unit, _ = FEATURES.get(feature, (feature.replace("_", " "), "", 1))
    return f"{name} ({unit})" if unit else name


def named_rows(table: pd.DataFrame) -> Iterable[Any]:
    """The table's rows as named tuples."""
    return table.itertuples()


def plural(number: int, noun: str) -> str:
    """The number with its noun, such as 1 genre or 1,234 genres."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def bars_by_genre(
    table: pd.DataFrame, column: str, *, axis: str, text: list[str], hover: list[str], range_to: float | None = None
) -> go.Figure:
    """Horizontal bars of `column` in the table's order, its first row on top, each family in its colour.

    Columns: genre, family, and `column`. A name that looks like a number or a date stays a name.
    """
    figure = go.Figure()
    shown = table.reset_index(drop=True)
    for family in sorted(set(shown["family"])):
        rows = shown.index[shown["family"] == family]
        figure.add_bar(
            x=shown.loc[rows, column].round(4).tolist(),
            y=shown.loc[rows, "genre"].tolist(),
            orientation="h",
            name=family or "genres",
            text=[text[row] for row in rows],
            textposition="outside",
            cliponaxis=False,
            hovertext=[hover[row] for row in rows],
            hoverinfo="text",
            marker_color=family_colour(family),
        )
    return figure.update_layout(
        bargap=0.3,
        barmode="overlay",
        showlegend=False,
        margin={"r": 48},
        **genre_rows(shown["genre"].tolist()),
    ).update_xaxes(title={"text": axis}, range=None if range_to is None else [0, range_to])


def genre_rows(genres: list[str]) -> dict[str, Any]:
    """The layout of a chart with one row per genre, the first on top: tall enough for every name, the axis above."""
    return {
        "height": 80 + 19 * max(len(genres), 3),
        "xaxis": {"side": "top"},
        "yaxis": {
            "type": "category",
            "autorange": "reversed",
            "categoryorder": "array",
            "categoryarray": genres,
            "dtick": 1,
            "tickfont": {"size": 12},
        },
    }


def family_colours(table: pd.DataFrame) -> dict[str, str]:
    """The families of the table's genres with their colours; none where there are no families."""
    return {name: family_colour(name) for name in sorted(set(table["family"])) if name}


def family_colour(family: str) -> str:
    """The colour of a family by the mark that its name begins with; blue where there are no families."""
    place = FAMILY_MARKS.find(family[:1]) if family else 0
    return FAMILY_COLOURS[max(place, 0)]
