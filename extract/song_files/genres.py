"""Spellings of one genre: which are nearly equal, and which of them stands for all.

Belongs here: `Hip-Hop`, `hip hop` and `Hip Hop `, and what is said of them. Not here: several genres in one cell
(readings.py).
"""

from collections.abc import Mapping, Sequence

import duckdb

from extract.song_files import texts
from extract.song_files.layouts import plain

SHOWN = 5


def near_equal(connection: duckdb.DuckDBPyConnection, genres: str) -> list[list[tuple[str, int]]]:
    """The genres that differ in case, spaces and marks alone, with their rows: the most frequent spelling first.

    `genres` is a query that gives a genre a row.
    """
    groups: dict[str, list[tuple[str, int]]] = {}
    for genre, rows in connection.execute(
        f"select genre, count(*) from ({genres}) as found(genre) where genre is not null group by genre "
        "order by 2 desc, 1"
    ).fetchall():
        groups.setdefault(plain(genre) or genre, []).append((genre, rows))
    return [spellings for spellings in groups.values() if len(spellings) > 1]


def merging(genre: str, groups: Sequence[Sequence[tuple[str, int]]]) -> str:
    """The genre, as SQL, in the most frequent of its spellings."""
    others: Mapping[str, str] = {spelling: group[0][0] for group in groups for spelling, _ in group[1:]}
    return texts.word_or_itself(genre, others)


def told(groups: Sequence[Sequence[tuple[str, int]]], *, are_merged: bool) -> str:
    """The groups in a sentence."""
    named = [", ".join(f"{spelling!r} {rows:,}" for spelling, rows in group) for group in groups[:SHOWN]]
    more = f"; and {len(groups) - SHOWN} more" if len(groups) > SHOWN else ""
    if are_merged:
        return f"Spellings of one genre, merged into the first: {'; '.join(named)}{more}."
    return f"Genres that differ in spelling alone: {'; '.join(named)}{more}. --merge-genres makes one of each."
