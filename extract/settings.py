"""What a crawl is told: addresses, credentials, pace and limits.

Belongs here: the settings, their defaults and where they come from. Not here: what is done with them.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from warehouse.features import study_genres
from warehouse.raw import Dataset

MOST_HITS = 1_000
"""Spotify's search gives no more results for one query, in any tier."""


class CrawlError(RuntimeError):
    """A crawl that cannot go on; the message says why and what to do. What was landed stays landed."""


class CredentialsError(CrawlError):
    """There are no credentials, or Spotify does not accept them."""


@dataclass(frozen=True)
class Settings:
    """Where to ask, as whom, how fast and how much.

    At most `requests_per_window` requests are sent in any rolling `window_seconds`. No wait is longer than `max_wait`
    seconds: the crawl is suspended instead, as it is when `request_budget` requests have been sent. `backoff_seconds`
    is the most that the first retry waits, and each later one may wait twice as long as the one before. `timeout` is
    in seconds. A batch is written once `requests_per_batch` requests were made for it.
    """

    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    dataset: Dataset = Dataset("spotify", "spotify")
    accounts_address: str = "https://accounts.spotify.com"
    api_address: str = "https://api.spotify.com/v1"
    reccobeats_address: str = "https://api.reccobeats.com/v1"
    market: str = "US"
    hits_per_genre: int = MOST_HITS
    requests_per_window: int = 150
    window_seconds: float = 30.0
    max_wait: float = 900.0
    max_attempts: int = 8
    backoff_seconds: float = 1.0
    timeout: float = 30.0
    request_budget: int | None = None
    requests_per_batch: int = 100

    def __post_init__(self) -> None:
        if not (self.client_id and self.client_secret):
            raise CredentialsError(
                "Spotify wants credentials: set SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET to those of your app "
                "(https://developer.spotify.com/dashboard). Without an app, use the sandbox, or a dump that you have."
            )
        for name, least in {
            "hits_per_genre": 1, "requests_per_window": 1, "window_seconds": 0, "max_wait": 0, "max_attempts": 1,
            "backoff_seconds": 0, "requests_per_batch": 1, "request_budget": 0,
        }.items():  # fmt: skip
            value = getattr(self, name)
            if value is not None and value < least:
                raise CrawlError(f"{name} is {value}; the least that makes sense is {least}.")
        if self.timeout <= 0:
            raise CrawlError(f"timeout is {self.timeout}; give seconds, more than 0.")

    @classmethod
    def from_environment(cls, **changes: Any) -> "Settings":
        """The defaults with SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET, and `changes` over them.

        SPOTIFY_ACCOUNTS_ADDRESS, SPOTIFY_API_ADDRESS and RECCOBEATS_ADDRESS name other servers, such as a sandbox.
        Raises `CredentialsError` where the credentials are not set.
        """
        variables = {
            "accounts_address": "SPOTIFY_ACCOUNTS_ADDRESS",
            "api_address": "SPOTIFY_API_ADDRESS",
            "reccobeats_address": "RECCOBEATS_ADDRESS",
        }
        addresses = {name: os.environ[variable] for name, variable in variables.items() if os.environ.get(variable)}
        credentials = {
            "client_id": os.environ.get("SPOTIFY_CLIENT_ID", "").strip(),
            "client_secret": os.environ.get("SPOTIFY_CLIENT_SECRET", "").strip(),
        }
        return cls(**{**credentials, **addresses, **changes})


def genre_limits(
    genres: Sequence[str] | Mapping[str, int | None] | None, hits_per_genre: int = MOST_HITS
) -> dict[str, int]:
    """For each genre, in order, how many search hits to take: its own limit, else `hits_per_genre`, at most 1,000.

    `genres` None stands for the study's 132. Raises `CrawlError` for a name that no search could hold.
    """
    if genres is None:
        genres = study_genres()
    wanted = genres if isinstance(genres, Mapping) else dict.fromkeys(genres)
    limits = {}
    for name, limit in wanted.items():
        genre = " ".join(name.split())
        if not genre or '"' in genre:
            raise CrawlError(f"{name!r} cannot be a genre: give a name without quotation marks, such as Techno.")
        if limit is not None and limit < 1:
            raise CrawlError(f"The limit of {genre} is {limit}; give at least 1, or leave the genre out.")
        limits[genre] = min(limit or hits_per_genre, MOST_HITS)
    if not limits:
        raise CrawlError("There is no genre to crawl: name at least one.")
    return limits


def read_genres(path: Path) -> dict[str, int | None]:
    """Genres from a file: one a line, with a limit of hits after a comma if wanted; `#` begins a comment.

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
    return found
