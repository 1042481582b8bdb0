"""What a crawl has done, as raw.crawl and raw.requests tell it.

Belongs here: reading that, and keeping it up to date while the crawl runs. Not here: writing it (batch.py).

raw.crawl has one row for each finished piece, in the order in which they were finished:

    stage           item               detail
    round           all | popularity   a refresh begins: the rows above do not count for it
    closed          endpoint           Spotify's words
    artists         genre              {"offset": of the next page, "ended": whether there is none}
    top tracks      artist id          {"tracks": how many documents}
    listings        genre              {"hits": how many of its artists are listed}
    tracks          genre              {"offset": …, "ended": …} of the track search
    audio features  who was asked      (about which tracks is in raw.audio_features)
    popularity      who was asked      (likewise)
    found           what a song without an id was landed as; the detail is the id that was found, or null
    finished        all | popularity   the round is complete
"""

import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import duckdb

from extract.settings import CrawlError
from extract.spotify import CLOSABLE, EndpointClosed
from warehouse.raw import Dataset

Row = dict[str, Any]

STAGES = {
    "round", "closed", "artists", "top tracks", "listings", "tracks", "audio features", "popularity", "found",
    "finished",
}  # fmt: skip

MOST_NOT_FOUND_IN_A_ROW = 20
"""More than the attempts that it takes to find one bad id among a hundred by halving: 8."""

_ONE_ID = re.compile(r"(?:/artists/|[?&]ids=)([0-9A-Za-z]+)(?:/top-tracks.*|&.*)?$")


class Asked(NamedTuple):
    """Where an artist's top tracks are: the first `tracks` of the artist's rows in this batch."""

    batch_id: str
    tracks: int


@dataclass
class NotFound:
    """How one of Spotify's endpoints has answered 404 or 410 in this round, since it last answered well.

    One such answer is about the id that was asked for. Many in a row, or nothing else at all, mean that the endpoint
    is gone. `ids` are the artists or tracks that were refused one by one, and recorded as having nothing.
    """

    endpoint: str
    is_answered: bool = False
    in_a_row: int = 0
    ids: list[str] = field(default_factory=list)
    message: str = ""

    def note(self, request: str, message: str = "") -> None:
        """Record that this request was answered with 404 or 410."""
        self.in_a_row += 1
        self.message = message
        if found := _ONE_ID.search(request):
            self.ids.append(found[1])

    def note_good_answer(self) -> None:
        """The endpoint is there, and what it refused it refused rightly."""
        self.is_answered, self.in_a_row, self.ids = True, 0, []

    def raise_if_gone(self, *, is_end: bool = False) -> None:
        """Raise `EndpointClosed` where the endpoint is gone; `is_end`: there is nothing left to ask it."""
        answers_nothing = is_end and not self.is_answered and len(set(self.ids)) > 1
        if answers_nothing or self.in_a_row >= MOST_NOT_FOUND_IN_A_ROW:
            words = f": {self.message}" if self.message else ""
            raise EndpointClosed(self.endpoint, f"not found, {self.in_a_row} times in a row{words}")


class State:
    """What has been done in the present round."""

    def __init__(self) -> None:
        self.rows = 0  # of raw.crawl, in all rounds
        self.begin("all")

    def begin(self, kind: str) -> None:
        """Begin a round, for which nothing has been asked yet."""
        self.open_round: str | None = kind
        self.popularity_batches: list[str] = []
        if kind == "all":
            self.batches: list[str] = []
            self.closed: dict[str, str] = {}
            self.not_found = {endpoint: NotFound(endpoint) for endpoint in CLOSABLE}
            self.searched: dict[tuple[str, str], tuple[int, bool]] = {}  # (stage, genre): next offset, ended
            self.hits: dict[str, list[tuple[str, str | None]]] = {}  # genre: artist id and name
            self.asked: dict[str, Asked] = {}
            self.listed: dict[str, int] = {}

    def note(self, row: Row, batch_id: str) -> None:
        """Update the state by a row of raw.crawl."""
        self.rows += 1
        stage, item, detail = row["stage"], row["item"], row["detail"]
        for batches in (self.batches, self.popularity_batches):
            if batch_id not in batches[-1:]:
                batches.append(batch_id)
        if stage == "closed":
            self.closed[item] = detail
        elif stage in ("artists", "tracks"):
            self.searched[stage, item] = json.loads(detail)["offset"], json.loads(detail)["ended"]
        elif stage == "top tracks":
            self.asked[item] = Asked(batch_id, json.loads(detail)["tracks"])
        elif stage == "listings":
            self.listed[item] = json.loads(detail)["hits"]
        elif stage == "finished":
            self.open_round = None

    def is_searched(self, stage: str, genre: str, limit: int) -> bool:
        """Whether a genre's search has been read to its end, or its limit."""
        offset, ended = self.searched.get((stage, genre), (0, False))
        return ended or offset >= limit

    def to_ask_elsewhere(self, endpoint: str) -> list[str]:
        """Ids that were recorded as having nothing while the endpoint was in truth closed already."""
        return self.not_found[endpoint].ids if endpoint in self.closed else []


def load(connection: duckdb.DuckDBPyConnection, dataset: Dataset) -> State:
    """The state of a dataset's crawl, however its last run ended.

    Raises `CrawlError` for a state that this version cannot read: a later one made it.
    """
    state = State()
    # The batch that began the round, and when it was landed: its requests and the later ones are this round's.
    begun: tuple[str | None, datetime] = None, datetime.min
    for stage, item, detail, batch_id, done_at in connection.execute(
        "select stage, item, detail, batch_id, done_at from raw.crawl where dataset = ? order by rowid", [dataset.name]
    ).fetchall():
        if stage == "round":
            state.begin(item)
            begun = (batch_id, done_at) if item == "all" else begun
        try:
            if stage not in STAGES:
                raise ValueError(stage)
            state.note({"stage": stage, "item": item, "detail": detail}, batch_id)
        except (ValueError, TypeError, KeyError) as error:
            raise CrawlError(
                f"The crawl of {dataset.name!r} was made by another version: raw.crawl holds {stage} of {item} with "
                f"{detail}, which this one cannot read. Nothing was asked or changed. Go on with that version."
            ) from error
    for genre, artist_id, payload in connection.execute(
        """
        select genre, artist_id, payload from raw.artists
        where dataset = $dataset and batch_id in (select unnest($batches::varchar[])) order by rowid
        """,
        {"dataset": dataset.name, "batches": state.batches},
    ).fetchall():
        state.hits.setdefault(genre, []).append((artist_id, text_of(json.loads(payload), "name")))
    for endpoint, is_answered, requests in connection.execute(
        """
        with answers as (
            select rowid as place, endpoint, status, request from raw.requests
            where dataset = $dataset and source = $source and endpoint in (select unnest($closable::varchar[]))
                and (batch_id = $begun_in or requested_at > $begun_at) and status in (200, 404, 410)
        ),

        last_good as (
            select endpoint, max(place) filter (where status = 200) as place from answers group by endpoint
        )

        select
            endpoint, any_value(last_good.place) is not null,
            list(request order by answers.place)
                filter (where status <> 200 and answers.place > coalesce(last_good.place, -1))
        from answers inner join last_good using (endpoint) group by endpoint
        """,
        {
            "dataset": dataset.name,
            "source": dataset.source,
            "closable": list(CLOSABLE),
            "begun_in": begun[0],
            "begun_at": begun[1],
        },
    ).fetchall():
        state.not_found[endpoint].is_answered = is_answered
        for request in requests or []:
            state.not_found[endpoint].note(request)
    return state


def text_of(value: Any, key: str) -> str | None:
    """The text under `key` of a JSON object, else None. Half a surrogate pair, which no column holds, becomes `?`."""
    text = value.get(key) if isinstance(value, dict) else None
    return text.encode("utf-8", "replace").decode() if isinstance(text, str) else None
