"""A synthetic catalogue in the shapes of the Spotify Web API: artists, tracks and audio features, all made up.

Belongs here: whose songs sound how, and what is wrong with some documents, as it is in real downloads. Not here: who
plays in which genre (genres.py), how genres sound (profiles.py), words (names.py), serving it over HTTP (answers.py,
server.py).

The numbers are drawn first, as arrays; a document is put together from them each time it is asked for. So a catalogue
of the study's size (916,668 listings) fits into memory.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from extract.sandbox import names, profiles
from extract.sandbox.genres import TOP_TRACKS, Genre, Integers, draw_hits, places, read_genres

Document = dict[str, Any]
T = TypeVar("T")

_SHORT_LISTS = 0.006  # artists with fewer top tracks
_GUESTS = 0.04  # artists who have a track of another artist, on which they are a guest, among their top tracks
_FEATURING = 0.03  # tracks that credit a second artist
_COVERS = 0.05  # tracks that bear the name of another track of their genre
_FOREIGN_NAMES = 0.025  # artists who write in another script than most of their genre
# How alike two songs of an artist are (correlation of their normal scores): as in reality, a split that does not keep
# an artist's songs together flatters the model.
_ARTIST_LIKENESS = 0.25
_ALBUMS = 4

_UNKNOWN_POPULARITY = 0.04
_UNKNOWN_FEATURES = 0.005
_SILENT = 0.001  # tracks without a beat; twice the study's share, so that the default has some

_OPEN, _API = "https://open.spotify.invalid", "https://api.spotify.invalid/v1"  # no page of Spotify's: never resolves
_BASE62 = np.frombuffer(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", dtype="S1")


class Documents(Mapping[str, T], Generic[T]):
    """Documents by id, put together each time one is asked for, so that changing one changes nothing else."""

    def __init__(self, positions: Mapping[str, int], build: Callable[[int], T]) -> None:
        self._positions = positions
        self._build = build

    def __getitem__(self, key: str) -> T:
        return self._build(self._positions[key])

    def __contains__(self, key: object) -> bool:
        return key in self._positions

    def __iter__(self) -> Iterator[str]:
        return iter(self._positions)

    def __len__(self) -> int:
        return len(self._positions)


@dataclass(frozen=True)
class Catalogue:
    """Everything that the sandbox knows. A crawl's listings are (genre, hit, top track), in this order.

    `hits`: for each genre the ids of its artists in the order of the search; an artist may stand twice. `top_tracks`:
    up to ten track ids for each artist, the most popular first. `artists`, `tracks` and `audio_features`: documents by
    id in the shapes of the Web API, each with `"synthetic": true`. Some tracks have no `popularity`, or one that is
    None; some have no audio features (None).
    """

    seed: int
    hits: Mapping[str, list[str]]
    artists: Mapping[str, Document]
    top_tracks: Mapping[str, list[str]]
    tracks: Mapping[str, Document]
    audio_features: Mapping[str, Document | None]


def build_catalogue(seed: int = 538, listings: int = 25_000, only: Sequence[str] | None = None) -> Catalogue:
    """The catalogue of this seed, with about `listings` listings of the study's genres, or of those named in `only`.

    The same arguments give the same catalogue, document for document. Each genre takes 120 to 10,000 listings; raises
    `ValueError` for sizes beyond that, and for a genre that is not the study's.
    """
    rng = np.random.default_rng(seed)
    genres = read_genres()
    if only is not None:
        if unknown := sorted(set(only) - {genre.name for genre in genres}):
            raise ValueError(f"not among the study's genres: {', '.join(unknown)}")
        genres = [genre for genre in genres if genre.name in only]

    home, hits = draw_hits(rng, genres, listings)
    artists = _Artists.draw(rng, genres, home)
    tracks = _Tracks.draw(rng, genres, artists)
    artist_positions = {key: position for position, key in enumerate(artists.ids)}
    track_positions = {key: position for position, key in enumerate(tracks.ids)}
    return Catalogue(
        seed=seed,
        hits={genre.name: [artists.ids[artist] for artist in found] for genre, found in zip(genres, hits, strict=True)},
        artists=Documents(artist_positions, artists.document),
        top_tracks=dict(zip(artists.ids, tracks.top(), strict=True)),
        tracks=Documents(track_positions, tracks.document),
        audio_features=Documents(track_positions, tracks.audio_features),
    )


def _ids(rng: np.random.Generator, number: int) -> list[str]:
    """Ids like Spotify's: 22 digits in base 62."""
    digits = rng.integers(0, 62, (number, 22))
    digits[:, 0] %= 8  # they are numbers of 128 bits
    ids: list[str] = _BASE62[digits].view("S22").ravel().astype(str).tolist()
    return ids


def _dice(rng: np.random.Generator, number: int) -> NDArray[np.uint32]:
    return rng.integers(0, 2**32, (number, names.DICE), dtype=np.uint32)


def _reference(kind: str, key: str) -> Document:
    """The fields that every object of the Web API has."""
    return {
        "external_urls": {"spotify": f"{_OPEN}/{kind}/{key}"},
        "href": f"{_API}/{kind}s/{key}",
        "id": key,
        "type": kind,
        "uri": f"spotify:{kind}:{key}",
    }


def _images(key: str) -> list[Document]:
    return [{"height": side, "url": f"{_OPEN}/image/{key}-{side}", "width": side} for side in (640, 300, 64)]


@dataclass(frozen=True)
class _Artists:
    """Each array has one entry per artist; artists of one home genre stand together."""

    ids: list[str]
    home: Integers
    home_names: list[str]
    flavours: list[str]
    dice: NDArray[np.uint32]
    mates: Integers  # the artist with whom each one plays
    popularity: Integers

    @classmethod
    def draw(cls, rng: np.random.Generator, genres: Sequence[Genre], home: Integers) -> "_Artists":
        number = home.size
        flavours = np.where(
            rng.random(number) < _FOREIGN_NAMES,
            rng.choice(names.FOREIGN, number),
            np.array([genre.flavour for genre in genres])[home],
        ).tolist()
        natives = np.bincount(home, minlength=len(genres))
        # The next of the genre, in a ring: so nobody is the guest of one artist twice, nor two guests on one track.
        place = places(natives)
        mates = np.arange(number) - place + (place + 1) % natives[home]
        return cls(
            ids=_ids(rng, number),
            home=home,
            home_names=[genres[genre].name for genre in home.tolist()],
            flavours=flavours,
            dice=_dice(rng, number),
            mates=mates,
            popularity=rng.binomial(100, rng.beta(2, 4, number)),
        )

    def name(self, artist: int) -> str:
        return names.artist_name(self.flavours[artist], self.dice[artist].tolist())

    def credit(self, artist: int) -> Document:
        """The short form, in which tracks and albums name their artists."""
        return _reference("artist", self.ids[artist]) | {"name": self.name(artist)}

    def document(self, artist: int) -> Document:
        popularity, die = int(self.popularity[artist]), int(self.dice[artist, -1])
        document = self.credit(artist) | {
            "followers": {"href": None, "total": int(1.12**popularity * (20 + die % 100))},
            "images": _images(self.ids[artist]) if die % 8 else [],
            "popularity": popularity,
            "synthetic": True,
        }
        # A deprecated field: filled (five times in nine), empty (two), null or not there at all.
        filled, lot = [self.home_names[artist].lower()], die // 8 % 9
        return document if lot == 8 else document | {"genres": filled if lot < 5 else [] if lot < 7 else None}


@dataclass(frozen=True)
class _Tracks:
    """Each array has one entry per track, by artist. `listed` pairs artists with top tracks."""

    ids: list[str]
    artists: _Artists
    owners: Integers
    guests: Integers  # the second artist credited, or -1
    listed: tuple[Integers, Integers]
    sounds: Mapping[str, NDArray[Any]]
    has_features: NDArray[np.bool_]
    popularity_given: Integers  # 0: yes, 1: null, 2: no such key
    dice: NDArray[np.uint32]
    titles: Integers  # whose dice give the title: for a cover another track's
    albums: Integers
    album_ids: list[str]
    album_dice: NDArray[np.uint32]

    @classmethod
    def draw(cls, rng: np.random.Generator, genres: Sequence[Genre], artists: _Artists) -> "_Tracks":
        everyone = np.arange(artists.home.size)
        lists = np.where(
            rng.random(everyone.size) < _SHORT_LISTS, rng.integers(3, TOP_TRACKS, everyone.size), TOP_TRACKS
        )
        visiting = rng.random(everyone.size) < _GUESTS
        own = lists - visiting
        owners = np.repeat(everyone, own)
        number = owners.size

        visitors = np.flatnonzero(visiting)
        hosts = artists.mates[visitors]
        shared = (np.cumsum(own) - own)[hosts] + rng.integers(own[hosts])
        guests = np.where(rng.random(number) < _FEATURING, artists.mates[owners], -1)
        guests[shared] = visitors

        genre_of = artists.home[owners]
        sizes = np.bincount(genre_of, minlength=len(genres))
        some_track_of_genre = (np.cumsum(sizes) - sizes)[genre_of] + rng.integers(sizes[genre_of])
        sounds = _draw_sounds(rng, genres, artists.home, owners)
        silent = rng.choice(number, round(number * _SILENT), replace=False)
        for name in ("time_signature", "danceability", "speechiness", "valence"):
            sounds[name][silent] = 0
        sounds["tempo"][silent[1:]] = 0  # nearly the same tracks, as in the study
        has_features = rng.random(number) >= _UNKNOWN_FEATURES
        has_features[silent] = True
        return cls(
            ids=_ids(rng, number),
            artists=artists,
            owners=owners,
            guests=guests,
            listed=(np.concatenate([owners, visitors]), np.concatenate([np.arange(number), shared])),
            sounds=sounds,
            has_features=has_features,
            popularity_given=np.where(rng.random(number) < _UNKNOWN_POPULARITY, rng.integers(1, 3, number), 0),
            dice=_dice(rng, number),
            titles=np.where(rng.random(number) < _COVERS, some_track_of_genre, np.arange(number)),
            albums=owners * _ALBUMS + rng.integers(_ALBUMS, size=number),
            album_ids=_ids(rng, everyone.size * _ALBUMS),
            album_dice=_dice(rng, everyone.size * _ALBUMS),
        )

    def top(self) -> list[list[str]]:
        """The top tracks of each artist, the most popular first."""
        artist, track = self.listed
        order = np.lexsort((track, -self.sounds["popularity"][track], artist))
        ids = [self.ids[position] for position in track[order].tolist()]
        ends = np.cumsum(np.bincount(artist)).tolist()
        return [ids[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]

    def document(self, track: int) -> Document:
        owner, guest, key = int(self.owners[track]), int(self.guests[track]), self.ids[track]
        name = self._title(int(self.titles[track]))
        credits = [self.artists.credit(owner)]
        if guest >= 0:
            credits.append(self.artists.credit(guest))
            if self.dice[track, 0] % 2:
                name += f" (feat. {credits[1]['name']})"
        album = self._album(int(self.albums[track]))
        die = int(self.dice[track, -1])
        document = _reference("track", key) | {
            "album": album,
            "artists": credits,
            "disc_number": 1,
            "duration_ms": int(self.sounds["duration_ms"][track]),
            "explicit": die % 100 < (45 if self.artists.flavours[owner] == "hip hop" else 6),
            # XX is no country's code.
            "external_ids": {"isrc": f"XXS{track // 100_000:02d}{album['release_date'][2:4]}{track % 100_000:05d}"},
            "is_local": False,
            "is_playable": True,
            "name": name,
            "preview_url": None,
            "synthetic": True,
            "track_number": 1 + die % album["total_tracks"],
        }
        match self.popularity_given[track]:
            case 0:
                document["popularity"] = int(self.sounds["popularity"][track])
            case 1:
                document["popularity"] = None
        return document

    def audio_features(self, track: int) -> Document | None:
        if not self.has_features[track]:
            return None
        key = self.ids[track]
        values = {name: column[track].item() for name, column in self.sounds.items() if name != "popularity"}
        # As Spotify rounds: loudness and tempo to three decimals, shares to three significant digits.
        decimals = {name: round(values[name], 3) for name in ("loudness", "tempo")}
        shares = {name: float(f"{value:.3g}") for name, value in values.items() if isinstance(value, float)}
        return (
            values
            | shares
            | decimals
            | {
                "type": "audio_features",
                "id": key,
                "uri": f"spotify:track:{key}",
                "track_href": f"{_API}/tracks/{key}",
                "analysis_url": f"{_API}/audio-analysis/{key}",
                "synthetic": True,
            }
        )

    def _title(self, track: int) -> str:
        return names.title(self.artists.flavours[self.owners[track]], self.dice[track].tolist())

    def _album(self, album: int) -> Document:
        artist, dice = album // _ALBUMS, self.album_dice[album].tolist()
        songs = 1 if dice[6] % 4 == 0 else 6 + dice[6] % 13
        date = f"{1958 + dice[7] % 66}-{1 + dice[5] % 12:02d}-{1 + dice[4] % 28:02d}"
        length, precision = [(4, "year"), (7, "month"), (10, "day"), (10, "day"), (10, "day")][dice[3] % 5]
        return _reference("album", self.album_ids[album]) | {
            "album_type": "single" if songs == 1 else "album",
            "artists": [self.artists.credit(artist)],
            "available_markets": ["US"],
            "images": _images(self.album_ids[album]),
            "name": names.title(self.artists.flavours[artist], dice),
            "release_date": date[:length],
            "release_date_precision": precision,
            "total_tracks": songs,
        }


def _draw_sounds(
    rng: np.random.Generator, genres: Sequence[Genre], home: Integers, owners: Integers
) -> dict[str, NDArray[Any]]:
    """A value of each feature for each track, in the unit of the Web API."""
    sources = profiles.load()
    columns: dict[str, list[NDArray[Any]]] = {name: [] for name in profiles.FEATURES}
    counts = np.bincount(owners)
    for number, genre in enumerate(genres):
        tracks = counts[home == number]
        artist = np.repeat(rng.standard_normal((tracks.size, len(profiles.FEATURES))), tracks, axis=0)
        song = rng.standard_normal(artist.shape)
        normals = np.sqrt(_ARTIST_LIKENESS) * artist + np.sqrt(1 - _ARTIST_LIKENESS) * song
        for name, values in profiles.blend(sources, genre.sources).draw(normals).items():
            columns[name].append(values)
    sounds = {name: np.concatenate(parts) for name, parts in columns.items()}
    return sounds | {name: np.rint(sounds[name]).astype(np.int64) for name in ("duration_ms", "popularity")}
