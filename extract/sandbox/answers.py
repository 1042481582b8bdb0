"""The sandbox's answers: what Spotify and ReccoBeats would say of its catalogue, in their shapes and with their caps.

Belongs here: the text of each endpoint's answer, and refusals of questions that make no sense. Not here: tokens, pace,
faults and counts (server.py), and what the catalogue holds (catalogue.py).
"""

import json
import re
import uuid
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from extract.sandbox.catalogue import Catalogue
from extract.settings import MOST_HITS

_GENRE = re.compile(r'genre:"([^"]*)"')
_TITLE_AND_ARTIST = re.compile(r'track:"([^"]*)" artist:"([^"]*)"')


@dataclass(frozen=True)
class Tier:
    """What Spotify gives an app."""

    page: int
    default_page: int
    closed: frozenset[str] = frozenset()
    has_popularity: bool = True


TIERS: Mapping[str, Tier] = {
    # Apps that were approved long ago.
    "extended": Tier(50, 20),
    # Apps made between November 2024 and February 2026.
    "no audio features": Tier(50, 20, frozenset({"audio-features"})),
    # Apps made since.
    "development": Tier(10, 5, frozenset({"top-tracks", "tracks", "artists", "audio-features"}), has_popularity=False),
}


class Failure(Exception):
    """An answer of 4xx, in the shape of Spotify's errors."""

    def __init__(self, status: int, message: str | None, headers: Mapping[str, str] | None = None) -> None:
        error: dict[str, Any] = {"status": status} if message is None else {"status": status, "message": message}
        super().__init__(message)
        self.response = json_response(json.dumps({"error": error}), status, headers)


def json_response(text: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer of this JSON text."""
    return Response(text.encode(), status, headers, media_type="application/json; charset=utf-8")


class Answers:
    """The answers about one catalogue, as `tier` allows; ReccoBeats knows the share `reccobeats_coverage` of tracks."""

    def __init__(self, catalogue: Catalogue, tier: Tier, reccobeats_coverage: float) -> None:
        self.catalogue = catalogue
        self.tier = tier
        self.reccobeats_coverage = reccobeats_coverage
        self._grown: dict[str, list[str]] = {}

    # Spotify's Web API

    def search(self, request: Request) -> str:
        """A page of a genre's artists or tracks, or of the tracks of a title and an artist."""
        kind = request.query_params.get("type", "")
        if kind not in ("artist", "track"):
            raise Failure(400, "Bad search type field")
        limit = _whole(request, "limit", self.tier.default_page, 1, self.tier.page)
        offset = _whole(request, "offset", 0, 0, MOST_HITS - 1)
        if offset + limit > MOST_HITS:
            raise Failure(400, "Invalid offset")
        query = request.query_params.get("q", "")
        if found := _GENRE.fullmatch(query):
            ids = self._found(kind, found[1])[:MOST_HITS]
        elif kind == "track" and (found := _TITLE_AND_ARTIST.fullmatch(query)):
            ids = self._named.get((_searchable(found[1]), _searchable(found[2])), [])
        else:
            raise Failure(400, "No search query")
        text = self._artist_text if kind == "artist" else self._track_text
        following = request.url.include_query_params(offset=offset + limit, limit=limit)
        page = {
            "href": str(request.url),
            "limit": limit,
            "next": str(following) if offset + limit < len(ids) else None,
            "offset": offset,
            "previous": None,
            "total": len(ids),
        }
        items = ",".join(text(key) for key in ids[offset : offset + limit])
        return f'{{"{kind}s":{{"items":[{items}],{json.dumps(page)[1:]}}}'

    def _found(self, kind: str, genre: str) -> list[str]:
        hits = self._hits(genre)
        if kind == "artist":
            return [*self._grown.get(genre.lower(), []), *hits]
        return list(dict.fromkeys(track for artist in hits for track in self.catalogue.top_tracks.get(artist, [])))

    @cached_property
    def _named(self) -> dict[tuple[str, str], list[str]]:
        """The tracks of each title and artist."""
        named: dict[tuple[str, str], list[str]] = {}
        for track_id, track in self.catalogue.tracks.items():
            for artist in track.get("artists") or []:
                key = _searchable(track.get("name")), _searchable(artist.get("name"))
                named.setdefault(key, []).append(track_id)
        return named

    def _hits(self, genre: str) -> list[str]:
        return next((hits for name, hits in self.catalogue.hits.items() if name.lower() == genre.lower()), [])

    def grow(self, request: Request) -> None:
        """Put the genre's own last artist at its head, so that every later page begins one artist earlier."""
        found = _GENRE.fullmatch(request.query_params.get("q", ""))
        if found:
            self._grown.setdefault(found[1].lower(), []).insert(0, self._hits(found[1])[-1])

    def top_tracks(self, request: Request) -> str:
        """An artist's top tracks."""
        artist_id = request.path_params["id"]
        if artist_id not in self.catalogue.artists:
            raise Failure(404, "Resource not found")
        return _array("tracks", [self._track_text(key) for key in self.catalogue.top_tracks.get(artist_id, [])])

    def artist(self, request: Request) -> str:
        """One artist."""
        return self._one(request, self.catalogue.artists, self._artist_text)

    def track(self, request: Request) -> str:
        """One track."""
        return self._one(request, self.catalogue.tracks, self._track_text)

    def artists(self, request: Request) -> str:
        """Up to 50 artists."""
        known = self.catalogue.artists
        return _array("artists", [self._artist_text(key) if key in known else "null" for key in _ids(request, 50)])

    def tracks(self, request: Request) -> str:
        """Up to 50 tracks, with their popularity."""
        return _array("tracks", [self._whole_track(key) for key in _ids(request, 50)])

    def audio_features(self, request: Request) -> str:
        """The audio features of up to 100 tracks."""
        features = self.catalogue.audio_features
        return _array("audio_features", [_json(features.get(key)) for key in _ids(request, 100)])

    def _one(self, request: Request, known: Mapping[str, Any], text: Callable[[str], str]) -> str:
        if request.path_params["id"] not in known:
            raise Failure(404, "Resource not found")
        return text(request.path_params["id"])

    def _artist_text(self, artist_id: str) -> str:
        artist = dict(self.catalogue.artists[artist_id])
        if not self.tier.has_popularity:
            artist.pop("popularity", None)
            artist.pop("followers", None)
        return _json(artist)

    def _track_text(self, track_id: str) -> str:
        track = dict(self.catalogue.tracks[track_id])
        if not self.tier.has_popularity:
            track.pop("popularity", None)
        return _json(track)

    def _whole_track(self, track_id: str) -> str:
        if track_id not in self.catalogue.tracks:
            return "null"
        return _json(dict(self.catalogue.tracks[track_id]) | {"popularity": self._popularity(track_id)})

    def _popularity(self, track_id: str) -> int | None:
        """A track's popularity; where its document says null, its first artist's; where it says nothing, unknown."""
        track = self.catalogue.tracks[track_id]
        if track.get("popularity", 0) is None and track.get("artists"):
            artist = self.catalogue.artists.get(track["artists"][0].get("id"), {})
            return artist.get("popularity")
        return track.get("popularity")

    # ReccoBeats

    def recco_features(self, request: Request) -> str:
        """ReccoBeats: the audio features of up to 40 tracks."""
        absent = ("duration_ms", "time_signature", "type", "uri", "track_href", "analysis_url", "id")
        content = []
        for track_id in self._recco_known(request):
            features = self.catalogue.audio_features.get(track_id)
            if features is not None:
                kept = {name: value for name, value in features.items() if name not in absent}
                content.append(_recco_head(track_id) | kept)
        return _json({"content": content})

    def recco_tracks(self, request: Request) -> str:
        """ReccoBeats: up to 40 tracks."""
        content = []
        for track_id in self._recco_known(request):
            track = self.catalogue.tracks[track_id]
            popularity = self._popularity(track_id)
            content.append(
                _recco_head(track_id)
                | {"trackTitle": track.get("name"), "durationMs": track.get("duration_ms"), "popularity": popularity}
            )
        return _json({"content": content})

    def _recco_known(self, request: Request) -> list[str]:
        """The tracks of a request that ReccoBeats knows, in an order of its own."""
        known = [
            track_id
            for track_id in _ids(request, 40)
            if track_id in self.catalogue.tracks and _share(track_id) < self.reccobeats_coverage
        ]
        return sorted(known, key=_share)


def _searchable(name: str | None) -> str:
    return " ".join((name or "").replace('"', " ").split()).casefold()


def _share(track_id: str) -> float:
    """A number from 0 to 1 that looks drawn at random, always the same for one track."""
    return zlib.crc32(track_id.encode()) / 2**32


def _recco_head(track_id: str) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, track_id)),
        "href": f"https://open.spotify.invalid/track/{track_id}",
        "synthetic": True,
    }


def _json(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False)


def _array(name: str, texts: Sequence[str]) -> str:
    return f'{{"{name}":[{",".join(texts)}]}}'


def _ids(request: Request, most: int) -> list[str]:
    ids = [key for key in request.query_params.get("ids", "").split(",") if key]
    if not ids:
        raise Failure(400, "Missing required parameter: ids")
    if len(ids) > most:
        raise Failure(400, "Too many ids requested")
    if not all(re.fullmatch(r"[0-9A-Za-z]+", key) for key in ids):
        raise Failure(400, "Invalid base62 id")
    return ids


def _whole(request: Request, name: str, default: int, least: int, most: int) -> int:
    text = request.query_params.get(name, str(default))
    if not text.isdecimal() or not least <= int(text) <= most:
        raise Failure(400, f"Invalid {name}")
    return int(text)
