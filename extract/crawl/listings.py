"""The listings of a crawl: which artists a genre has and which top tracks these have, or which tracks a genre has.

Belongs here: the questions about genres and artists, in order: genre by genre, hit by hit, track by track. Not here:
what is asked about tracks (about_tracks.py).
"""

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from extract import spotify
from extract.answers import Element
from extract.crawl.batch import Batches, Unit, done
from extract.crawl.state import Row, text_of
from extract.spotify import EndpointClosed, Page, Spotify
from warehouse.progress import Progress

ID = re.compile(r"[0-9A-Za-z]+")


class Listings:
    """Lists the tracks of the genres in `limits`, which says for each how many search hits are taken.

    `remember` is called with an endpoint that turns out to be closed.
    """

    def __init__(
        self,
        limits: Mapping[str, int],
        batches: Batches,
        service: Spotify,
        remember: Callable[[EndpointClosed], None],
        progress: Progress,
    ) -> None:
        self.limits = limits
        self.batches = batches
        self.state = batches.state
        self.spotify = service
        self.remember = remember
        self.progress = progress

    def list_tracks(self) -> None:
        """List every track of every genre that is not listed yet."""
        try:
            if "top-tracks" not in self.state.closed:
                self._find_artists()
                self._list_top_tracks()
                self.state.not_found["top-tracks"].raise_if_gone(is_end=True)
                return
        except EndpointClosed as closed:
            self.remember(closed)
        try:
            self._search_tracks()
        except EndpointClosed as closed:
            self.remember(closed)
            self._search_tracks()

    def _find_artists(self) -> None:
        for genre in self.limits:
            hits = self.state.hits.setdefault(genre, [])

            def read(elements: list[Element], genre: str = genre, hits: list[Any] = hits) -> list[Row]:
                rows = []
                for element in elements:
                    artist_id = text_of(element.value, "id")
                    if artist_id and ID.fullmatch(artist_id):
                        hits.append((artist_id, text_of(element.value, "name")))
                        rows.append({"genre": genre, "artist_id": artist_id, "payload": element.text})
                    else:
                        self.batches.put_apart(
                            "search artists", genre, "an artist without an id that can be used", element
                        )
                return rows

            self._search("artists", genre, self.spotify.search_artists, read)

    def _search_tracks(self) -> None:
        for genre in self.limits:

            def read(elements: list[Element], genre: str = genre) -> list[Row]:
                rows = []
                for element in elements:
                    artists = element.value.get("artists") if isinstance(element.value, dict) else None
                    first = artists[0] if isinstance(artists, list) and artists else None
                    rows.append(
                        {"genre": genre, "artist_id": text_of(first, "id"), "artist_name": text_of(first, "name"),
                         "track_id": text_of(element.value, "id"), "payload": element.text}
                    )  # fmt: skip
                return rows

            if not self._is_listed(genre):
                self._search("tracks", genre, self.spotify.search_tracks, read)

    def _search(
        self,
        kind: str,
        genre: str,
        ask: Callable[[str, int, int], Page],
        read: Callable[[list[Element]], list[Row]],
    ) -> None:
        """Read a genre's search page by page, from where it was left; `read` makes rows of raw.<kind>."""
        limit = self.limits[genre]
        offset, ended = self.state.searched.get((kind, genre), (0, False))
        while not ended and offset < limit:
            self._show_search(kind)
            most = spotify.SMALL_PAGE if "large pages" in self.state.closed else spotify.LARGE_PAGE
            size = min(most, limit - offset)
            page = self.batches.answer(partial(ask, genre, offset, size), nothing=Page([], is_last=False))
            offset, ended = offset + size, page.is_last
            read_so_far = done(kind, genre, json.dumps({"offset": offset, "ended": ended}))
            self.batches.keep(Unit([read_so_far], {kind: read(page.elements)}))
            self.state.searched[kind, genre] = offset, ended
        self._show_search(kind)

    def _show_search(self, kind: str) -> None:
        hits = sum(
            limit
            if self.state.is_searched(kind, genre, limit)
            else self.state.searched.get((kind, genre), (0, False))[0]
            for genre, limit in self.limits.items()
        )
        self.progress(f"finding {kind}", hits, sum(self.limits.values()))

    def _is_listed(self, genre: str) -> bool:
        """Whether every hit of a genre has its top tracks listed, none of them by an endpoint that was gone."""
        limit = self.limits[genre]
        hits = self.state.hits.get(genre, [])[:limit]
        is_found = self.state.is_searched("artists", genre, limit)
        refused = set(self.state.to_ask_elsewhere("top-tracks"))
        return (
            is_found
            and self.state.listed.get(genre, 0) >= len(hits)
            and refused.isdisjoint(artist_id for artist_id, _ in hits)
        )

    def _list_top_tracks(self) -> None:
        hits = {genre: self.state.hits[genre][:limit] for genre, limit in self.limits.items()}
        total = sum(map(len, hits.values()))
        listed = sum(min(self.state.listed.get(genre, 0), len(hits[genre])) for genre in hits)
        for genre in hits:
            for number in range(self.state.listed.get(genre, 0), len(hits[genre])):
                self.progress("listing top tracks", listed, total)
                artist_id, artist_name = hits[genre][number]
                unit = Unit([done("listings", genre, json.dumps({"hits": number + 1}))])
                hit = {"genre": genre, "artist_id": artist_id, "artist_name": artist_name}
                unit.tables["tracks"] = [row | hit for row in self._top_tracks(artist_id, unit)]
                self.batches.keep(unit)
                self.state.listed[genre] = number + 1
                listed += 1
        self.progress("listing top tracks", total, total)

    def _top_tracks(self, artist_id: str, unit: Unit) -> list[Row]:
        """An artist's rows of raw.tracks, asked for once; one row that stands for them all where they are landed."""
        if artist_id in self.batches.fresh:
            return self.batches.fresh[artist_id]
        if artist_id in self.state.asked:
            return [{"landed": self.state.asked[artist_id]}]
        elements: list[Element] = self.batches.answer(
            partial(self.spotify.top_tracks, artist_id), nothing=[], not_found=self.state.not_found["top-tracks"]
        )
        rows = [{"track_id": text_of(element.value, "id"), "payload": element.text} for element in elements]
        unit.done.append(done("top tracks", artist_id, json.dumps({"tracks": len(rows)})))
        self.batches.fresh[artist_id] = rows
        return rows
