"""Charts of how wrong a wrong guess is, and of the sets of genres. Each takes the table behind the chart."""

import pandas as pd
import plotly.graph_objects as go

from ml.charts.style import BLUE, GREY, ORANGE, Drawing, NothingToDraw, genre_rows, named_rows, plural
from ml.sets import ONE_IN

PROMISED = 1 - 1 / ONE_IN


def sharing(table: pd.DataFrame) -> Drawing:
    """Three bars of the wrong first guesses, by what the guessed genre has to do with the track.

    Columns: genre, tracks (held out), wrong (first guesses), also_listed (of these, tracks that are listed under the
    guessed genre too) and shares_tracks (of the others, those whose guessed genre shares some track with theirs); the
    same in each row, pairs_that_share (pairs of genres that share some track) and pairs (of the genres learnt).
    """
    wrong, listed, shares = (int(table[column].sum()) for column in ("wrong", "also_listed", "shares_tracks"))
    if not wrong:
        raise NothingToDraw("No first guess is wrong, so there is none to look into.")
    kinds = {
        "the track is listed<br>under it, too": (listed, ORANGE, "/"),
        "another genre that shares<br>tracks with the right one": (shares, BLUE, ""),
        "neither": (wrong - listed - shares, GREY, "x"),
    }
    figure = go.Figure(
        go.Bar(
            x=[round(count / wrong, 4) for count, *_ in kinds.values()],
            y=list(kinds),
            orientation="h",
            text=[f"{count / wrong:.1%}" for count, *_ in kinds.values()],
            textposition="outside",
            cliponaxis=False,
            marker={
                "color": [colour for _, colour, _ in kinds.values()],
                "pattern": {"shape": [pattern for *_, pattern in kinds.values()]},
            },
            hovertext=[f"{plural(count, 'track')} of {wrong:,}" for count, *_ in kinds.values()],
            hoverinfo="text",
        )
    )
    figure.update_layout(
        height=280,
        bargap=0.35,
        showlegend=False,
        margin={"r": 56},
        xaxis={"title": {"text": "share of the wrong first guesses"}, "tickformat": ".0%", "rangemode": "tozero"},
        yaxis={"type": "category", "autorange": "reversed", "title": {"text": "the guessed genre"}},
    )
    first = table.iloc[0]
    note = (
        f"Wrong is the first guess of {wrong:,} of {plural(int(table['tracks'].sum()), 'track')}; "
        f"{first['pairs_that_share']:,} of {plural(int(first['pairs']), 'pair')} of genres share some track."
    )
    return Drawing(
        f"Of the wrong guesses, {listed / wrong:.1%} name another genre of the very track", figure, note=note
    )


def coverage(table: pd.DataFrame) -> Drawing:
    """A dot per genre: how often the set holds it, the least often first, beside what is promised of all together.

    Columns: genre, coverage (0 to 1), set_size (mean number of genres), support (held-out tracks), and, the same in
    each row, coverage_of_all, set_size_of_all and n_genres.
    """
    shown = table[table["support"] > 0].sort_values(["coverage", "genre"]).reset_index(drop=True)
    if shown.empty:
        raise NothingToDraw("None of these genres has a held-out track, so nothing can be said about their sets.")
    figure = go.Figure(
        go.Scatter(
            x=shown["coverage"].round(4).tolist(),
            y=shown["genre"].tolist(),
            mode="markers+text",
            text=[f"{row.coverage:.0%}, {row.set_size:.1f} genres" for row in named_rows(shown)],
            textposition=["middle left" if value > 0.5 else "middle right" for value in shown["coverage"]],
            marker={"color": BLUE, "size": 9},
            hovertext=[
                f"<b>{row.genre}</b><br>in the set of {row.coverage:.1%} of its tracks<br>"
                f"{row.set_size:.1f} genres in a set<br>{plural(row.support, 'held-out track')}"
                for row in named_rows(shown)
            ],
            hoverinfo="text",
        )
    )
    layout = genre_rows(shown["genre"].tolist())
    layout["xaxis"] |= {
        "title": {"text": "share of the genre's tracks whose set holds it"}, "tickformat": ".0%", "range": [0, 1.02],
    }  # fmt: skip
    figure.update_layout(**layout, showlegend=False)
    figure.add_vline(x=PROMISED, line={"color": GREY, "dash": "dot"})
    first, least = table.iloc[0], shown.iloc[0]
    title = (
        f"Sets of {first['set_size_of_all']:.1f} of {first['n_genres']:.0f} genres on average hold the right one for "
        f"{first['coverage_of_all']:.1%}"
    )
    if len(shown) > 1:
        tracks = plural(int(least["support"]), "track")
        title += f"; least often where it is {least['genre']}, {least['coverage']:.0%} of {tracks}"
    return Drawing(title, figure)
