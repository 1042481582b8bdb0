"""Charts of a person's own music: which genres it sounds like, by songs and by plays, and over the months.

Belongs here: what is drawn of songs without genres. Not here: the page (ml/library.py).
"""

import pandas as pd
import plotly.graph_objects as go

from ml.charts import Chart
from ml.charts.genres import SYMBOLS, flat
from ml.charts.style import FAMILY_COLOURS, GREY, Drawing, NothingToDraw, named_rows
from ml.clusters import COMPARED, standardised

TOLD_FROM = 0.5
"""A song counts as a genre's where the model gives that genre at least this probability; else it cannot tell."""

NOT_TOLD = "cannot tell"
GENRES_SHOWN = 20
MONTHLY_GENRES = 6
MAPPED_GENRES = 7
MAPPED_SONGS = 3_000
LEAST_SONGS = 10
PATTERNS = ("", "/", "\\", "x", "-", "|", "+", ".")

_TOLD = f"""
    told as (
        select spotify_track_id, if(probability >= {TOLD_FROM}, genre, '{NOT_TOLD}') as genre
        from ml.song_predictions where rank = 1
    )
"""


def genres_listened_to(table: pd.DataFrame) -> Drawing:
    """Bars of the share of songs and, where there are plays, of plays. Columns: genre, songs, plays."""
    told = table[table["genre"] != NOT_TOLD].sort_values(["songs", "genre"], ascending=[False, True])
    shown = pd.concat([told.head(GENRES_SHOWN), table[table["genre"] == NOT_TOLD]])
    figure = go.Figure()
    for column, colour, pattern in (("songs", FAMILY_COLOURS[0], ""), ("plays", FAMILY_COLOURS[1], "/")):
        whole = table[column].sum()
        if whole:
            figure.add_bar(
                x=(shown[column] / whole * 100).round(2).tolist(), y=shown["genre"].tolist(), orientation="h",
                name=f"% of {column}", marker={"color": colour, "pattern": {"shape": pattern}},
                hovertext=[f"{row.genre}: {getattr(row, column):,} of {whole:,} {column}" for row in named_rows(shown)],
                hoverinfo="text",
            )  # fmt: skip
    figure.update_layout(
        barmode="group", height=120 + 34 * len(shown), xaxis={"title": {"text": "%"}, "rangemode": "tozero"},
        yaxis={"type": "category", "autorange": "reversed", "dtick": 1},
    )  # fmt: skip
    first = told["genre"].head(3).tolist()
    title = f"Most of what can be told sounds like {', '.join(first)}" if first else "The model can tell none of them"
    return Drawing(title, figure, note=f"The first {GENRES_SHOWN} genres." if len(told) > GENRES_SHOWN else "")


def genres_by_month(table: pd.DataFrame) -> Drawing:
    """Stacked bars of hours by month, in the most played genres. Columns: month, genre, hours."""
    hours = table[table["genre"] != NOT_TOLD].groupby("genre")["hours"].sum().sort_values(ascending=False)
    first = hours.index[:MONTHLY_GENRES].tolist()
    named = table["genre"].where(table["genre"].isin([*first, NOT_TOLD]), "other genres")
    by_month = table.assign(genre=named).pivot_table(index="month", columns="genre", values="hours", aggfunc="sum")
    if len(by_month) < 2:
        raise NothingToDraw("The plays are all of one month: there is nothing to compare over time.")
    figure = go.Figure()
    order = [genre for genre in (*first, "other genres", NOT_TOLD) if genre in by_month]
    for place, genre in enumerate(order):
        colour = GREY if genre == NOT_TOLD else FAMILY_COLOURS[place % (len(FAMILY_COLOURS) - 1)]
        figure.add_bar(
            x=[f"{month:%Y-%m}" for month in by_month.index], y=by_month[genre].fillna(0).round(2).tolist(), name=genre,
            marker={"color": colour, "pattern": {"shape": PATTERNS[place]}},
        )  # fmt: skip
    figure.update_layout(
        barmode="stack", height=480, xaxis={"type": "category"}, yaxis={"title": {"text": "hours"}},
    )  # fmt: skip
    return Drawing("What was listened to, month by month", figure)


def song_map_table(songs: pd.DataFrame) -> pd.DataFrame:
    """Where each song lies among the songs. Columns: song_name, artist_name, genre, first, second, and two labels."""
    if len(songs) < LEAST_SONGS:
        raise NothingToDraw(f"A map takes {LEAST_SONGS} songs or more with audio features.")
    places, labels = flat(standardised(songs))
    return songs[["song_name", "artist_name", "genre"]].assign(
        first=places[:, 0].round(3), second=places[:, 1].round(3), first_axis=labels[0], second_axis=labels[1]
    )


def song_map(table: pd.DataFrame) -> Drawing:
    """One point per song; the most frequent genres have colours, marks, and their names amid their songs."""
    told = table.loc[table["genre"] != NOT_TOLD, "genre"].value_counts()
    first = told.index[:MAPPED_GENRES].tolist()
    named = table["genre"].where(table["genre"].isin([*first, NOT_TOLD]), "other genres")
    figure = go.Figure()
    for genre in (NOT_TOLD, "other genres", *first):
        part = table[named == genre]
        if part.empty:
            continue
        place = first.index(genre) if genre in first else None
        figure.add_scatter(
            x=part["first"].tolist(), y=part["second"].tolist(), mode="markers", name=genre,
            marker={
                "size": 7, "opacity": 0.75 if place is not None else 0.4,
                "color": GREY if place is None else FAMILY_COLOURS[place],
                "symbol": ("x-thin-open" if genre == NOT_TOLD else "circle-open") if place is None else SYMBOLS[place],
            },
            hovertext=[f"{row.song_name}<br>{row.artist_name}<br>{row.genre}" for row in named_rows(part)],
            hoverinfo="text",
        )  # fmt: skip
    middles = table[table["genre"].isin(first)].groupby("genre")[["first", "second"]].median()
    figure.add_scatter(
        x=middles["first"].tolist(), y=middles["second"].tolist(), mode="text",
        text=[f"<b>{genre}</b>" for genre in middles.index], hoverinfo="skip", showlegend=False,
    )  # fmt: skip
    figure.update_layout(
        height=640, xaxis={"title": {"text": table["first_axis"].iloc[0]}},
        yaxis={"title": {"text": table["second_axis"].iloc[0]}},
    )  # fmt: skip
    return Drawing("Where each song lies", figure)


LIBRARY_CHARTS = (
    Chart(
        key="listened",
        section="Your music",
        name="Genres, by songs and by plays",
        how_to_read=f"A song counts for a genre where the model gives it a probability of {TOLD_FROM:.0%} or more; all "
        f"others are under “{NOT_TOLD}”. Plays are those of half a minute or more.",
        rows="n = {n:,} songs with audio features",
        query=f"""
            with {_TOLD},
            played as (select spotify_track_id, sum(plays) as plays from marts.plays group by all)
            select genre, count(*) as songs, coalesce(sum(plays), 0)::bigint as plays
            from told left join played using (spotify_track_id) group by genre order by songs desc, genre
        """,
        draw=genres_listened_to,
        count=lambda table: int(table["songs"].sum()),
    ),
    Chart(
        key="songs-map",
        section="Your music",
        name="Map of your songs",
        how_to_read="Songs that lie close together sound alike. Each end of an axis says what it sounds like; a "
        f"genre's name stands amid its songs, and crosses are songs of which the model {NOT_TOLD} the genre.",
        rows=f"n = {{n:,}} songs with audio features (at most {MAPPED_SONGS:,}, drawn at random); eleven features, "
        "principal components",
        query=f"""
            with {_TOLD}
            select coalesce(song_name, spotify_track_id) as song_name,
                coalesce(artist_name, '(unknown)') as artist_name, told.genre, {", ".join(COMPARED)}
            from marts.clean_tracks inner join told using (spotify_track_id)
            order by md5(spotify_track_id) limit {MAPPED_SONGS}
        """,
        prepare=song_map_table,
        draw=song_map,
        count=len,
    ),
    Chart(
        key="months",
        section="Your music",
        name="Genres over the months",
        how_to_read="The height is the time listened, of songs with audio features; colours and hatches are genres.",
        rows="n = {n:,} months with plays",
        query=f"""
            with {_TOLD}
            select month, genre, sum(minutes) / 60 as hours
            from marts.plays inner join told using (spotify_track_id) group by all order by month, genre
        """,
        draw=genres_by_month,
        count=lambda table: int(table["month"].nunique()),
        no_rows="the songs come without a listening history, or none of those that were played has audio features.",
    ),
)
