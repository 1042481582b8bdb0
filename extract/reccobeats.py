"""ReccoBeats, which gives audio features and popularity where Spotify no longer does.

Belongs here: its questions, and the Spotify id that each answer is about. Not here: waiting and retries (http.py).
"""

from collections.abc import Sequence
from typing import Any

from extract.answers import Element, array_elements
from extract.http import Policy, Question, Refused, Session
from extract.settings import CrawlError, CrawlOptions

BATCH = 40


class ReccoBeats:
    """A client. Every method takes up to 40 Spotify ids and raises what `http.Policy.send` does.

    Answers come in any order; tracks that ReccoBeats does not know are left out.
    """

    def __init__(self, address: str, options: CrawlOptions, policy: Policy) -> None:
        self._address = address.rstrip("/")
        self._timeout = options.timeout
        self._session = Session(policy)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def audio_features(self, track_ids: Sequence[str]) -> list[Element]:
        """Audio features: Spotify's, without duration_ms and time_signature."""
        return self._ask("audio-features", track_ids)

    def tracks(self, track_ids: Sequence[str]) -> list[Element]:
        """Tracks, with `popularity` and `durationMs`."""
        return self._ask("track", track_ids)

    def _ask(self, endpoint: str, track_ids: Sequence[str]) -> list[Element]:
        ids = {"ids": ",".join(track_ids)}
        try:
            with self._session.asking(Question(endpoint, _content)) as question:
                self._session.get(f"{self._address}/{endpoint}", params=ids, timeout=self._timeout)
        except Refused as refusal:
            if refusal.is_about_the_question:
                raise
            raise CrawlError(f"ReccoBeats refuses the crawl: {refusal}. The same command goes on later.") from refusal
        elements: list[Element] = question.answer
        return elements


def _content(text: str) -> list[Element]:
    return array_elements(text, "content")


def spotify_id(document: Any) -> str | None:
    """The Spotify id at the end of a document's `href`; its own `id` is ReccoBeats's."""
    href = document.get("href") if isinstance(document, dict) else None
    return href.partition("?")[0].rstrip("/").rpartition("/")[2] if isinstance(href, str) else None
