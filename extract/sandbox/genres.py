"""The genres of the synthetic catalogue, and which artists a search for each of them finds.

Belongs here: sizes and who is found where. Not here: what an artist or a track is (catalogue.py).
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

TOP_TRACKS = 10
"""How many top tracks an artist has, with few exceptions."""

# Proportions of the study (its cleaning counts): 19.47 % of the listings are exact repeats, where an artist stands
# twice among a genre's hits; 25.42 % of the rest are repeats, where an artist is found under a further genre.
_REPEATED_HITS = 0.1947
_FURTHER_GENRES = 0.2542
_FEWEST_HITS, _MOST_HITS = 12, 1_000  # Spotify's search gives no more for one query
_LONERS = 7  # artists of each genre who are found under no other, so that every genre can be split by artist


@dataclass(frozen=True)
class Genre:
    """One of the study's genres.

    `listings`: its size in the study's download. The distribution of sizes is the study's; the size of a given genre is
    a guess, except for the ten largest and five smallest, which the study names. `flavour`: which words its titles and
    names are made of. `sources`: the profiles that are blended into it, with their weights.
    """

    name: str
    listings: int
    flavour: str
    sources: Mapping[str, float]


def read_genres() -> list[Genre]:
    """The study's 132 genres (warehouse/study_genres.csv), in its order, as the catalogue makes them."""

    def weights(sources: str) -> dict[str, float]:
        pairs = (source.rsplit(" ", 1) for source in sources.split(", "))
        return {name: float(weight) for name, weight in pairs}

    with resources.files("warehouse").joinpath("study_genres.csv").open(encoding="utf-8") as table:
        return [
            Genre(row["genre"], int(row["listings"]), row["flavour"], weights(row["sources"]))
            for row in csv.DictReader(table)
        ]


def _hit_counts(genres: Sequence[Genre], listings: int) -> Integers:
    """The number of hits of each genre: in proportion to the study's sizes, within the fewest and the most allowed."""
    sizes = np.array([genre.listings for genre in genres], dtype=float)
    least, wanted, most = _FEWEST_HITS * len(genres), listings / TOP_TRACKS, _MOST_HITS * len(genres)
    if not least <= wanted <= most:
        raise ValueError(
            f"{listings:,} listings of {len(genres)} genres: "
            f"{least * TOP_TRACKS:,} to {most * TOP_TRACKS:,} are possible"
        )
    low, high = 0.0, _MOST_HITS / sizes.min()
    for _ in range(60):
        scale = (low + high) / 2
        counts = np.clip(np.rint(sizes * scale), _FEWEST_HITS, _MOST_HITS).astype(np.int64)
        low, high = (scale, high) if counts.sum() < wanted else (low, scale)
    return counts


def draw_hits(rng: np.random.Generator, genres: Sequence[Genre], listings: int) -> tuple[Integers, list[Integers]]:
    """The home genre of each artist, ascending, and for each genre the artists that its search finds, in order."""
    counts = _hit_counts(genres, listings)
    found = np.rint(counts * (1 - _REPEATED_HITS)).astype(np.int64)
    natives = np.maximum(_LONERS, np.rint(found * (1 - _FURTHER_GENRES)).astype(np.int64))
    home = np.repeat(np.arange(len(genres)), natives)
    travels = places(natives) >= _LONERS

    # Artists are found under genres that sound like theirs, and now and then under any.
    sources = sorted({source for genre in genres for source in genre.sources})
    shares = np.array([[genre.sources.get(source, 0) for source in sources] for genre in genres])
    shares /= np.linalg.norm(shares, axis=1, keepdims=True)
    kinship = shares @ shares.T + 0.002

    hits = []
    for genre in range(len(genres)):
        chances = kinship[genre, home] * (travels & (home != genre))
        number = min(found[genre] - natives[genre], np.count_nonzero(chances))
        visitors = rng.choice(home.size, number, replace=False, p=chances / chances.sum()) if number else []
        once = rng.permutation(np.concatenate([np.flatnonzero(home == genre), visitors]).astype(np.int64))
        # The pages of a search shift while they are read: an artist comes again, up to a page further down.
        again = rng.choice(once.size, min(counts[genre] - found[genre], once.size), replace=False)
        order = np.concatenate([np.arange(once.size), again + rng.uniform(1, 50, again.size)])
        hits.append(np.concatenate([once, once[again]])[np.argsort(order, kind="stable")])
    return home, hits


def places(sizes: Integers) -> Integers:
    """For groups of these sizes, one after the other: each member's place in its group, from 0."""
    return np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
