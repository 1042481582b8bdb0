"""The audio features of listed songs: from what the warehouse has, from ReccoBeats, and from Spotify where it may.

Belongs here: which songs of a list lack audio features, and who is asked in which order. Not here: how the list was
landed (dumps.py), and how a batch of ids is asked about (about_tracks.py).
"""

import math
from pathlib import Path
from typing import NamedTuple

from extract import reccobeats, spotify
from extract.crawl.about_tracks import Way, ask_about, own_id
from extract.crawl.batch import Batches, Unit, done
from extract.crawl.run import CrawlReport, run_stages
from extract.http import Policy
from extract.reccobeats import ReccoBeats
from extract.settings import CrawlOptions, Settings, reccobeats_address
from extract.spotify import EndpointClosed, Spotify
from warehouse.progress import Progress, ignore
from warehouse.raw import Dataset, land

RECCOBEATS, SPOTIFY = "reccobeats", "spotify"
SPOTIFY_ID = "[0-9A-Za-z]{22}"
SECONDS_PER_REQUEST = 1.0
"""A guess for a service far away."""


class Outlook(NamedTuple):
    """What the audio features of a list will cost: songs that lack them, requests at least, and seconds at least."""

    songs: int
    requests: int
    seconds: float


def outlook(dataset: Dataset, file: Path) -> Outlook:
    """What `find_sound` will ask, as far as can be told beforehand; nothing is asked."""
    batches = Batches(dataset, file, CrawlOptions())
    songs = len(_without_features(batches, "reccobeats"))
    requests = math.ceil(songs / reccobeats.BATCH)
    return Outlook(songs, requests, requests * SECONDS_PER_REQUEST)


def find_sound(
    dataset: Dataset, file: Path, settings: Settings | None, options: CrawlOptions, *, progress: Progress = ignore
) -> CrawlReport:
    """Land the audio features of every song of the dataset that has none yet, from whoever has them.

    First what the warehouse has of the song under another dataset, then ReccoBeats, then Spotify with the credentials
    of `settings` (None: it is not asked). A finished run asks nothing again. Raises `CrawlSuspended` (the same command
    goes on later) or another `CrawlError`; what was landed stays.
    """
    run = _Songs(dataset, file, settings, options, progress)
    try:
        return run_stages(run.batches, [run.take_what_is_known, run.ask_reccobeats, run.ask_spotify], run.notes)
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
        with self.batches.connect() as connection:
            known = connection.sql(
                """
                select track_id, documents.source, payload
                from raw.audio_features as documents inner join raw.datasets as datasets using (dataset)
                where payload is not null and not is_synthetic and dataset <> $dataset
                    and track_id in (select unnest($songs::varchar[]))
                qualify row_number() over (partition by track_id order by extracted_at desc, payload) = 1
                """,
                params={"dataset": self.dataset.name, "songs": _without_features(self.batches)},
            )
            if found := len(known):
                land(connection, self.dataset, {"audio_features": known}, activate=False)
                self.notes.append(f"Known here already, from other datasets: {found:,}.")

    def ask_reccobeats(self) -> None:
        """Ask ReccoBeats about every song without features that it has not been asked about."""
        way = Way(self.reccobeats.audio_features, reccobeats.BATCH, RECCOBEATS, reccobeats.spotify_id)
        self._ask("ReccoBeats", way)

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

    def _ask(self, service: str, way: Way) -> None:
        todo = _without_features(self.batches, way.source)
        for start in range(0, len(todo), way.size):
            self.progress(f"audio features from {service}", start, len(todo))
            ask_about(self.batches, "audio_features", way, todo[start : start + way.size])
        self.progress(f"audio features from {service}", len(todo), len(todo))


def _without_features(batches: Batches, source: str | None = None) -> list[str]:
    """The ids of the dataset's songs of which no audio features are landed, nor that `source` has none."""
    with batches.connect() as connection:
        found = connection.execute(
            """
            select track_id from raw.tracks
            where dataset = $dataset and regexp_full_match(track_id, $id) and track_id not in (
                select track_id from raw.audio_features
                where dataset = $dataset and track_id is not null and (payload is not null or source = $source)
            )
            group by track_id order by min(listing_id)
            """,
            {"dataset": batches.dataset.name, "id": SPOTIFY_ID, "source": source or ""},
        ).fetchall()
    return [track_id for (track_id,) in found]
