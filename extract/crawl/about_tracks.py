"""Documents about tracks, many tracks at a time: audio features and popularity.

Belongs here: which tracks are still to be asked about (read from the raw tables), and which service is asked.
Not here: where the tracks come from (listings.py).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

from extract import reccobeats, spotify
from extract.answers import Element
from extract.crawl.batch import Batches, Unit, done
from extract.crawl.listings import ID
from extract.crawl.state import NotFound, Row, text_of
from extract.http import Refused
from extract.reccobeats import ReccoBeats
from extract.spotify import EndpointClosed, Spotify
from warehouse.progress import Progress


class Way(NamedTuple):
    """A way to ask for documents about tracks, `size` ids at a time; `id_of` finds the track's id in a document."""

    ask: Callable[[Sequence[str]], list[Element]]
    size: int
    source: str
    id_of: Callable[[Any], str | None]
    not_found: NotFound | None = None


class AboutTracks:
    """Fetches documents about the listed tracks: from Spotify, and from ReccoBeats where Spotify's endpoint is closed.

    `remember` is called with an endpoint that turns out to be closed.
    """

    def __init__(
        self,
        batches: Batches,
        service: Spotify,
        instead: ReccoBeats,
        remember: Callable[[EndpointClosed], None],
        progress: Progress,
    ) -> None:
        self.batches = batches
        self.state = batches.state
        self.spotify = service
        self.reccobeats = instead
        self.remember = remember
        self.progress = progress

    def fetch_audio_features(self) -> None:
        """Fetch the audio features of every track of this round that has not been asked about."""
        find = partial(self._tracks_without, self.state.batches, self.state.batches)
        own = self.batches.dataset.source
        self._fetch("audio_features", "audio-features", find, (
            Way(self.spotify.audio_features, spotify.AUDIO_FEATURES_BATCH, own, own_id,
                 self.state.not_found["audio-features"]),
            Way(self.reccobeats.audio_features, reccobeats.BATCH, "reccobeats", reccobeats.spotify_id),
        ))  # fmt: skip

    def fetch_popularity(self) -> None:
        """Fetch the popularity of every track whose document lacks it; in a refresh, of every track ever landed."""
        if self.state.open_round == "popularity":
            find = partial(self._tracks_without, None, self.state.popularity_batches)
        else:
            lacking = "having count(try(payload ->> '$.popularity')) = 0"
            find = partial(self._tracks_without, self.state.batches, self.state.batches, condition=lacking)
        own = self.batches.dataset.source
        self._fetch("popularity", "tracks", find, (
            Way(self.spotify.tracks, spotify.TRACKS_BATCH, own, own_id, self.state.not_found["tracks"]),
            Way(self.reccobeats.tracks, reccobeats.BATCH, "reccobeats", reccobeats.spotify_id),
        ))  # fmt: skip

    def _fetch(self, table: str, endpoint: str, find: Callable[[str, str], list[str]], ways: tuple[Way, Way]) -> None:
        self._fetch_all(table, endpoint, find(table, endpoint), ways)
        if endpoint not in self.state.closed:
            try:
                self.state.not_found[endpoint].raise_if_gone(is_end=True)
            except EndpointClosed as closed:
                self.remember(closed)
        if self.state.to_ask_elsewhere(endpoint):
            self.batches.flush()  # what is to be asked again is read from the tables
            self._fetch_all(table, endpoint, find(table, endpoint), ways)

    def _tracks_without(
        self, listed_in: list[str] | None, asked_in: list[str], table: str, endpoint: str, *, condition: str = ""
    ) -> list[str]:
        """Ids of the tracks that the batches `listed_in` (None: all) listed and `asked_in` did not ask about.

        "Nothing" from Spotify does not count as an answer where its endpoint was closed at the time.
        """
        with self.batches.connect() as connection:
            found = connection.execute(
                f"""
                select track_id from raw.tracks
                where dataset = $dataset and regexp_full_match(track_id, $id)
                    and ($listed_in is null or batch_id in (select unnest($listed_in::varchar[])))
                    and track_id not in (
                        select track_id from raw.{table}
                        where dataset = $dataset and batch_id in (select unnest($asked_in::varchar[]))
                            and not (
                                payload is null and source = $source and track_id in (select unnest($again::varchar[]))
                            )
                    )
                group by track_id {condition} order by min(listing_id)
                """,
                {
                    "dataset": self.batches.dataset.name,
                    "source": self.batches.dataset.source,
                    "id": ID.pattern,
                    "listed_in": listed_in,
                    "asked_in": asked_in,
                    "again": self.state.to_ask_elsewhere(endpoint),
                },
            ).fetchall()
        return [track_id for (track_id,) in found]

    def _fetch_all(self, table: str, endpoint: str, todo: list[str], ways: tuple[Way, Way]) -> None:
        asked = 0
        stage = table.replace("_", " ")
        while asked < len(todo):
            self.progress(stage, asked, len(todo))
            way = ways[endpoint in self.state.closed]
            chunk = todo[asked : asked + way.size]
            try:
                ask_about(self.batches, table, way, chunk)
            except EndpointClosed as closed:
                self.remember(closed)
            else:
                asked += len(chunk)
        self.progress(stage, len(todo), len(todo))


def ask_about(
    batches: Batches,
    table: str,
    way: Way,
    track_ids: list[str],
    known_as: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> None:
    """Ask about these tracks, at most `way.size`, and keep the answers for `table`; a null where there is none.

    `known_as` are the names under which a track was landed, where those are not its id.
    """
    try:
        question = partial(way.ask, track_ids)
        elements: list[Element] = batches.answer(
            question, nothing=[], not_found=way.not_found, is_divisible=len(track_ids) > 1
        )
    except Refused:
        # One bad id spoils the whole batch: find it.
        middle = len(track_ids) // 2
        ask_about(batches, table, way, track_ids[:middle], known_as)
        ask_about(batches, table, way, track_ids[middle:], known_as)
        return
    rows: list[Row] = []
    missing = dict.fromkeys(track_ids)
    for element in elements:
        track_id = way.id_of(element.value)
        if track_id in track_ids:
            missing.pop(track_id, None)
            rows.append({"track_id": track_id, "payload": element.text, "source": way.source})
        elif element.value is not None:
            batches.put_apart(table, track_ids[0], "a document about a track that was not asked for", element)
    # A row without a payload: the source has none, so that it is not asked again.
    rows += [{"track_id": track_id, "payload": None, "source": way.source} for track_id in missing]
    rows = [row | {"track_id": name} for row in rows for name in known_as.get(row["track_id"], [row["track_id"]])]
    batches.keep(Unit([done(table.replace("_", " "), way.source)], {table: rows}))


def own_id(value: Any) -> str | None:
    """The id of one of Spotify's documents."""
    return text_of(value, "id")
