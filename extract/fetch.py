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
    """A dump that its publisher offers at `address`: `size` in bytes, the file's hash (`sha256:…`), and its licence."""

    name: str
    address: str
    size: int
    known_hash: str
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
            "sha256:9902920cfe4940f0914ebb6716801a42f7f19ac88fbd6693eaae7e2822b16845",
            "CC0 (the repository's); the values come from Spotify's API, whose terms the README names",
        ),
        PublishedDump(
            "fma",
            "https://os.unil.cloud.switch.ch/fma/fma_metadata.zip",
            358_412_441,
            "sha1:f0df49ffe5f2a6008d7dc83c6915b31835dfe733",  # as its publisher gives it: github.com/mdeff/fma
            "CC BY 4.0 (the metadata's): Defferrard, Benzi, Vandergheynst, Bresson: FMA, ISMIR 2017, arXiv:1612.01840",
        ),
    )
}


def cache_folder() -> Path:
    """Where downloads are kept: `SONG_GENRES_CACHE`, else the user's cache folder."""
    return Path(os.environ.get("SONG_GENRES_CACHE") or platformdirs.user_cache_dir("song-genres"))


def fetch(dump: str | PublishedDump, cache_dir: Path | None = None, *, progress: Progress = ignore) -> Path:
    """The published dump (its name, or an entry of the table) as a file: from the cache, else downloaded.

    Its hash is checked either way, and a cached file that fails is downloaded again. The cache is `cache_dir`, else
    `cache_folder()`. Progress is in bytes.

    Raises `FetchError`: an unknown name, no network, a broken transfer, a file that is not the published one, or a
    cache that cannot be written. Of a broken transfer, what came is kept, and the same call goes on from there; else
    nothing is.
    """
    if isinstance(dump, str):
        if dump not in PUBLISHED_DUMPS:
            raise FetchError(f"There is no published dump {dump!r}. There are: {', '.join(PUBLISHED_DUMPS)}.")
        dump = PUBLISHED_DUMPS[dump]
    folder = (cache_dir or cache_folder()) / dump.name
    by_hand = f"Or download it in a browser, and then: make run INPUT=path/to/{dump.file_name}"
    download = _Download(dump, folder / f"{dump.file_name}.part", progress)
    pooch.get_logger().setLevel(logging.WARNING)  # our progress says what its INFO would
    try:
        path = pooch.retrieve(
            dump.address, known_hash=dump.known_hash, fname=dump.file_name, path=folder, downloader=download
        )
    except ValueError as error:  # pooch's word for a hash that differs; it names both, and has removed the file
        raise FetchError(
            f"{dump.address} is not the file that was published ({error}) Its publisher may have changed it. "
            f"Try again. {by_hand}"
        ) from error
    except requests.HTTPError as error:
        raise FetchError(f"{dump.address} cannot be downloaded now: {error}. Try again later. {by_hand}") from error
    except requests.RequestException as error:
        if download.is_answered:
            raise FetchError(
                f"The transfer of {dump.address} broke off after {download.done:,} of {dump.size:,} bytes "
                f"({type(error).__name__}). Run the same again: it goes on there. {by_hand}"
            ) from error
        raise FetchError(
            f"{dump.address} could not be reached; is there a network? ({type(error).__name__}). Try again. {by_hand}"
        ) from error
    except OSError as error:
        raise FetchError(
            f"{folder} cannot be written ({error.strerror}). Name another folder: SONG_GENRES_CACHE=… {by_hand}"
        ) from error
    return Path(path)


class _Download:
    """pooch's downloader with our progress (its own draws a bar with tqdm), which goes on with what is in `part`.

    pooch checks the hash of what it gives, so that a part of another file does no harm but to be downloaded anew.
    """

    def __init__(self, dump: PublishedDump, part: Path, progress: Progress) -> None:
        self.done = 0
        """The bytes that are there."""
        self.is_answered = False
        self._dump, self._part, self._progress = dump, part, progress

    def __call__(self, url: str, output_file: str, _pooch: object) -> None:
        stage = f"downloading {self._dump.name}"
        self.done = self._part.stat().st_size if self._part.exists() else 0
        if self.done >= self._dump.size:  # a server has no answer to that
            self._part.unlink()
            self.done = 0
        # Unpacked on the way, its bytes could not be counted.
        asked = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={self.done}-"} if self.done else {})
        with requests.get(url, stream=True, timeout=TIMEOUT_SECONDS, headers=asked) as response:
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                self._part.unlink()  # longer than the file is now: the next call begins anew
            response.raise_for_status()
            self.is_answered = True
            if response.status_code != requests.codes.partial_content:  # it gives files from their beginning alone
                self.done = 0
            self._progress(stage, self.done, self._dump.size)
            with self._part.open("ab" if self.done else "wb") as file:
                for piece in response.iter_content(1 << 18):
                    file.write(piece)
                    self.done += len(piece)
                    self._progress(stage, self.done, self._dump.size)
        self._part.replace(output_file)
