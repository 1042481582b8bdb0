"""Published dumps: where they are, what they hold, and how they are downloaded and checked.

Belongs here: the table of dumps and the download. Not here: reading them (dumps.py).
"""

import logging
import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs
import pooch
import requests

from warehouse.progress import Progress, ignore

TIMEOUT_SECONDS = 30.0


class FetchError(RuntimeError):
    """A published dump could not be downloaded; the message says why and what to do."""


@dataclass(frozen=True)
class PublishedDump:
    """A dump that its publisher offers at `address`: `size` in bytes, `sha256` of the file, and its licence."""

    name: str
    address: str
    size: int
    sha256: str
    licence: str

    @property
    def file_name(self) -> str:
        """The file's name, as the address ends."""
        return self.address.rpartition("/")[2]


PUBLISHED_DUMPS = {
    dump.name: dump
    for dump in (
        PublishedDump(
            "tidytuesday",
            "https://raw.githubusercontent.com/rfordatascience/tidytuesday/main/data/2020/2020-01-21/spotify_songs.csv",
            7_971_379,
            "9902920cfe4940f0914ebb6716801a42f7f19ac88fbd6693eaae7e2822b16845",
            "CC0 (the repository's); the values come from Spotify's API, whose terms the README names",
        ),
    )
}


def cache_folder() -> Path:
    """Where downloads are kept: `SONG_GENRES_CACHE`, else the user's cache folder."""
    return Path(os.environ.get("SONG_GENRES_CACHE") or platformdirs.user_cache_dir("song-genres"))


def fetch(dump: str | PublishedDump, cache_dir: Path | None = None, *, progress: Progress = ignore) -> Path:
    """The published dump (its name, or an entry of the table) as a file: from the cache, else downloaded.

    Its SHA-256 is checked either way, and a cached file that fails is downloaded again. The cache is `cache_dir`, else
    `cache_folder()`. Progress is in bytes.

    Raises `FetchError`: an unknown name, no network, a broken transfer, a file that is not the published one, or a
    cache that cannot be written. Then nothing is kept.
    """
    if isinstance(dump, str):
        if dump not in PUBLISHED_DUMPS:
            raise FetchError(f"There is no published dump {dump!r}. There are: {', '.join(PUBLISHED_DUMPS)}.")
        dump = PUBLISHED_DUMPS[dump]
    folder = (cache_dir or cache_folder()) / dump.name
    by_hand = f"Or download it in a browser, and then: make run INPUT=path/to/{dump.file_name}"
    download = _Download(dump, progress)
    pooch.get_logger().setLevel(logging.WARNING)  # our progress says what its INFO would
    try:
        path = pooch.retrieve(
            dump.address, known_hash=f"sha256:{dump.sha256}", fname=dump.file_name, path=folder, downloader=download
        )
    except ValueError as error:  # pooch's word for a hash that differs; it names both, and has removed the file
        raise FetchError(
            f"{dump.address} is not the file that was published ({error}) Its publisher may have changed it. {by_hand}"
        ) from error
    except requests.HTTPError as error:
        raise FetchError(f"{dump.address} cannot be downloaded now: {error}. Try again later. {by_hand}") from error
    except requests.RequestException as error:
        what = (
            f"The transfer of {dump.address} broke off after {download.done:,} of {dump.size:,} bytes; nothing was kept"
            if download.done
            else f"{dump.address} could not be reached; is there a network?"
        )
        raise FetchError(f"{what} ({type(error).__name__}). Try again. {by_hand}") from error
    except OSError as error:
        raise FetchError(
            f"{folder} cannot be written ({error.strerror}). Name another folder: SONG_GENRES_CACHE=… {by_hand}"
        ) from error
    return Path(path)


class _Download:
    """pooch's downloader with our progress (its own draws a bar with tqdm); `done` counts the bytes that came."""

    def __init__(self, dump: PublishedDump, progress: Progress) -> None:
        self.done = 0
        self._dump, self._progress = dump, progress

    def __call__(self, url: str, output_file: str, _pooch: object) -> None:
        stage = f"downloading {self._dump.name}"
        self._progress(stage, 0, self._dump.size)
        with requests.get(url, stream=True, timeout=TIMEOUT_SECONDS) as response, Path(output_file).open("wb") as file:
            response.raise_for_status()
            for piece in response.iter_content(1 << 18):
                file.write(piece)
                self.done += len(piece)
                self._progress(stage, self.done, self._dump.size)
