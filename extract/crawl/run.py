"""A run of the crawl: its stages in order, and its report.

Belongs here: what happens first, how a run ends, and what is said then. Not here: the questions of each stage.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from extract.crawl.about_tracks import AboutTracks
from extract.crawl.batch import Batches, Unit, done
from extract.crawl.listings import Listings
from extract.http import Policy, Suspended
from extract.reccobeats import ReccoBeats
from extract.settings import CrawlError, CrawlOptions, Settings
from extract.spotify import EndpointClosed, Spotify
from warehouse import raw
from warehouse.progress import Progress, ignore

_log = logging.getLogger(__name__)

# What each closed endpoint says about others, and what is done instead. Large pages are refused in development mode
# alone, where the rest is closed as well: no request need be spent on finding that out.
_CLOSED_WITH = {"large pages": ("top-tracks", "tracks", "audio-features")}
_INSTEAD = {
    "large pages": "this is development mode: tracks come from track search, at most 1,000 per genre, and audio "
    "features and popularity from ReccoBeats",
    "top-tracks": "tracks come from track search, at most 1,000 per genre",
    "audio-features": "they come from ReccoBeats",
    "tracks": "popularity comes from ReccoBeats",
}


@dataclass(frozen=True)
class CrawlReport:
    """What a run did: the rows that it landed in each raw table, and what that cost.

    `requests` counts questions, each once; `attempts` counts the HTTP exchanges, as the server does. `listings` are
    those landed so far, by genre, in earlier runs as well. `unusable` counts the answers kept in
    raw.unusable_responses; `notes` are sentences for the reader. Where `finished`, the same command has nothing left
    to ask.
    """

    dataset: str
    documents: Mapping[str, int]
    requests: int
    attempts: int
    waited_seconds: float
    unusable: int
    listings: Mapping[str, int]
    notes: tuple[str, ...]
    finished: bool

    @property
    def retries(self) -> int:
        """Attempts beyond each question's first."""
        return self.attempts - self.requests


class CrawlSuspended(CrawlError):
    """The crawl stopped in good order; the same command goes on. `resume_at` is in UTC, or None where not known."""

    def __init__(self, suspended: Suspended, report: CrawlReport) -> None:
        self.reason = suspended.reason
        self.resume_at = suspended.resume_at
        self.report = report
        landed = ", ".join(f"{count:,} {table}" for table, count in report.documents.items()) or "nothing new"
        when = f" from {self.resume_at:%Y-%m-%d %H:%M} UTC on" if self.resume_at else ""
        super().__init__(f"The crawl is suspended: {self.reason}. Landed: {landed}. The same command goes on{when}.")


def crawl(
    settings: Settings, warehouse_file: Path, options: CrawlOptions | None = None, *, progress: Progress = ignore
) -> CrawlReport:
    """Land every document that `options` ask for and that is not landed yet; make the dataset the active one.

    A finished crawl makes no request, unless `options.refresh` asks for popularity (of every landed track) or for
    everything again; the new rows then stand beside the old ones.

    Raises `CrawlSuspended` (come back later), `CredentialsError` or another `CrawlError`. What was landed stays.
    """
    run = _Crawl(settings, warehouse_file, options or CrawlOptions(), progress)
    try:
        return run.go()
    finally:
        run.close()


class _Crawl:
    def __init__(self, settings: Settings, file: Path, options: CrawlOptions, progress: Progress) -> None:
        limits = options.genre_limits()
        self.refresh = options.refresh
        self.notes: list[str] = []
        self.batches = Batches(settings.dataset, file, options)
        self.state = self.batches.state
        ages = self.batches.ages()
        policies = [
            Policy(
                service, source, options, self.batches.budget, requests_per_window=settings.requests_per_window,
                progress=progress, ages=ages.get(source, []),
            )
            for service, source in (("Spotify", settings.dataset.source), ("ReccoBeats", "reccobeats"))
        ]  # fmt: skip
        self.batches.policies = policies
        self.spotify = Spotify(settings, options, policies[0])
        self.reccobeats = ReccoBeats(settings.reccobeats_address, options, policies[1])
        self.listings = Listings(limits, self.batches, self.spotify, self.remember, progress)
        self.about_tracks = AboutTracks(self.batches, self.spotify, self.reccobeats, self.remember, progress)

    def close(self) -> None:
        self.spotify.close()
        self.reccobeats.close()

    def go(self) -> CrawlReport:
        if self.refresh and self.state.open_round != self.refresh:
            self.state.begin(self.refresh)
            self.batches.keep(Unit([done("round", self.refresh)]))
        stages = [self.about_tracks.fetch_popularity]
        if self.refresh != "popularity":
            stages = [self.listings.list_tracks, self.about_tracks.fetch_audio_features, *stages]
        return run_stages(self.batches, stages, self.notes)

    def remember(self, closed: EndpointClosed) -> None:
        """Remember, for later runs too, that the endpoint is closed and what is asked instead, and say so."""
        for endpoint in (closed.endpoint, *_CLOSED_WITH.get(closed.endpoint, ())):
            self.state.closed[endpoint] = closed.message
            self.batches.keep(Unit([done("closed", endpoint, closed.message)]))
        self.notes.append(f"{closed} So {_INSTEAD[closed.endpoint]}.")
        _log.warning(self.notes[-1])


def run_stages(batches: Batches, stages: Sequence[Callable[[], None]], notes: Sequence[str]) -> CrawlReport:
    """Run the stages in order, land all that they bring, and report; `notes` are sentences that they may add to.

    Raises `CrawlSuspended` where one of them was suspended, once the others have had their turn.
    """
    suspended: Suspended | None = None
    try:
        for stage in stages:
            try:
                stage()
            except Suspended as reason:
                # The next stage goes on all the same: ReccoBeats may answer when Spotify's quota is used up.
                suspended = suspended or reason
                batches.forget_doubtful()
            batches.flush()
        if not suspended:
            if batches.state.open_round:
                batches.keep(Unit([done("finished", batches.state.open_round)]))
            batches.accept_doubtful()
    finally:
        batches.flush()
    report = _report(batches, notes, finished=not suspended)
    if suspended:
        raise CrawlSuspended(suspended, report) from suspended
    return report


def _report(batches: Batches, notes: Sequence[str], *, finished: bool) -> CrawlReport:
    with batches.connect() as connection:
        if finished:
            raw.use(connection, batches.dataset.name)
        listings = connection.execute(
            """
            select genre, count(*) from raw.tracks
            where dataset = $dataset and batch_id in (select unnest($batches::varchar[])) and genre is not null
            group by genre order by min(listing_id)
            """,
            {"dataset": batches.dataset.name, "batches": batches.state.batches},
        ).fetchall()
    return CrawlReport(
        batches.dataset.name, dict(batches.documents), batches.requests, batches.attempts, batches.waited,
        batches.unusable, dict(listings), tuple(notes), finished,
    )  # fmt: skip
