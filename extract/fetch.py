"""Published dumps: where they lie, what they hold, and their download, checked.

Belongs here: the table of dumps and the download. Not here: reading them (dumps.py).
"""

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs
import pooch
import requests

from extract.progress import Progress, ignore


class FetchError(RuntimeError):
    """A published dump could not be had; the message says why and what to do."""


@dataclass(frozen=True)
class PublishedDump:
    """A dump that its publisher offers at `address`: `size` in bytes, `sha256` of the file, and its licence."""

    address: str
    size: int
    sha256: str
    licence: str

    @property
    def file_name(self) -> str:
        """The file's name, as the address ends."""
        return self.address.rpartition("/")[2]


PUBLISHED_DUMPS = {
    "tidytuesday": PublishedDump(
        "https://raw.githubusercontent.com/rfordatascience/tidytuesday/main/data/2020/2020-01-21/spotify_songs.csv",
        7_971_379,
        "9902920cfe4940f0914ebb6716801a42f7f19ac88fbd6693eaae7e2822b16845",
        "CC0 (the repository's); the values come from Spotify's API, whose terms the README names",
    )
}


def cache_folder() -> Path:
    """Where downloads are kept: `SONG_GENRES_CACHE`, else the user's cache folder."""
    return Path(os.environ.get("SONG_GENRES_CACHE") or platformdirs.user_cache_dir("song-genres"))


def fetch(name: str, *, progress: Progress = ignore) -> Path:
    """The published dump `name` as a file, from the cache or downloaded, its SHA-256 checked either way.

    Raises `FetchError`: an unknown name, no network, a broken transfer, or a file that is not the published one.
    """
    if name not in PUBLISHED_DUMPS:
        raise FetchError(f"There is no published dump {name!r}. There are: {', '.join(PUBLISHED_DUMPS)}.")
    dump = PUBLISHED_DUMPS[name]
    by_hand = f"Or download {dump.address} in a browser and import the file: make run INPUT={dump.file_name}"
    progress(f"downloading {name}", 0, dump.size)
    try:
        path = pooch.retrieve(
            dump.address,
            known_hash=f"sha256:{dump.sha256}",
            fname=dump.file_name,
            path=cache_folder() / name,
            downloader=_Downloader(name, dump.size, progress),
        )
    except ValueError as error:  # pooch's word for a hash that differs; the file is gone again by then
        raise FetchError(
            f"{dump.address} is not the file that was published: its SHA-256 is not {dump.sha256}. It may have been "
            f"changed, or spoilt on the way; nothing was kept. Try again. {by_hand}"
        ) from error
    except requests.ConnectionError as error:
        raise FetchError(
            f"{dump.address} could not be reached, or the transfer broke off. Try again. {by_hand}"
        ) from error
    except requests.RequestException as error:
        raise FetchError(f"{dump.address} could not be downloaded ({error}). {by_hand}") from error
    return Path(path)


class _Downloader:
    """pooch's downloader with our progress; pooch's own draws its bar with tqdm."""

    def __init__(self, name: str, size: int, progress: Progress) -> None:
        self._name, self._size, self._progress = name, size, progress

    def __call__(self, url: str, output_file: str, _pooch: object) -> None:
        done = 0
        with requests.get(url, stream=True, timeout=30) as response, Path(output_file).open("wb") as file:
            response.raise_for_status()
            for piece in response.iter_content(1 << 18):
                file.write(piece)
                done += len(piece)
                self._progress(f"downloading {self._name}", done, self._size)
