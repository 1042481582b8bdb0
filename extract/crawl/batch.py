"""Answers, good and bad, and what is landed of them.

Belongs here: what a useless or refused answer means for the crawl, and the one transaction that lands a batch with its
state and its cost. Not here: what is asked (listings.py, about_tracks.py), and the raw tables (warehouse/raw.py).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import duckdb

from extract.answers import Element
from extract.crawl.state import NotFound, Row, load
from extract.http import QUOTA_WINDOW, Budget, Policy, Refused, Suspended, Unusable
from extract.settings import CrawlError, CrawlOptions
from warehouse import files, raw
from warehouse.raw import Dataset

Answer = TypeVar("Answer")

_MOST_UNUSABLE_IN_A_ROW = 3


@dataclass
class Unit:
    """What one question brought: raw.crawl rows which say that it was asked, and rows of the other raw tables.

    Units are landed whole, in order.
    """

    done: list[Row]
    tables: dict[str, list[Row]] = field(default_factory=dict)


def done(stage: str, item: str, detail: str | None = None) -> Row:
    """A row of raw.crawl."""
    return {"stage": stage, "item": item, "detail": detail}


class Batches:
    """Collects what a crawl of one dataset brings, and lands it batch by batch.

    `state` is what has been done; it is kept up to date. The counters (`requests` and the following) are of what this
    run has landed: `requests` counts questions, `attempts` the HTTP exchanges about them.
    """

    def __init__(self, dataset: Dataset, file: Path, options: CrawlOptions) -> None:
        self.dataset = dataset
        self.file = file
        self.options = options
        self.budget = Budget(options.request_budget)
        self.policies: Sequence[Policy] = ()
        self.requests = self.attempts = self.unusable = 0
        self.waited = 0.0
        self.documents: Counter[str] = Counter()

        # What the next flush lands. Doubtful units follow an unusable answer: only a good one after it makes sure that
        # the question was at fault, and not the service.
        self._pending: list[Unit] = []
        self._doubtful: list[Unit] = []
        self._unusable_in_a_row = 0
        self._apart: list[Row] = []
        self._sent_at_flush = 0
        self.fresh: dict[str, list[Row]] = {}  # artist id: rows of raw.tracks that are not landed yet

        with self.connect() as connection:
            raw.create_raw_tables(connection)
            known = connection.execute("select source from raw.datasets where dataset = ?", [dataset.name]).fetchone()
            if known and known[0] != dataset.source:
                raise CrawlError(f"The dataset {dataset.name!r} comes from {known[0]}; a crawl would mix the two.")
            self.state = load(connection, dataset)
            if options.per_day is not None:
                self._keep_to_the_day(connection, options.per_day)

    def _keep_to_the_day(self, connection: duckdb.DuckDBPyConnection, per_day: int) -> None:
        """Let the budget be what is left of the day's, where that is less."""
        sent, oldest_age = connection.execute(
            "select count(*), epoch($now::timestamp - min(requested_at)) from raw.requests "
            "where epoch($now::timestamp - requested_at) between 0 and $day",
            {"now": raw.now(), "day": QUOTA_WINDOW},
        ).fetchone() or (0, None)
        left = max(per_day - sent, 0)
        if self.budget.limit is None or left < self.budget.limit:
            resume_in = QUOTA_WINDOW - (oldest_age or 0.0)
            self.budget = Budget(
                left, name=f"what the {per_day:,} requests per day left for this run,", resume_in=resume_in
            )

    def connect(self) -> duckdb.DuckDBPyConnection:
        """The warehouse. Waits for another process that works on it: none holds it for more than minutes."""
        return files.connect(self.file, wait=self.options.max_wait)

    def ages(self) -> dict[str, list[float]]:
        """Seconds since each request of the last window, by source, whichever process sent it."""
        with self.connect() as connection:
            recent = connection.execute(
                """
                select source, epoch($now::timestamp - requested_at) as age from raw.requests
                where epoch($now::timestamp - requested_at) between 0 and $window
                """,
                {"now": raw.now(), "window": self.options.window_seconds},
            ).fetchall()
        ages: dict[str, list[float]] = {}
        for source, age in recent:
            ages.setdefault(source, []).append(age)
        return ages

    def answer(
        self,
        question: Callable[[], Answer],
        *,
        nothing: Answer,
        not_found: NotFound | None = None,
        is_divisible: bool = False,
    ) -> Answer:
        """The answer, or `nothing` where this question has none. Three useless answers in a row suspend the crawl.

        `not_found` is the record of an endpoint that may be gone; raises `EndpointClosed` where it is. A question that
        `is_divisible` may hold a good one: its refusal is raised.
        """
        try:
            answer = question()
        except Unusable as unusable:
            self._unusable_in_a_row += 1
            if self._unusable_in_a_row == _MOST_UNUSABLE_IN_A_ROW:
                raise Suspended(f"{unusable}, and so for {self._unusable_in_a_row} requests in a row") from unusable
            return nothing
        except Refused as refusal:
            if not_found and refusal.is_not_found:
                not_found.note(refusal.request, f"{refusal.status}, {refusal.message}")
                not_found.raise_if_gone()
            if is_divisible:
                raise
            self._apart.append(
                {"source": self.dataset.source, "endpoint": refusal.endpoint, "request": refusal.request,
                 "reason": f"{refusal.status}: {refusal.message}", "payload": refusal.body}
            )  # fmt: skip
            answer = nothing
        else:
            if not_found:
                not_found.note_good_answer()
        self._unusable_in_a_row = 0
        return answer

    def put_apart(self, endpoint: str, item: str, reason: str, element: Element) -> None:
        """Keep an element of an answer that has no place in the other tables."""
        self._apart.append(
            {"source": self.dataset.source, "endpoint": endpoint, "request": item, "reason": reason,
             "payload": element.text}
        )  # fmt: skip

    def keep(self, unit: Unit) -> None:
        """Land this unit with the next batch: at once if enough requests were made for it."""
        self._doubtful.append(unit)
        if self._unusable_in_a_row == 0:
            self.accept_doubtful()
            if self.budget.spent - self._sent_at_flush >= self.options.requests_per_batch:
                self.flush()

    @property
    def is_doubtful(self) -> bool:
        """Whether the latest answers were useless, and no good one has come since."""
        return bool(self._doubtful)

    def accept_doubtful(self) -> None:
        """Accept the latest useless answers: these questions have no answer."""
        self._pending += self._doubtful
        self._doubtful = []

    def forget_doubtful(self) -> None:
        """Forget the latest useless answers, so that another run asks again."""
        self._doubtful, self._unusable_in_a_row = [], 0

    def flush(self) -> None:
        """Land what is pending in one transaction, with its state and its cost."""
        units, self._pending = self._pending, []
        tables: dict[str, list[Row]] = {"requests": [], "unusable_responses": self._apart}
        self._apart, self._sent_at_flush = [], self.budget.spent
        for policy in self.policies:
            tables["requests"] += policy.requests
            tables["unusable_responses"] += policy.unusable
            policy.requests, policy.unusable = [], []
        finished: dict[tuple[str, str], Row] = {}
        for unit in units:
            for table, rows in unit.tables.items():
                tables.setdefault(table, []).extend(rows)
            finished |= {(row["stage"], row["item"]): row for row in unit.done}
        if not (finished or any(tables.values())):
            return
        with self.connect() as connection:
            self._check_alone(connection)
            listings = self._with_landed(connection, tables.get("tracks", []))
            tables["tracks"] = [row | {"listing_id": number} for number, row in enumerate(listings, start=1)]
            documents = {table: raw.rows(table, rows) for table, rows in tables.items() if rows}
            # A run that was refused everything must not become the dataset that everybody reads.
            batch_id = raw.land(
                connection, self.dataset, documents, done=list(finished.values()), activate="tracks" in documents
            )
        for row in finished.values():
            self.state.note(row, batch_id)
        self.fresh = {}
        self._count(tables)

    def _count(self, tables: dict[str, list[Row]]) -> None:
        sent, unusable = tables.pop("requests"), tables.pop("unusable_responses")
        # As marts.crawl_cost counts: a question where it was first asked.
        self.requests += sum(row["attempts"] == 1 for row in sent)
        self.attempts += len(sent)
        self.waited += sum(row["waited_seconds"] for row in sent)
        self.unusable += len(unusable)
        self.documents.update({table: len(rows) for table, rows in tables.items() if rows})

    def _check_alone(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Raise where another crawl has landed parts of this dataset: the two would land the same documents twice."""
        found = connection.execute("select count(*) from raw.crawl where dataset = ?", [self.dataset.name]).fetchone()
        if found != (self.state.rows,):
            raise CrawlError(
                f"Another crawl of the dataset {self.dataset.name!r} is at work in {self.file}. Let it finish; nothing "
                "of this one's last batch was landed, and the same command goes on."
            )

    def _with_landed(self, connection: duckdb.DuckDBPyConnection, rows: list[Row]) -> list[Row]:
        """The rows; a row that stands for an artist's landed rows is replaced by copies of them."""
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
