"""The audio features of listed songs: from what the warehouse has, from ReccoBeats, and from Spotify where it may.

Belongs here: which songs of a list lack audio features or an id, and who is asked in which order. Not here: how the
list was landed (dumps.py), and how a batch of ids is asked about (about_tracks.py).
"""

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from extract import reccobeats, spotify
from extract.answers import Element
from extract.crawl.about_tracks import Way, ask_about, own_id
from extract.crawl.batch import Batches, Unit, done
from extract.crawl.run import CrawlReport, run_stages
from extract.crawl.state import text_of
from extract.http import Policy, Refused, Suspended
from extract.own_music import same_name
from extract.reccobeats import ReccoBeats
from extract.settings import CrawlOptions, Settings, reccobeats_address
from extract.spotify import EndpointClosed, Spotify
from warehouse.progress import Progress, ignore
from warehouse.raw import Dataset, land

RECCOBEATS, SPOTIFY = "reccobeats", "spotify"
SPOTIFY_ID = "[0-9A-Za-z]{22}"
SECONDS_PER_REQUEST = 1.0
"""A guess for a service far away."""


class Named(NamedTuple):
    """A song that is known by its title and artist alone; `track_id` is what it was landed as."""

    track_id: str
    title: str
    artist: str


class Outlook(NamedTuple):
    """What the audio features of a list will cost.

    `songs` lack them; `searches` are of songs without an id, one request each; `requests` and `seconds` are the least
    that it takes in all.
    """

    songs: int
    searches: int
    requests: int
    seconds: float


def outlook(dataset: Dataset, file: Path, *, may_search: bool) -> Outlook:
    """What `find_sound` will ask, as far as can be told beforehand; nothing is asked."""
    batches = Batches(dataset, file, CrawlOptions())
    searches = len(_without_id(batches)) if may_search else 0
    songs = len(_without_features(batches, RECCOBEATS)) + searches
    requests = math.ceil(songs / reccobeats.BATCH) + searches
    return Outlook(songs, searches, requests, requests * SECONDS_PER_REQUEST)


def find_sound(
    dataset: Dataset, file: Path, settings: Settings | None, options: CrawlOptions, *, progress: Progress = ignore
) -> CrawlReport:
    """Land the audio features of every song of the dataset that has none yet, from whoever has them.

    First what the warehouse has of the song under another dataset, then ReccoBeats, then Spotify with the credentials
    of `settings` (None: it is not asked). Songs without an id are looked for by title and artist, the most played
    first. A finished run asks nothing again. Raises `CrawlSuspended` (the same command goes on later) or another
    `CrawlError`; what was landed stays.
    """
    run = _Songs(dataset, file, settings, options, progress)
    stages = [run.take_what_is_known, run.ask_reccobeats, run.find_by_name, run.ask_spotify]
    try:
        return run_stages(run.batches, stages, run.notes)
    finally:
        run.close()


class _Songs:
    def __init__(
        self, dataset: Dataset, file: Path, settings: Settings | None, options: CrawlOptions, progress: Progress
    ) -> None:
        self.dataset = dataset
        self.progress = progress
        self.notes: list[str] = []
        self.batches = Batches(dataset, file, options)
        ages = self.batches.ages()
        instead = Policy(
            "ReccoBeats", RECCOBEATS, options, self.batches.budget, progress=progress, ages=ages.get(RECCOBEATS, [])
        )
        self.batches.policies = policies = [instead]
        self.reccobeats = ReccoBeats(reccobeats_address(), options, instead)
        self.spotify: Spotify | None = None
        if settings:
            policies.append(
                Policy(
                    "Spotify", SPOTIFY, options, self.batches.budget, requests_per_window=settings.requests_per_window,
                    progress=progress, ages=ages.get(SPOTIFY, []),
                )
            )  # fmt: skip
            self.spotify = Spotify(settings, options, policies[1])

    def close(self) -> None:
        self.reccobeats.close()
        if self.spotify:
            self.spotify.close()

    def take_what_is_known(self) -> None:
        """Copy the features that the warehouse has of these songs under other datasets, but for made-up ones."""
        by_id = [(song, name) for song, names in _without_features(self.batches).items() for name in names]
        by_name = _without_id(self.batches, also_searched=True)
        with self.batches.connect() as connection:
            known = connection.sql(
                """
                with others as (
                    select documents.track_id, documents.source, documents.payload, extracted_at, dataset
                    from raw.audio_features as documents inner join raw.datasets as datasets using (dataset)
                    where payload is not null and not is_synthetic and dataset <> $dataset
                ),

                named as (
                    select unnest($named::varchar[]) as track_id, lower(unnest($titles::varchar[])) as title,
                        lower(unnest($artists::varchar[])) as artist
                ),

                found as (
                    select songs.name as track_id, others.source, others.payload, others.extracted_at
                    from (select unnest($ids::varchar[]) as id, unnest($names::varchar[]) as name) as songs
                    inner join others on songs.id = others.track_id
                    union all
                    select named.track_id, others.source, others.payload, others.extracted_at
                    from named
                    inner join raw.tracks as tracks
                        on named.title = lower(try(tracks.payload ->> '$.name'))
                        and named.artist = lower(try(tracks.payload ->> '$.artists[0].name'))
                    inner join others on tracks.dataset = others.dataset and tracks.track_id = others.track_id
                )

                select track_id, source, payload from found
                qualify row_number() over (partition by track_id order by extracted_at desc, payload) = 1
                """,
                params={
                    "dataset": self.dataset.name,
                    "ids": [song for song, _ in by_id],
                    "names": [name for _, name in by_id],
                    "named": [song.track_id for song in by_name],
                    "titles": [song.title for song in by_name],
                    "artists": [song.artist for song in by_name],
                },
            )
            if found := len(known):
                land(connection, self.dataset, {"audio_features": known}, activate=False)
                self.notes.append(f"Known here already, from other datasets: {found:,}.")

    def find_by_name(self) -> None:
        """Look for the songs that have no id, the most played first, and ask ReccoBeats about those that are found."""
        todo = _without_id(self.batches)
        if todo and self.spotify is None:
            self.notes.append(
                f"{len(todo):,} songs have no id and cannot be looked for without an app of Spotify's: set "
                "SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET, and run the same again."
            )
            return
        for start in range(0, len(todo), reccobeats.BATCH):
            for number, song in enumerate(todo[start : start + reccobeats.BATCH], start=start):
                self.progress("looking for songs by title and artist", number, len(todo))
                self._find(song)
            self._require_certain("Spotify")
            self.batches.flush()
            self.ask_reccobeats()

    def _find(self, song: Named) -> None:
        assert self.spotify is not None
        question = partial(self.spotify.find_track, song.title, song.artist)
        elements: list[Element] = self.batches.answer(question, nothing=[])
        found = next((element for element in elements if _is_the_song(element.value, song)), None)
        rows = [{"track_id": song.track_id, "payload": found.text, "source": SPOTIFY}] if found else []
        track_id = text_of(found.value, "id") if found else None
        self.batches.keep(Unit([done("found", song.track_id, track_id)], {"popularity": rows}))

    def ask_reccobeats(self) -> None:
        """Ask ReccoBeats about every song without features that it has not been asked about."""
        way = Way(self._reccobeats, reccobeats.BATCH, RECCOBEATS, reccobeats.spotify_id)
        self._ask("ReccoBeats", way)

    def _reccobeats(self, track_ids: Sequence[str]) -> list[Element]:
        """Its answer; what it does not know it leaves out, so that "not found" is said of the whole service."""
        try:
            return self.reccobeats.audio_features(track_ids)
        except Refused as refusal:
            if refusal.is_not_found:
                raise Suspended(f"ReccoBeats is not there: {refusal.status}, {refusal.message}") from refusal
            raise

    def ask_spotify(self) -> None:
        """Ask Spotify, until it says that it may not be asked, about the songs that ReccoBeats does not know."""
        if self.spotify is None or "audio-features" in self.batches.state.closed:
            return
        way = Way(self.spotify.audio_features, spotify.AUDIO_FEATURES_BATCH, SPOTIFY, own_id)
        try:
            self._ask("Spotify", way)
        except EndpointClosed as closed:
            self.batches.state.closed[closed.endpoint] = closed.message
            self.batches.keep(Unit([done("closed", closed.endpoint, closed.message)]))
            self.notes.append(f"{closed} So the songs that ReccoBeats does not know stay without audio features.")

    def _require_certain(self, service: str) -> None:
        """Raise `Suspended` after a useless answer: of a short list, no later one tells what was at fault."""
        if self.batches.is_doubtful:
            raise Suspended(f"{service}'s last answers could not be used")

    def _ask(self, service: str, way: Way) -> None:
        known_as = _without_features(self.batches, way.source)
        todo = list(known_as)
        for start in range(0, len(todo), way.size):
            self.progress(f"audio features from {service}", start, len(todo))
            ask_about(self.batches, "audio_features", way, todo[start : start + way.size], known_as)
        self._require_certain(service)
        self.progress(f"audio features from {service}", len(todo), len(todo))


def _without_features(batches: Batches, source: str | None = None) -> dict[str, list[str]]:
    """Spotify's ids of the songs of which no audio features are landed, nor that `source` has none.

    Each with what the song was landed as: its id, or what stands for it until it has been found by name.
    """
    with batches.connect() as connection:
        found = connection.execute(
            """
            with found as (
                select item as track_id, detail as found_id from raw.crawl where dataset = $dataset and stage = 'found'
            ),

            lacking as (
                select coalesce(found_id, track_id) as spotify_id, track_id, min(listing_id) as place
                from raw.tracks left join found using (track_id)
                where dataset = $dataset and track_id not in (
                    select track_id from raw.audio_features
                    where dataset = $dataset and track_id is not null and (payload is not null or source = $source)
                )
                group by all
            )

            select spotify_id, list(track_id order by place) from lacking
            where regexp_full_match(spotify_id, $id)
            group by spotify_id order by min(place)
            """,
            {"dataset": batches.dataset.name, "id": SPOTIFY_ID, "source": source or ""},
        ).fetchall()
    return dict(found)


def _without_id(batches: Batches, *, also_searched: bool = False) -> list[Named]:
    """The songs that have neither an id nor audio features, the most played first."""
    with batches.connect() as connection:
        found = connection.execute(
            """
            with played as (
                select listing_id, sum(plays) as plays from raw.plays where dataset = $dataset group by listing_id
            ),

            songs as (
                select track_id, min(listing_id) as place, sum(plays) as plays,
                    arg_min(try(payload ->> '$.name'), listing_id) as title,
                    arg_min(try(payload ->> '$.artists[0].name'), listing_id) as artist
                from raw.tracks left join played using (listing_id)
                where dataset = $dataset and not regexp_full_match(track_id, $id)
                group by track_id
            )

            select track_id, title, artist from songs
            where title <> '' and artist <> ''
                and track_id not in (
                    select track_id from raw.audio_features
                    where dataset = $dataset and track_id is not null and payload is not null
                )
                and ($also_searched or track_id not in (
                    select item from raw.crawl where dataset = $dataset and stage = 'found'
                ))
            order by plays desc nulls last, place
            """,
            {"dataset": batches.dataset.name, "id": SPOTIFY_ID, "also_searched": also_searched},
        ).fetchall()
    return [Named(*row) for row in found]


def _is_the_song(document: Any, song: Named) -> bool:
    """Whether a track that was found has the title and the artist that were looked for, but for case and spaces."""
    artists = document.get("artists") if isinstance(document, dict) else None
    names = [text_of(artist, "name") for artist in artists] if isinstance(artists, list) else []
    is_title = same_name(text_of(document, "name")) == same_name(song.title)
    return is_title and same_name(song.artist) in map(same_name, names) and text_of(document, "id") is not None
