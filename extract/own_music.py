"""A person's own music, as Spotify sends it or as people write it down: which songs, and how often they were played.

Belongs here: Spotify's account data (library, playlists, listening histories, single or as the zip comes) and texts of
ids, rewritten as a table of songs that song_files reads; and plays counted by month. Not here: files with columns
(song_files), and what is landed (dumps.py).

Of a history, the song, the month, the count and the time listened are read. Addresses, names of users, devices,
countries and times of day never leave the file: the classes below have no place for them.
"""

import csv
import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import msgspec

from extract.song_files import Container, SongFileError, contained
from extract.song_files.encodings import wide_encoding
from extract.song_files.kinds import BEGINNING, is_listening_history, is_named_like_a_history
from extract.song_files.layouts import plain, spellings

COUNTED_FROM_MS = 30_000
"""A play counts from half a minute on, as Spotify counts streams; the time listened is all of it."""

LONGEST_PLAY_MS = 24 * 3_600_000

MOST_BYTES = 4 << 30
"""How much JSON is unpacked from a zip: ten times the longest history that anybody has shown."""

COLUMNS = ("spotify_track_id", "song_name", "artist_name", "album_name")
_ID = re.compile(r"(?:spotify:track:|https?://open\.spotify\.com/(?:intl-[\w-]+/)?track/)?[0-9A-Za-z]{22}(?:[?/#].*)?")
_SPOTIFYS = re.compile(r"(?:spotify:|https?://(?:open\.spotify\.com|spotify\.link)/)[^\s,;|]+")
_LINES_LOOKED_AT = 20


class _Extended(msgspec.Struct):
    """One play of an extended history. What a podcast or a video played has no track's address."""

    ts: str | None = None
    ms_played: int | None = None
    master_metadata_track_name: str | None = None
    master_metadata_album_artist_name: str | None = None
    master_metadata_album_album_name: str | None = None
    spotify_track_uri: str | None = None


class _Played(msgspec.Struct, rename="camel"):
    """One play of the last year's history, which has no ids."""

    end_time: str | None = None
    ms_played: int | None = None
    artist_name: str | None = None
    track_name: str | None = None


class _Kept(msgspec.Struct):
    artist: str | None = None
    album: str | None = None
    track: str | None = None
    uri: str | None = None


class _Library(msgspec.Struct):
    tracks: list[_Kept] = []


class _Listed(msgspec.Struct, rename="camel"):
    track_name: str | None = None
    artist_name: str | None = None
    album_name: str | None = None
    track_uri: str | None = None


class _Item(msgspec.Struct):
    track: _Listed | None = None


class _Playlist(msgspec.Struct):
    items: list[_Item] = []


class _Playlists(msgspec.Struct):
    playlists: list[_Playlist] = []


@dataclass(frozen=True)
class Plays:
    """How often the song was played in a month, and for how many seconds in all; songs are counted from 1."""

    listing_id: int
    month: date
    plays: int
    seconds: int


@dataclass
class _Music:
    """Songs in the order in which they were first met, by what tells them apart, and their plays."""

    songs: dict[tuple[str, ...], tuple[str | None, ...]] = field(default_factory=dict)
    played: dict[tuple[tuple[str, ...], str], list[int]] = field(default_factory=dict)
    left_out: int = 0

    def add(self, uri: str | None, title: str | None, artist: str | None, album: str | None) -> tuple[str, ...] | None:
        """Note a song; returns what tells it apart, or None for what is no song."""
        if not (uri or title):
            self.left_out += 1
            return None
        key = ("uri", uri) if uri else ("name", same_name(title), same_name(artist))
        self.songs.setdefault(key, (uri, title, artist, album))
        return key

    def play(self, key: tuple[str, ...] | None, moment: str | None, played: int | None) -> None:
        """Count a play of the song in the month of `moment`. What has no time, or less than none, is no play."""
        milliseconds = min(max(played or 0, 0), LONGEST_PLAY_MS)
        if key is None or moment is None:
            return
        if not re.match(r"\d{4}-(0[1-9]|1[0-2])\b", moment):
            # It is not repeated: what is told is kept, in Dagster's log as well.
            raise SongFileError(
                "a play's time is not written as 2024-01-31 10:00. Download it anew; nothing was landed."
            )
        counted = self.played.setdefault((key, moment[:7]), [0, 0])
        counted[0] += milliseconds >= COUNTED_FROM_MS
        counted[1] += milliseconds

    def identified(self) -> "_Music":
        """The same songs, those known by name alone as the song of that name which has an id, where there is one."""
        ids = {(same_name(title), same_name(artist)): key for key, (uri, title, artist, _) in self.songs.items() if uri}
        found = _Music(left_out=self.left_out)
        renamed = {key: ids.get((key[1], key[-1]), key) if key[0] == "name" else key for key in self.songs}
        for key, song in self.songs.items():
            found.songs.setdefault(renamed[key], self.songs.get(renamed[key], song))
        for (key, month), (plays, milliseconds) in self.played.items():
            counted = found.played.setdefault((renamed[key], month), [0, 0])
            counted[0] += plays
            counted[1] += milliseconds
        return found


def same_name(text: str | None) -> str:
    """A title or an artist's name without case and repeated spaces: two that are equal so are the same."""
    return " ".join((text or "").split()).casefold()


@dataclass(frozen=True)
class OwnMusic:
    """A person's songs as a file that song_files reads, the plays of them, and sentences on what was left out."""

    container: Container
    plays: Sequence[Plays]
    notes: Sequence[str]


def is_own_music(path: Path) -> bool:
    """Whether `path` is account data of Spotify's or a text of ids, and so no table of songs."""
    return (path.is_file() and _is_a_list(path)) or any(True for _ in _documents(path))


@contextmanager
def opened(path: Path) -> Iterator[OwnMusic]:
    """What `path` holds of a person's music; gone after the block. A file with columns is itself.

    Raises `SongFileError`: there is nothing, it cannot be read, or it names no song.
    """
    is_list = path.is_file() and _is_a_list(path)
    texts = [] if is_list else list(_documents(path))
    if not (is_list or texts):
        yield OwnMusic(contained(path), (), ())
        return
    music = _Music()
    if is_list:
        for address in _addresses(_text(path)):
            music.add(address, None, None, None)
    for name, content in texts:
        _read(music, name, content, has_extended=any(b'"ms_played"' in other[:BEGINNING] for _, other in texts))
    music = music.identified()
    if not music.songs:
        others = f"{music.left_out:,} entries are podcasts, videos or empty" if music.left_out else "it holds none"
        raise SongFileError(f"{path} names no song: {others}.")
    with TemporaryDirectory(prefix="song-genres-") as folder:
        table = Path(folder) / "songs.csv"
        _write(table, music)
        left_out = (f"Left out, since they are no songs but podcasts, videos or empty: {music.left_out:,}.",)
        # By its path it is what the person gave: that names the dataset, and tells whether it is landed already.
        yield OwnMusic(
            replace(contained(table, name=str(path)), path=path), _plays(music), left_out if music.left_out else ()
        )


def _is_a_list(path: Path) -> bool:
    """Whether the file is a text of ids, addresses or links, one per line."""
    with path.open("rb") as file:
        beginning = file.read(BEGINNING)
    if b"\0" in beginning and not wide_encoding(beginning):
        return False
    text = beginning.decode(wide_encoding(beginning) or "utf-8-sig", errors="replace")
    lines = list(islice(_lines(text), _LINES_LOOKED_AT))
    return sum(map(_is_address, lines)) * 2 > len(lines) or (not lines and bool(text.strip()))


def _lines(text: str) -> Iterator[str]:
    """The lines of a list without comments, blank ones and quotation marks."""
    lines = (line.strip().strip('"').strip() for line in text.splitlines())
    return (line for line in lines if line and not line.startswith("#"))


def _is_address(line: str) -> bool:
    return bool(_ID.fullmatch(line) or _SPOTIFYS.fullmatch(line))


def _addresses(text: str) -> Iterator[str]:
    """What a list names, without what tells who shared it: the parameters of a link, the owner of a playlist."""
    for number, line in enumerate(_lines(text)):
        if number or plain(line) not in spellings("spotify_track_id"):  # or else it is a header
            address = re.split("[?#]", line, maxsplit=1)[0] if _is_address(line) else line
            yield re.sub(r"\buser([:/])[^:/]+", r"user\1…", address)


def _text(path: Path) -> str:
    content = path.read_bytes()
    return content.decode(wide_encoding(content[:BEGINNING]) or "utf-8-sig", errors="replace")


def _documents(path: Path) -> Iterator[tuple[str, bytes]]:
    """The JSON documents of Spotify's account data in a file, a zip or a folder; other files are not opened."""
    if path.is_dir():
        for file in sorted(path.rglob("*.json")):
            if is_named_like_a_history(file.name):
                yield str(file), file.read_bytes()
    elif zipfile.is_zipfile(path):
        try:
            with zipfile.ZipFile(path) as archive:
                members = [info for info in archive.infolist() if is_named_like_a_history(info.filename)]
                if sum(info.file_size for info in members) > MOST_BYTES:
                    raise SongFileError(f"{path} would unpack to more than {MOST_BYTES >> 30} GiB; nothing was read.")
                for info in members:
                    # Without its folders, of which one may be called after the person.
                    yield f"{path}/{Path(info.filename).name}", archive.read(info)
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError) as error:
            raise SongFileError(f"{path} cannot be unpacked: {error}. Download it anew.") from error
    elif path.is_file():
        with path.open("rb") as stream:
            beginning = stream.read(BEGINNING)
        text = beginning.removeprefix(b"\xef\xbb\xbf").lstrip()
        if text[:1] in (b"[", b"{") and (_kind(text) or is_listening_history(path.name, text.decode(errors="replace"))):
            yield str(path), path.read_bytes()


def _kind(beginning: bytes) -> type | None:
    """What the JSON is that begins so, told by its keys; None for what is no account data."""
    keys = set(re.findall(rb'"(\w+)"\s*:', beginning[:BEGINNING]))
    for wanted, kind in (
        ({b"ts", b"ms_played"}, list[_Extended]),
        ({b"endTime", b"msPlayed"}, list[_Played]),
        ({b"playlists"}, _Playlists),
    ):
        if wanted <= keys:
            return kind
    return _Library if {b"tracks", b"uri"} <= keys and b"danceability" not in keys else None


def _read(music: _Music, name: str, content: bytes, *, has_extended: bool) -> None:
    """Add a document's songs and plays."""
    kind = _kind(content)
    if kind is None:
        return
    try:
        document: Any = msgspec.json.decode(content.removeprefix(b"\xef\xbb\xbf"), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SongFileError(f"{name} cannot be read: {error}. Download it anew; nothing was landed.") from error
    try:
        if isinstance(document, _Library):
            for kept in document.tracks:
                music.add(kept.uri, kept.track, kept.artist, kept.album)
        elif isinstance(document, _Playlists):
            for track in (item.track for playlist in document.playlists for item in playlist.items):
                listed = track or _Listed()
                music.add(listed.track_uri, listed.track_name, listed.artist_name, listed.album_name)
        else:
            for play in document:
                if isinstance(play, _Extended):
                    # An episode has no track's address; a title without one is no song either.
                    title = play.master_metadata_track_name if play.spotify_track_uri else None
                    artist, album = play.master_metadata_album_artist_name, play.master_metadata_album_album_name
                    music.play(music.add(play.spotify_track_uri, title, artist, album), play.ts, play.ms_played)
                elif not has_extended:  # which has the same plays, with ids
                    key = music.add(None, play.track_name, play.artist_name, None)
                    music.play(key, play.end_time, play.ms_played)
    except SongFileError as error:
        raise SongFileError(f"{name}: {error}") from error


def _write(table: Path, music: _Music) -> None:
    songs = list(music.songs.values())
    # Without a column of ids, they are derived.
    columns = [number for number in range(len(COLUMNS)) if number == 1 or any(song[number] for song in songs)]
    with table.open("w", newline="", encoding="utf-8") as file:
        _write_rows(file, [COLUMNS[number] for number in columns], [[song[n] for n in columns] for song in songs])


def _write_rows(file: IO[str], header: Sequence[str], rows: Sequence[Sequence[str | None]]) -> None:
    writer = csv.writer(file)
    writer.writerow(header)
    writer.writerows(rows)


def _plays(music: _Music) -> list[Plays]:
    numbers = {key: number for number, key in enumerate(music.songs, start=1)}
    return [
        Plays(numbers[key], date(int(month[:4]), int(month[5:7]), 1), plays, milliseconds // 1_000)
        for (key, month), (plays, milliseconds) in music.played.items()
    ]
