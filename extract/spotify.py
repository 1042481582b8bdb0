"""Spotify's Web API, through spotipy: each question of a crawl as one method, each answer as verbatim documents.

Belongs here: what is asked and how, tokens, and what Spotify's refusals mean. Not here: waiting and retries (http.py),
the order of questions and what has been asked before (crawl/).
"""

import json
import logging
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import spotipy
from spotipy.cache_handler import MemoryCacheHandler
from spotipy.oauth2 import SpotifyClientCredentials

from extract.answers import Element, array_elements
from extract.http import Policy, Question, Refused, Session, Suspended, Unusable
from extract.settings import CrawlError, CrawlOptions, CredentialsError, Settings

LARGE_PAGE = 50
SMALL_PAGE = 10
AUDIO_FEATURES_BATCH = 100
TRACKS_BATCH = 50

CLOSABLE = ("top-tracks", "tracks", "audio-features")
"""Endpoints that Spotify has taken from some apps, and instead of which another can be asked."""

_CREDENTIALS = re.compile(r"(Basic|Bearer) [^'\"\s]+")


class EndpointClosed(CrawlError):
    """Spotify closed this to the app: `endpoint` is `large pages`, `top-tracks`, `tracks` or `audio-features`."""

    def __init__(self, endpoint: str, message: str) -> None:
        super().__init__(f"Spotify has closed {endpoint} to this app ({message}).")
        self.endpoint = endpoint
        self.message = message


@dataclass(frozen=True)
class Page:
    """One page of search results; `is_last` when nothing can follow it."""

    elements: list[Element]
    is_last: bool


class Spotify:
    """A client. Every method raises what `http.Policy.send` does, and `CredentialsError` or `EndpointClosed`.

    spotipy makes the addresses and the sign-in; the answers are taken from the `Question`, since spotipy parses them
    and does not keep them verbatim.
    """

    def __init__(self, settings: Settings, options: CrawlOptions, policy: Policy) -> None:
        self._market = options.market
        self._session = Session(policy)
        self._tokens = MemoryCacheHandler()
        self._credentials = SpotifyClientCredentials(
            settings.client_id,
            settings.client_secret,
            requests_session=self._session,
            requests_timeout=options.timeout,
            cache_handler=self._tokens,
        )
        self._credentials.OAUTH_TOKEN_URL = settings.accounts_address.rstrip("/") + "/api/token"
        self._client = spotipy.Spotify(requests_session=self._session, requests_timeout=options.timeout)
        self._client.prefix = settings.api_address.rstrip("/") + "/"
        self._is_known = False  # to be Spotify, by an answer to a search

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def search_artists(self, genre: str, offset: int, limit: int) -> Page:
        """A page of the artists whom Spotify finds for a genre."""
        return self._search("artist", f'genre:"{genre}"', offset, limit)

    def search_tracks(self, genre: str, offset: int, limit: int) -> Page:
        """A page of the tracks that Spotify finds for a genre in the market."""
        return self._search("track", f'genre:"{genre}"', offset, limit, market=self._market)

    def find_track(self, title: str, artist: str) -> list[Element]:
        """The tracks that Spotify finds for a title and an artist, at most ten, the likeliest first."""
        names = [" ".join(name.replace('"', " ").split()) for name in (title, artist)]
        query = 'track:"{}" artist:"{}"'.format(*names)
        return self._search("track", query, 0, SMALL_PAGE, market=self._market).elements

    def top_tracks(self, artist_id: str) -> list[Element]:
        """An artist's top tracks in the market, at most ten."""
        ask = partial(self._client.artist_top_tracks, artist_id, country=self._market)
        return self._ask("top-tracks", ("tracks",), ask)

    def tracks(self, track_ids: Sequence[str]) -> list[Element]:
        """The documents of up to 50 tracks."""
        return self._ask("tracks", ("tracks",), partial(self._client.tracks, track_ids))

    def audio_features(self, track_ids: Sequence[str]) -> list[Element]:
        """The audio features of up to 100 tracks; null for a track that has none."""
        return self._ask("audio-features", ("audio_features",), partial(self._client.audio_features, track_ids))

    def _search(self, kind: str, query: str, offset: int, limit: int, **options: str) -> Page:
        following: list[Any] = []

        def ask() -> None:
            found = self._client.search(q=query, type=kind, offset=offset, limit=limit, **options)
            page = found.get(f"{kind}s")
            following.append(page.get("next") if isinstance(page, dict) else None)

        # By offset, since spotipy's `next` follows an absolute address. `total` cannot be relied on.
        try:
            elements = self._ask(f"search {kind}s", (f"{kind}s", "items"), ask)
        except Refused as refusal:
            if refusal.status == 400 and "limit" in refusal.message.lower() and limit > SMALL_PAGE:
                raise EndpointClosed("large pages", refusal.message) from refusal
            raise
        self._is_known = True
        return Page(elements, is_last=not elements or (len(elements) < limit and following[-1] is None))

    def _ask(self, endpoint: str, path: tuple[str, ...], ask: Callable[[], Any]) -> list[Element]:
        question = Question(endpoint, lambda text: array_elements(text, *path))
        try:
            try:
                self._ask_signed_in(question, ask)
            except Refused as refusal:
                if refusal.status != 401 or refusal.endpoint == "token":
                    raise
                self._tokens.save_token_to_cache(None)  # it has expired early: once more, with a new one
                self._ask_signed_in(question, ask)
        except Refused as refusal:
            raise self._meaning(refusal) from refusal
        elements: list[Element] = question.answer
        return elements

    def _ask_signed_in(self, question: Question, ask: Callable[[], Any]) -> None:
        with self._session.asking(Question("token", _read_token, is_secret=True)):
            self._client.set_auth(self._credentials.get_access_token(as_dict=False))
        with self._session.asking(question), warnings.catch_warnings():
            # spotipy warns of what Spotify closed to new apps; apps from before may use it.
            warnings.simplefilter("ignore", DeprecationWarning)
            ask()

    def _meaning(self, refusal: Refused) -> CrawlError:
        """What a refusal says about more than the one question, where it does."""
        is_closable = refusal.endpoint in CLOSABLE
        if refusal.endpoint == "token":
            return CredentialsError(
                f"Spotify does not accept the credentials ({refusal.message}): look at SPOTIFY_CLIENT_ID and "
                "SPOTIFY_CLIENT_SECRET. Both stand on your app's page at https://developer.spotify.com/dashboard."
            )
        if refusal.status == 401:
            return CredentialsError(
                f"Spotify refuses the token that it has just given: {refusal.message}. Try again later."
            )
        if refusal.status == 403:
            # An account that has lost its Premium is refused in plain text, everywhere.
            if is_closable and "premium" not in refusal.message.lower():
                return EndpointClosed(refusal.endpoint, refusal.message)
            return CrawlError(
                f"Spotify refuses {refusal.endpoint} to this app (403): {refusal.message} "
                "Look at the app, and at its owner's subscription, at https://developer.spotify.com/dashboard; "
                "then the same command goes on."
            )
        if refusal.is_not_found and is_closable:
            if refusal.is_json or self._is_spotify():
                return refusal
        elif refusal.is_about_the_question and not refusal.is_not_found:
            return refusal
        return CrawlError(f"{refusal}. This is not how Spotify answers: is the address right, is a proxy in between?")

    def _is_spotify(self) -> bool:
        """Whether Spotify answers at this address at all; asks a search where that is not known yet."""
        if not self._is_known:
            try:
                self.search_artists("Jazz", 0, 1)
            except (Suspended, Unusable):
                raise
            except CrawlError:
                return False
        return True


def _read_token(text: str) -> None:
    document = json.loads(text)
    if not (isinstance(document, dict) and document.get("access_token") and document.get("expires_in")):
        raise ValueError("the answer holds no token")


def _redact(record: logging.LogRecord) -> bool:
    record.msg, record.args = _CREDENTIALS.sub(r"\1 [redacted]", record.getMessage()), ()
    return True


# At level DEBUG spotipy logs the Authorization header of every request.
for _name in ("spotipy.client", "spotipy.oauth2"):
    logging.getLogger(_name).addFilter(_redact)
