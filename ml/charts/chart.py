"""What an entry of the report's list of charts is, and what its queries and captions share.

Belongs here: the entry. Not here: the list (__init__.py), and how a chart is drawn.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from ml.charts.style import ALL, Drawing
from warehouse.features import DISCRETE_FEATURES

OTHERS = "other genres"


def rows_of(table: pd.DataFrame, chosen: list[str]) -> pd.DataFrame:
    """The rows of the chosen genres, and of all genres together where the table has them."""
    return table[table["genre"].isin([*chosen, ALL])] if "genre" in table else table


def confusions_of(counts: pd.DataFrame, chosen: list[str]) -> pd.DataFrame:
    """The rows of the chosen genres, with one column for all the genres that were not chosen."""
    rows = rows_of(counts, chosen)
    rows = rows.assign(predicted_genre=rows["predicted_genre"].where(rows["predicted_genre"].isin(chosen), OTHERS))
    return rows.groupby(["genre", "predicted_genre"], as_index=False)[["tracks", "share"]].sum()


@dataclass(frozen=True)
class Chart:
    """One chart of the page.

    `query` reads the published copy (`$run_id` is the run shown); `prepare` makes from its rows the table behind the
    chart, which the page offers as CSV; `narrow` keeps the genres that the reader asked for; `draw` draws what is left.
    `rows` says on which rows it was computed, with {n} for their number, which `count` finds in the table; `no_rows`
    is the sentence where there are none. `choose` names what the reader chooses; `search` says that genres can be
    searched for among the bars. With `families` the query's rows get the family of their genre before `prepare`.
    """

    key: str
    section: str
    name: str
    how_to_read: str
    rows: str
    query: str
    draw: Callable[[pd.DataFrame], Drawing]
    count: Callable[[pd.DataFrame], int]
    prepare: Callable[[pd.DataFrame], pd.DataFrame] = lambda table: table
    narrow: Callable[[pd.DataFrame, list[str]], pd.DataFrame] = rows_of
    choose: str = ""
    search: bool = False
    families: bool = False
    no_rows: str = ""

    @property
    def needs_run(self) -> bool:
        """Whether it shows a model run."""
        return "$run_id" in self.query


HELD_OUT = "n = {n:,} held-out tracks"
CLEAN = "n = {n:,} clean tracks, each under the genre it was first listed under"
DISCRETE = ", ".join(f"'{name}'" for name in DISCRETE_FEATURES)


def first(table: pd.DataFrame, column: str) -> int:
    """The column's first value."""
    return int(table[column].iloc[0])


def sum_of(column: str) -> Callable[[pd.DataFrame], int]:
    """What adds up the column of a table."""
    return lambda table: int(table[column].sum())


def pooled(table: pd.DataFrame) -> int:
    """The tracks behind histograms or quantiles: of all genres together, in the feature that is known of most."""
    return int(table[table["genre"] == ALL].groupby("feature")["tracks"].sum().max())
