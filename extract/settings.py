"""What a crawl is told: what is asked for (`CrawlOptions`), and of whom, with which credentials (`Settings`).

Belongs here: both forms, their defaults (which stand nowhere else), and where they come from. Not here: what is done
with them.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from warehouse.features import study_genres
from warehouse.raw import Dataset

MOST_HITS = 1_000
"""Spotify's search gives no more results for one query, in any tier."""

REFRESHES = ("", "popularity", "all")

_LEAST = {
    "hits_per_genre": 1, "requests_per_window": 1, "window_seconds": 0, "max_wait": 0, "max_attempts": 1,
    "backoff_seconds": 0, "requests_per_batch": 1, "request_budget": 0, "per_day": 1,
}  # fmt: skip


class CrawlError(RuntimeError):
    """A crawl that cannot go on; the message says why and what to do. What was landed stays landed."""


class CredentialsError(CrawlError):
    """There are no credentials, or Spotify does not accept them."""


@dataclass(frozen=True)
class CrawlOptions:
    """What a crawl is to ask for, how fast and how much. Raises `CrawlError` for a value that makes no sense.

    Parameters
    ----------
    genres
        Genres, each with its own limit of search hits (1 to 1,000) or None; a list of names is accepted as well.
        Empty: the study's 132.
    hits_per_genre
        The limit for genres that have none of their own.
    refresh
        `popularity` or `all`: ask for it again, and land the answers as new rows. Empty: only what is missing.
    market
        The country (ISO 3166) whose catalogue is asked for.
    requests_per_window
        The most requests that are sent in any `window_seconds`. None: what the source is known to take.
    request_budget
        The crawl is suspended once it has sent this many requests, retries included. None: no limit.
    per_day
        The most requests in any 24 hours, earlier runs included; then the crawl is suspended until there is room for
        more. None: no limit. New apps were seen to be paused after 730 to 880 (shared notes on Spotify's API, 2026).
    max_wait
        Seconds. Rather than wait longer than this for one answer, the crawl is suspended.
    max_attempts
        How often one question is sent before the crawl gives up on it; being throttled does not count.
    backoff_seconds
        The longest wait before the first retry; it doubles with each further retry.
    timeout
        Seconds without a byte from the server after which an attempt has failed.
    requests_per_batch
        A batch is landed once this many requests have been sent for it.

    """

    genres: Mapping[str, int | None] = field(default_factory=dict)
    hits_per_genre: int = MOST_HITS
    refresh: str = ""
    market: str = "US"
    requests_per_window: int | None = None
    window_seconds: float = 30.0
    request_budget: int | None = None
    per_day: int | None = None
    max_wait: float = 900.0
    max_attempts: int = 8
    backoff_seconds: float = 1.0
    timeout: float = 30.0
    requests_per_batch: int = 100

    def __post_init__(self) -> None:
        if not isinstance(self.genres, Mapping):
            object.__setattr__(self, "genres", dict.fromkeys(self.genres))
        if self.refresh not in REFRESHES:
            raise CrawlError(f"refresh is {self.refresh!r}; give popularity or all, or leave it out.")
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise CrawlError(f"{name} is {value}; the least that makes sense is {least}.")
        if self.timeout <= 0:
            raise CrawlError(f"timeout is {self.timeout}; give seconds, more than 0.")

    def genre_limits(self) -> dict[str, int]:
        """For each genre, in order, how many search hits to take, at most 1,000.

        Raises `CrawlError` for a name that no search can hold.
        """
        limits = {}
        for name, limit in (self.genres or dict.fromkeys(study_genres())).items():
            genre = " ".join(name.split())
            if not genre or '"' in genre:
                raise CrawlError(f"{name!r} cannot be a genre: give a name without quotation marks, such as Techno.")
            if limit is not None and limit < 1:
                raise CrawlError(f"The limit of {genre} is {limit}; give at least 1, or leave the genre out.")
            limits[genre] = min(limit or self.hits_per_genre, MOST_HITS)
        return limits


@dataclass(frozen=True)
class Settings:
    """Whom to ask, and as whom: addresses, credentials, and the dataset that the answers belong to.

    `requests_per_window` is the most that the service takes in 30 seconds (None: any number); `CrawlOptions` may say
    otherwise. Raises `CredentialsError` where the credentials are empty.
    """

    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    dataset: Dataset = Dataset("spotify", "spotify")
    accounts_address: str = "https://accounts.spotify.com"
    api_address: str = "https://api.spotify.com/v1"
    reccobeats_address: str = "https://api.reccobeats.com/v1"
    requests_per_window: int | None = 150

    def __post_init__(self) -> None:
        if not (self.client_id and self.client_secret):
            raise CredentialsError(
                "Spotify wants credentials: set SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET to those of your app "
                "(https://developer.spotify.com/dashboard). Without an app, use the sandbox, or a dump that you have."
            )

    @classmethod
    def from_environment(cls) -> "Settings":
        """Settings from SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET.

        SPOTIFY_ACCOUNTS_ADDRESS, SPOTIFY_API_ADDRESS and RECCOBEATS_ADDRESS name other servers, such as a sandbox.
        Raises `CredentialsError` where the credentials are not set.
        """
        variables = {
            "accounts_address": "SPOTIFY_ACCOUNTS_ADDRESS",
            "api_address": "SPOTIFY_API_ADDRESS",
            "reccobeats_address": "RECCOBEATS_ADDRESS",
        }
        addresses = {name: os.environ[variable] for name, variable in variables.items() if os.environ.get(variable)}
        settings = cls(
            client_id=os.environ.get("SPOTIFY_CLIENT_ID", "").strip(),
            client_secret=os.environ.get("SPOTIFY_CLIENT_SECRET", "").strip(),
        )
        return replace(settings, **addresses)  # type: ignore[arg-type]


def reccobeats_address() -> str:
    """Where ReccoBeats is asked, which needs no credentials: RECCOBEATS_ADDRESS, or its own address."""
    return os.environ.get("RECCOBEATS_ADDRESS") or Settings.reccobeats_address


def read_genres(path: Path) -> dict[str, int | None]:
    """Genres from a file: one per line, with an optional limit of hits after a comma; `#` begins a comment.

    Raises `CrawlError`, which names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CrawlError(f"{path} cannot be read as a list of genres: {error}") from error
    found: dict[str, int | None] = {}
    for number, line in enumerate(lines, start=1):
        genre, _, limit = line.partition("#")[0].partition(",")
        if not genre.strip():
            continue
        if limit.strip() and not limit.strip().isdigit():
            raise CrawlError(f"{path}, line {number}: {limit.strip()!r} is no limit; write such as `Techno, 200`.")
        found[genre.strip()] = int(limit) if limit.strip() else None
    if not found:
        raise CrawlError(f"{path} names no genre: write one per line, such as `Techno` or `Techno, 200`.")
    return found
