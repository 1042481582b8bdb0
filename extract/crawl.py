"""The crawl: which documents to ask for next, and how it goes on after any interruption.

Belongs here: the order of questions, what has been asked before, and batches. Not here: HTTP (http.py), the services
(spotify.py, reccobeats.py), the raw tables themselves (raw.py), and any judgement of a document.

Genres -> artists (search) -> their top tracks -> audio features -> popularity. Where Spotify has closed top tracks to
the app, the genres' tracks are searched for instead, and no artists; where it has closed audio features or batches of
tracks, ReccoBeats is asked.

What is done stands in raw.crawl, in the order in which it was done:

    stage           item               detail
    round           all | popularity   a refresh begins: what stands above does not count for it
    closed          endpoint           Spotify's words
    artists         genre              {"offset": the next page's, "ended": whether there is none}
    top tracks      artist id          {"tracks": how many documents}
    listings        genre              {"hits": how many of its artists are listed}
    tracks          genre              {"offset": …, "ended": …} of the track search
    audio features  who was asked      (about which tracks stands in raw.audio_features)
    popularity      who was asked      (likewise)
    finished        all | popularity   the round is complete
"""

import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import duckdb

from extract import reccobeats, spotify
from extract.http import Budget, Element, Policy, Refused, Suspended, Unusable
from extract.reccobeats import ReccoBeats
from extract.settings import CrawlError, Settings, genre_limits
from extract.spotify import EndpointClosed, Page, Spotify
from warehouse import files, raw
from warehouse.progress import Progress, ignore

_log = logging.getLogger(__name__)

Refresh = Literal["popularity", "all"]
Row = dict[str, Any]
Answer = TypeVar("Answer")

_ID = re.compile(r"[0-9A-Za-z]+")
_MOST_UNUSABLE_IN_A_ROW = 3

# What each closed endpoint says about others, and what is done instead. Large pages are refused in development mode
# alone, where the rest is closed as well: no request need be spent on finding that out.
_CLOSED_WITH = {"large pages": ("top-tracks", "tracks", "audio-features")}
_INSTEAD = {
    "large pages": "this is development mode: tracks come from track search, at most 1,000 a genre, and audio features "
    "and popularity from ReccoBeats",
    "top-tracks": "tracks come from track search, at most 1,000 a genre",
    "audio-features": "they come from ReccoBeats",
    "tracks": "popularity comes from ReccoBeats",
}


@dataclass(frozen=True)
class CrawlReport:
    """What a run did: rows it landed a raw table, and its cost. `listings`: those landed so far, a genre.

    `unusable` counts answers that were kept in raw.unusable_responses; `notes` are sentences for the reader. When
    `finished`, the same command has nothing left to ask.
    """

    dataset: str
    documents: Mapping[str, int]
    requests: int
    retries: int
    waited_seconds: float
    unusable: int
    listings: Mapping[str, int]
    notes: tuple[str, ...]
    finished: bool


class CrawlSuspended(CrawlError):
    """The crawl stopped in good order; the same command goes on. `resume_at` is in UTC, None where nobody can tell."""

    def __init__(self, suspended: Suspended, report: CrawlReport) -> None:
        self.reason = suspended.reason
        self.resume_at = suspended.resume_at
        self.report = report
        landed = ", ".join(f"{count:,} {table}" for table, count in report.documents.items()) or "nothing new"
        when = f" from {self.resume_at:%Y-%m-%d %H:%M} UTC on" if self.resume_at else ""
        super().__init__(f"The crawl is suspended: {self.reason}. Landed: {landed}. The same command goes on{when}.")


def crawl(
    settings: Settings,
    warehouse_file: Path,
    *,
    genres: Sequence[str] | Mapping[str, int | None] | None = None,
    refresh: Refresh | None = None,
    progress: Progress = ignore,
) -> CrawlReport:
    """Land every document of `genres` that has not been landed yet, and make the dataset the active one.

    `genres`: names, or a limit of search hits for each; by default the study's 132. A finished crawl makes no request.
    `refresh` asks anew for popularity (of every landed track) or for all; the new rows stand beside the old ones.

    Raises `CrawlSuspended` (come back later), `CredentialsError` or another `CrawlError`. What was landed stays.
    """
    limits = genre_limits(genres, settings.hits_per_genre)
    run = _Crawl(settings, warehouse_file, limits, progress)
    try:
        return run.go(refresh)
    finally:
        run.close()


@dataclass
class _Unit:
    """What one question brought: raw.crawl rows which say that it was asked, and rows of the other raw tables.

    Units are landed whole, in order.
    """

    done: list[Row]
    tables: dict[str, list[Row]] = field(default_factory=dict)


class _Asked(NamedTuple):
    """Where an artist's top tracks are: the first so many of the artist's rows in this batch."""

    batch_id: str
    tracks: int


class _Way(NamedTuple):
    """A way to ask for documents about tracks: `size` ids at a time."""

    ask: Callable[[Sequence[str]], list[Element]]
    size: int
    source: str
    id_of: Callable[[Any], str | None]


class _State:
    """What raw.crawl says about the present round."""

    def __init__(self) -> None:
        self.begin("all")

    def begin(self, kind: str) -> None:
        """Begin a round, for which nothing has been asked yet."""
        self.open_round: str | None = kind
        self.popularity_batches: list[str] = []
        if kind == "all":
            self.batches: list[str] = []
            self.closed: dict[str, str] = {}
            self.searched: dict[tuple[str, str], tuple[int, bool]] = {}  # (stage, genre): next offset, ended
            self.hits: dict[str, list[tuple[str, str | None]]] = {}  # genre: artist id and name
            self.asked: dict[str, _Asked] = {}
            self.listed: dict[str, int] = {}

    def note(self, row: Row, batch_id: str) -> None:
        """Take in a row of raw.crawl."""
        stage, item, detail = row["stage"], row["item"], row["detail"]
        for batches in (self.batches, self.popularity_batches):
            if batch_id not in batches[-1:]:
                batches.append(batch_id)
        if stage == "closed":
            self.closed[item] = detail
        elif stage in ("artists", "tracks"):
            self.searched[stage, item] = json.loads(detail)["offset"], json.loads(detail)["ended"]
        elif stage == "top tracks":
            self.asked[item] = _Asked(batch_id, json.loads(detail)["tracks"])
        elif stage == "listings":
            self.listed[item] = json.loads(detail)["hits"]
        elif stage == "finished":
            self.open_round = None

    def is_searched(self, stage: str, genre: str, limit: int) -> bool:
        """Whether a genre's search has been read to its end, or its limit."""
        offset, ended = self.searched.get((stage, genre), (0, False))
        return ended or offset >= limit


class _Crawl:
    def __init__(self, settings: Settings, file: Path, limits: Mapping[str, int], progress: Progress) -> None:
        self.settings = settings
        self.dataset = settings.dataset
        self.file = file
        self.limits = limits
        self.progress = progress
        self.state = _State()
        self.notes: list[str] = []
        self.requests = self.retries = self.unusable = 0
        self.waited = 0.0
        self.documents: Counter[str] = Counter()

        # What the next flush lands. Doubtful units follow an unusable answer: only when a good one comes is it sure
        # that the question was at fault, and not the service.
        self.pending: list[_Unit] = []
        self.doubtful: list[_Unit] = []
        self.unusable_in_a_row = 0
        self.apart: list[Row] = []
        self.fresh: dict[str, list[Row]] = {}  # artist id: rows of raw.tracks that are not landed yet
        self.requests_at_flush = 0
        self.known_rows = 0  # of raw.crawl

        ages = self._load()
        self.budget = Budget(settings.request_budget)
        self.policies = [
            Policy(service, source, settings, self.budget, progress=progress, ages=ages.get(source, []))
            for service, source in (("Spotify", self.dataset.source), ("ReccoBeats", "reccobeats"))
        ]
        self.spotify = Spotify(settings, self.policies[0])
        self.reccobeats = ReccoBeats(settings, self.policies[1])

    def close(self) -> None:
        self.spotify.close()
        self.reccobeats.close()

    def go(self, refresh: Refresh | None) -> CrawlReport:
        if refresh and self.state.open_round != refresh:
            self.state.begin(refresh)
            self.pending.append(_Unit([_done("round", refresh)]))
        stages = [self._fetch_popularity]
        if refresh != "popularity":
            stages = [self._list_tracks, self._fetch_audio_features, self._fetch_popularity]
        suspended: Suspended | None = None
        try:
            for stage in stages:
                try:
                    stage()
                except Suspended as reason:
                    # The next stage goes on all the same: ReccoBeats may answer when Spotify's quota is used up.
                    suspended = suspended or reason
                    self.doubtful, self.unusable_in_a_row = [], 0
                self._flush()
            if not suspended:
                self.pending += self.doubtful
                if self.state.open_round:
                    self.pending.append(_Unit([_done("finished", self.state.open_round)]))
        finally:
            self._flush()
        report = self._report(finished=not suspended)
        if suspended:
            raise CrawlSuspended(suspended, report) from suspended
        return report

    def _load(self) -> dict[str, list[float]]:
        """Read what is done; returns the ages in seconds of the last window's requests, by source."""
        with self._connect() as connection:
            raw.create_raw_tables(connection)
            name = self.dataset.name
            known = connection.execute("select source from raw.datasets where dataset = ?", [name]).fetchone()
            if known and known[0] != self.dataset.source:
                raise CrawlError(f"The dataset {name!r} comes from {known[0]}; a crawl of it would mix the two.")
            for stage, item, detail, batch_id in connection.execute(
                "select stage, item, detail, batch_id from raw.crawl where dataset = ? order by rowid", [name]
            ).fetchall():
                if stage == "round":
                    self.state.begin(item)
                self.state.note({"stage": stage, "item": item, "detail": detail}, batch_id)
                self.known_rows += 1
            for genre, artist_id, payload in connection.execute(
                """
                select genre, artist_id, payload from raw.artists
                where dataset = $dataset and batch_id in (select unnest($batches::varchar[])) order by rowid
                """,
                {"dataset": name, "batches": self.state.batches},
            ).fetchall():
                self.state.hits.setdefault(genre, []).append((artist_id, _text(json.loads(payload), "name")))
            recent = connection.execute(
                """
                select source, epoch($now::timestamp - requested_at) as age from raw.requests
                where epoch($now::timestamp - requested_at) between 0 and $window
                """,
                {"now": raw.now(), "window": self.settings.window_seconds},
            ).fetchall()
        ages: dict[str, list[float]] = {}
        for source, age in recent:
            ages.setdefault(source, []).append(age)
        return ages

    # Listings: genre by genre, hit by hit, track by track.

    def _list_tracks(self) -> None:
        try:
            if "top-tracks" not in self.state.closed:
                self._find_artists()
                self._list_top_tracks()
                return
        except EndpointClosed as closed:
            self._remember(closed)
        try:
            self._search_tracks()
        except EndpointClosed as closed:
            self._remember(closed)
            self._search_tracks()

    def _find_artists(self) -> None:
        for genre in self.limits:
            hits = self.state.hits.setdefault(genre, [])

            def read(elements: list[Element], genre: str = genre, hits: list[Any] = hits) -> list[Row]:
                rows = []
                for element in elements:
                    artist_id = _text(element.value, "id")
                    if artist_id and _ID.fullmatch(artist_id):
                        hits.append((artist_id, _text(element.value, "name")))
                        rows.append({"genre": genre, "artist_id": artist_id, "payload": element.text})
                    else:
                        self._put_apart("search artists", genre, "an artist without an id that can be used", element)
                return rows

            self._search("artists", genre, self.spotify.search_artists, read)

    def _search_tracks(self) -> None:
        for genre in self.limits:

            def read(elements: list[Element], genre: str = genre) -> list[Row]:
                rows = []
                for element in elements:
                    artists = element.value.get("artists") if isinstance(element.value, dict) else None
                    first = artists[0] if isinstance(artists, list) and artists else None
                    rows.append(
                        {"genre": genre, "artist_id": _text(first, "id"), "artist_name": _text(first, "name"),
                         "track_id": _text(element.value, "id"), "payload": element.text}
                    )  # fmt: skip
                return rows

            if not self._is_listed(genre):
                self._search("tracks", genre, self.spotify.search_tracks, read)

    def _search(
        self,
        kind: str,
        genre: str,
        ask: Callable[[str, int, int], Page],
        read: Callable[[list[Element]], list[Row]],
    ) -> None:
        """Read a genre's search page by page, from where it was left; `read` makes rows of raw.<kind>."""
        limit = self.limits[genre]
        offset, ended = self.state.searched.get((kind, genre), (0, False))
        while not ended and offset < limit:
            self._show_search(kind)
            most = spotify.SMALL_PAGE if "large pages" in self.state.closed else spotify.LARGE_PAGE
            size = min(most, limit - offset)
            page = self._answer(partial(ask, genre, offset, size), nothing=Page([], is_last=False))
            offset, ended = offset + size, page.is_last
            done = _done(kind, genre, json.dumps({"offset": offset, "ended": ended}))
            self._keep(_Unit([done], {kind: read(page.elements)}))
            self.state.searched[kind, genre] = offset, ended
        self._show_search(kind)

    def _show_search(self, kind: str) -> None:
        done = sum(
            limit
            if self.state.is_searched(kind, genre, limit)
            else self.state.searched.get((kind, genre), (0, False))[0]
            for genre, limit in self.limits.items()
        )
        self.progress(f"finding {kind}", done, sum(self.limits.values()))

    def _is_listed(self, genre: str) -> bool:
        """Whether every hit of a genre has its top tracks listed."""
        limit = self.limits[genre]
        is_found = self.state.is_searched("artists", genre, limit)
        return is_found and self.state.listed.get(genre, 0) >= len(self.state.hits.get(genre, [])[:limit])

    def _list_top_tracks(self) -> None:
        hits = {genre: self.state.hits[genre][:limit] for genre, limit in self.limits.items()}
        total = sum(map(len, hits.values()))
        done = sum(min(self.state.listed.get(genre, 0), len(hits[genre])) for genre in hits)
        for genre in hits:
            for number in range(self.state.listed.get(genre, 0), len(hits[genre])):
                self.progress("listing top tracks", done, total)
                artist_id, artist_name = hits[genre][number]
                unit = _Unit([_done("listings", genre, json.dumps({"hits": number + 1}))])
                hit = {"genre": genre, "artist_id": artist_id, "artist_name": artist_name}
                unit.tables["tracks"] = [row | hit for row in self._top_tracks(artist_id, unit)]
                self._keep(unit)
                self.state.listed[genre] = number + 1
                done += 1
        self.progress("listing top tracks", total, total)

    def _top_tracks(self, artist_id: str, unit: _Unit) -> list[Row]:
        """An artist's rows of raw.tracks, asked for once; one row that stands for them all where they are landed."""
        if artist_id in self.fresh:
            return self.fresh[artist_id]
        if artist_id in self.state.asked:
            return [{"landed": self.state.asked[artist_id]}]
        elements: list[Element] = self._answer(partial(self.spotify.top_tracks, artist_id), nothing=[])
        rows = [{"track_id": _text(element.value, "id"), "payload": element.text} for element in elements]
        unit.done.append(_done("top tracks", artist_id, json.dumps({"tracks": len(rows)})))
        self.fresh[artist_id] = rows
        return rows

    # Documents about tracks, many at a time. What is still to be asked for is read from the tables themselves.

    def _fetch_audio_features(self) -> None:
        todo = self._tracks_without("audio_features", self.state.batches, self.state.batches)
        self._fetch_about_tracks("audio_features", todo, "audio-features", (
            _Way(self.spotify.audio_features, spotify.AUDIO_FEATURES_BATCH, self.dataset.source, _own_id),
            _Way(self.reccobeats.audio_features, reccobeats.BATCH, "reccobeats", reccobeats.spotify_id),
        ))  # fmt: skip

    def _fetch_popularity(self) -> None:
        if self.state.open_round == "popularity":
            todo = self._tracks_without("popularity", None, self.state.popularity_batches)
        else:
            lacking = "having count(try(payload ->> '$.popularity')) = 0"
            todo = self._tracks_without("popularity", self.state.batches, self.state.batches, lacking)
        self._fetch_about_tracks("popularity", todo, "tracks", (
            _Way(self.spotify.tracks, spotify.TRACKS_BATCH, self.dataset.source, _own_id),
            _Way(self.reccobeats.tracks, reccobeats.BATCH, "reccobeats", reccobeats.spotify_id),
        ))  # fmt: skip

    def _tracks_without(
        self, table: str, listed_in: list[str] | None, asked_in: list[str], condition: str = ""
    ) -> list[str]:
        """Ids of the tracks that the batches `listed_in` (None: all) listed and `asked_in` did not ask about."""
        with self._connect() as connection:
            found = connection.execute(
                f"""
                select track_id from raw.tracks
                where dataset = $dataset and regexp_full_match(track_id, $id)
                    and ($listed_in is null or batch_id in (select unnest($listed_in::varchar[])))
                    and track_id not in (
                        select track_id from raw.{table}
                        where dataset = $dataset and batch_id in (select unnest($asked_in::varchar[]))
                    )
                group by track_id {condition} order by min(listing_id)
                """,
                {"dataset": self.dataset.name, "id": _ID.pattern, "listed_in": listed_in, "asked_in": asked_in},
            ).fetchall()
        return [track_id for (track_id,) in found]

    def _fetch_about_tracks(self, table: str, todo: list[str], endpoint: str, ways: tuple[_Way, _Way]) -> None:
        done = 0
        stage = table.replace("_", " ")
        while done < len(todo):
            self.progress(stage, done, len(todo))
            way = ways[endpoint in self.state.closed]
            chunk = todo[done : done + way.size]
            try:
                self._ask_about(table, way, chunk)
            except EndpointClosed as closed:
                self._remember(closed)
            else:
                done += len(chunk)
        self.progress(stage, len(todo), len(todo))

    def _ask_about(self, table: str, way: _Way, track_ids: list[str]) -> None:
        try:
            question = partial(way.ask, track_ids)
            elements: list[Element] = self._answer(question, nothing=[], is_divisible=len(track_ids) > 1)
        except Refused:
            # One bad id spoils the whole batch: find it.
            middle = len(track_ids) // 2
            self._ask_about(table, way, track_ids[:middle])
            self._ask_about(table, way, track_ids[middle:])
            return
        rows: list[Row] = []
        missing = dict.fromkeys(track_ids)
        for element in elements:
            track_id = way.id_of(element.value)
            if track_id in track_ids:
                missing.pop(track_id, None)
                rows.append({"track_id": track_id, "payload": element.text, "source": way.source})
            elif element.value is not None:
                self._put_apart(table, track_ids[0], "a document about a track that was not asked for", element)
        # A row without a payload: the source has none, so that it is not asked again.
        rows += [{"track_id": track_id, "payload": None, "source": way.source} for track_id in missing]
        self._keep(_Unit([_done(table.replace("_", " "), way.source)], {table: rows}))

    # Answers, good and bad, and what is landed of them.

    def _answer(self, question: Callable[[], Answer], *, nothing: Answer, is_divisible: bool = False) -> Answer:
        """The answer, or `nothing` where this question has none. Three useless answers in a row suspend the crawl."""
        try:
            answer = question()
        except Unusable as unusable:
            self.unusable_in_a_row += 1
            if self.unusable_in_a_row == _MOST_UNUSABLE_IN_A_ROW:
                raise Suspended(f"{unusable}, and so for {self.unusable_in_a_row} requests in a row") from unusable
            return nothing
        except Refused as refusal:
            if is_divisible:
                raise
            self.apart.append(
                {"source": self.dataset.source, "endpoint": refusal.endpoint, "request": refusal.request,
                 "reason": f"{refusal.status}: {refusal.message}", "payload": refusal.body}
            )  # fmt: skip
            answer = nothing
        self.unusable_in_a_row = 0
        return answer

    def _put_apart(self, endpoint: str, item: str, reason: str, element: Element) -> None:
        """Keep an element of an answer that has no place in the other tables."""
        self.apart.append(
            {"source": self.dataset.source, "endpoint": endpoint, "request": item, "reason": reason,
             "payload": element.text}
        )  # fmt: skip

    def _remember(self, closed: EndpointClosed) -> None:
        """Take the other way from now on, in later runs too, and say so."""
        for endpoint in (closed.endpoint, *_CLOSED_WITH.get(closed.endpoint, ())):
            self.state.closed[endpoint] = closed.message
            self._keep(_Unit([_done("closed", endpoint, closed.message)]))
        self.notes.append(f"{closed} So {_INSTEAD[closed.endpoint]}.")
        _log.warning(self.notes[-1])

    def _keep(self, unit: _Unit) -> None:
        self.doubtful.append(unit)
        if self.unusable_in_a_row == 0:
            self.pending += self.doubtful
            self.doubtful = []
            if self.budget.spent - self.requests_at_flush >= self.settings.requests_per_batch:
                self._flush()

    def _flush(self) -> None:
        """Land what is pending in one transaction, with its state and its cost."""
        units, self.pending = self.pending, []
        tables: dict[str, list[Row]] = {"requests": [], "unusable_responses": self.apart}
        self.apart, self.requests_at_flush = [], self.budget.spent
        for policy in self.policies:
            tables["requests"] += policy.requests
            tables["unusable_responses"] += policy.unusable
            policy.requests, policy.unusable = [], []
        done: dict[tuple[str, str], Row] = {}
        for unit in units:
            for table, rows in unit.tables.items():
                tables.setdefault(table, []).extend(rows)
            done |= {(row["stage"], row["item"]): row for row in unit.done}
        if not (done or any(tables.values())):
            return
        with self._connect() as connection:
            self._check_alone(connection)
            if listings := self._with_landed(connection, tables.get("tracks", [])):
                tables["tracks"] = [row | {"listing_id": number} for number, row in enumerate(listings, start=1)]
            documents = {table: raw.rows(table, rows) for table, rows in tables.items() if rows}
            # A run that was refused everything must not become the dataset that everybody reads.
            batch_id = raw.land(
                connection, self.dataset, documents, done=list(done.values()), activate="tracks" in documents
            )
        self.known_rows += len(done)
        for row in done.values():
            self.state.note(row, batch_id)
        self.fresh = {}
        self.requests += len(tables["requests"])
        self.retries += sum(row["attempts"] > 1 for row in tables["requests"])
        self.waited += sum(row["waited_seconds"] for row in tables["requests"])
        self.unusable += len(tables["unusable_responses"])
        self.documents.update(
            {
                table: len(rows)
                for table, rows in tables.items()
                if rows and table not in ("requests", "unusable_responses")
            }
        )

    def _check_alone(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Raise where somebody else has landed parts of this dataset: the two would double each other's documents."""
        found = connection.execute("select count(*) from raw.crawl where dataset = ?", [self.dataset.name]).fetchone()
        if found != (self.known_rows,):
            raise CrawlError(
                f"Another crawl of the dataset {self.dataset.name!r} is at work in {self.file}. Let it finish; nothing "
                "of this one's last batch was landed, and the same command goes on."
            )

    def _with_landed(self, connection: duckdb.DuckDBPyConnection, rows: list[Row]) -> list[Row]:
        """The rows, those that stand for an artist's landed ones replaced by copies of these."""
        wanted = {row["artist_id"]: row["landed"] for row in rows if "landed" in row}
        if not wanted:
            return rows
        landed: dict[str, list[Row]] = {artist_id: [] for artist_id in wanted}
        for artist_id, batch_id, track_id, payload in connection.execute(
            """
            select artist_id, batch_id, track_id, payload from raw.tracks
            where dataset = $dataset and artist_id in (select unnest($artists::varchar[])) order by listing_id
            """,
            {"dataset": self.dataset.name, "artists": list(wanted)},
        ).fetchall():
            asked = wanted[artist_id]
            if batch_id == asked.batch_id and len(landed[artist_id]) < asked.tracks:
                landed[artist_id].append({"track_id": track_id, "payload": payload})
        result = []
        for row in rows:
            hit = {name: row[name] for name in ("genre", "artist_id", "artist_name")}
            result += [copy | hit for copy in landed[row["artist_id"]]] if "landed" in row else [row]
        return result

    def _report(self, *, finished: bool) -> CrawlReport:
        with self._connect() as connection:
            if finished:
                raw.use(connection, self.dataset.name)
            listings = connection.execute(
                """
                select genre, count(*) from raw.tracks
                where dataset = $dataset and batch_id in (select unnest($batches::varchar[]))
                group by genre order by min(listing_id)
                """,
                {"dataset": self.dataset.name, "batches": self.state.batches},
            ).fetchall()
        return CrawlReport(
            self.dataset.name, dict(self.documents), self.requests, self.retries, self.waited, self.unusable,
            dict(listings), tuple(self.notes), finished,
        )  # fmt: skip

    def _connect(self) -> duckdb.DuckDBPyConnection:
        # Whoever else works on the database is waited for: they hold it for minutes at most.
        return files.connect(self.file, wait=self.settings.max_wait)


def _done(stage: str, item: str, detail: str | None = None) -> Row:
    return {"stage": stage, "item": item, "detail": detail}


def _text(value: Any, key: str) -> str | None:
    """The text under `key` of a JSON object, else None. Half a surrogate pair, which no column holds, becomes `?`."""
    text = value.get(key) if isinstance(value, dict) else None
    return text.encode("utf-8", "replace").decode() if isinstance(text, str) else None


def _own_id(value: Any) -> str | None:
    return _text(value, "id")
