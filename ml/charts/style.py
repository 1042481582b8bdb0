"""What all charts share: colours that the colour-blind can tell apart, and a plain template.

Text and grid have no colour here: the page sets both, for light and dark.
"""

import plotly.graph_objects as go

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#8c8c8c"  # of Okabe and Ito's palette

TEMPLATE = go.layout.Template(
    layout={
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "colorway": [BLUE, ORANGE, GREY],
        "margin": {"l": 8, "r": 8, "t": 24, "b": 8},
        "xaxis": {"automargin": True, "zeroline": False},
        "yaxis": {"automargin": True, "zeroline": False},
        "hoverlabel": {"align": "left"},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    }
)


def bars_by_genre(genres: list[str], values: list[float], hover: list[str], axis: str) -> go.Figure:
    """Horizontal bars, the first genre on top; tall enough that each genre's name can be read."""
    figure = go.Figure(
        go.Bar(x=values, y=genres, orientation="h", hovertext=hover, hoverinfo="text", marker_color=BLUE)
    )
    return figure.update_layout(
        template=TEMPLATE,
        height=80 + 17 * len(genres),
        bargap=0.25,
        xaxis={"title": axis, "side": "top"},
        yaxis={"autorange": "reversed", "dtick": 1, "tickfont": {"size": 11}},
    )
