"""HTTP for the crawl: the one place that decides about waiting, retrying and giving up.

Belongs here: pace, retries, budgets, what an answer's status means, and a record of every attempt. Not here: how an
answer is read (answers.py), what is asked (spotify.py, reccobeats.py) and what becomes of the answers (crawl/).

A *question* is what the crawl wants to know; an *attempt* is one HTTP exchange about it. A question that is answered
at once costs one attempt; all further attempts are retries.
"""

import logging
import math
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import requests
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from extract.answers import read_error, retry_after
from extract.settings import CrawlError, CrawlOptions
from warehouse import raw
from warehouse.progress import Progress, ignore

_log = logging.getLogger(__name__)

LONGEST_BACKOFF = 60.0
QUOTA_WINDOW = 24 * 3600.0  # Spotify's quota is counted over about a day
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Suspended(CrawlError):
    """Asking further is of no use for now. `resume_at` is in UTC, or None where it is not known."""

    def __init__(self, reason: str, resume_at: datetime | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.resume_at = resume_at


class Refused(CrawlError):
    """A final answer of 3xx or 4xx. `is_json` tells the service's own errors from, say, a proxy's page."""

    def __init__(self, status: int, endpoint: str, request: str, message: str, body: str, is_json: bool) -> None:
        super().__init__(f"{request} was refused with {status}: {message}")
        self.status = status
        self.endpoint = endpoint
        self.request = request
        self.message = message
        self.body = body
        self.is_json = is_json

    @property
    def is_about_the_question(self) -> bool:
        """Whether it concerns this question alone, so that another one may well be answered."""
        return self.is_json and self.status in (400, 404, 410, 413, 414)

    @property
    def is_not_found(self) -> bool:
        """Whether the service says that there is no such thing: the one asked for, or the whole endpoint."""
        return self.status in (404, 410)


class Unusable(CrawlError):
    """Each attempt was answered with success, and with a content that cannot be used."""


class _Transient(Exception):
    """An attempt that failed where the next one may succeed."""

    def __init__(self, reason: str, *, retry_after: float | None = None, kind: str = "failure") -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after
        self.kind = kind  # failure | throttled | unusable


@dataclass
class Question:
    """A question, and its answer once there is one.

    `endpoint` is its name in raw.requests. `read` turns the text of a good answer into `answer`, and raises
    `ValueError` for a text that cannot be used. A secret answer is never kept. `attempts` counts the HTTP exchanges so
    far; a question that is sent again goes on counting.
    """

    endpoint: str
    read: Callable[[str], Any]
    is_secret: bool = False
    attempts: int = 0
    answer: Any = None


class Budget:
    """How many requests (attempts, as a service counts them) a run may send to all services; None: any number.

    `name` is what errors call it; once it is spent, there is more after `resume_in` seconds.
    """

    def __init__(self, limit: int | None, *, name: str = "the request budget", resume_in: float = 0.0) -> None:
        self.limit = limit
        self.name = name
        self.resume_in = resume_in
        self.spent = 0

    @property
    def is_spent(self) -> bool:
        """Whether the next request would be one too many."""
        return self.limit is not None and self.spent >= self.limit


class Policy:
    """How one service is treated: the pace, the retries, and when to stop asking.

    `service` is its name for people, `source` its name in the raw tables. At most `options.requests_per_window`
    requests are sent in any window; where that is None, `requests_per_window`, which is what the service is known to
    take. `ages` are the seconds since each request that an earlier run sent within the window. `requests` and
    `unusable` are rows for `raw.land`: one for each attempt, and one for each answer that cannot be used.
    """

    def __init__(
        self,
        service: str,
        source: str,
        options: CrawlOptions,
        budget: Budget,
        *,
        requests_per_window: int | None = None,
        progress: Progress = ignore,
        ages: Iterable[float] = (),
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.service = service
        self.source = source
        self.requests: list[dict[str, Any]] = []
        self.unusable: list[dict[str, Any]] = []
        self._options = options
        self._pace = options.requests_per_window or requests_per_window
        self._budget = budget
        self._progress = progress
        self._clock = clock
        self._sleep_for = sleep
        # When each of the last requests was ANSWERED: so no two that are N apart can reach the server within the
        # window, however long either travelled.
        moments = sorted(clock() - age for age in ages)
        self._answered: deque[float] = deque(moments, maxlen=self._pace or 1)
        self._jitter = wait_random_exponential(multiplier=options.backoff_seconds, max=LONGEST_BACKOFF)
        self._waited = 0.0  # since the last request
        self._suspended: Suspended | None = None

    def suspend(self, reason: str, seconds: float | None = None) -> Suspended:
        """An exception to raise; this run asks the service nothing more. It may be asked again in `seconds`."""
        resume_at = None if seconds is None else raw.now() + timedelta(seconds=seconds)
        self._suspended = Suspended(reason, resume_at)
        return self._suspended

    def send(self, request: Callable[[], requests.Response], question: Question, described: str) -> requests.Response:
        """Send a request until it has a good answer, which the question then holds.

        Raises `Suspended`, `Refused`, `Unusable`, or another `CrawlError` where nothing can be sent at all.
        """
        retrying = Retrying(
            retry=retry_if_exception_type(_Transient),
            wait=self._pause,
            stop=self._is_hopeless,
            sleep=partial(self._sleep, f"waiting for {self.service}"),
            before_sleep=partial(self._say, question.endpoint),
            retry_error_callback=partial(self._give_up, question.endpoint),
        )
        response: requests.Response = retrying(self._attempt, request, question, described)
        return response

    def _attempt(
        self, request: Callable[[], requests.Response], question: Question, described: str
    ) -> requests.Response:
        if self._suspended:
            raise self._suspended
        if self._budget.is_spent:
            raise self.suspend(
                f"{self._budget.name} of {self._budget.limit:,} is spent", seconds=self._budget.resume_in
            )
        self._keep_pace()
        self._budget.spent += 1
        question.attempts += 1
        record: dict[str, Any] = {
            "source": self.source, "endpoint": question.endpoint, "request": described, "attempts": question.attempts,
            "waited_seconds": self._waited, "requested_at": raw.now(), "elapsed_seconds": 0.0,
        }  # fmt: skip
        self._waited = 0.0
        self.requests.append(record)
        started = self._clock()
        try:
            response = request()
        except OSError as error:  # all that requests raises is an OSError, and some is nothing more special
            raise self._no_answer(error, described) from error
        finally:
            ended = self._clock()
            self._answered.append(ended)
            record["elapsed_seconds"] = ended - started
        record["status"] = response.status_code
        if response.status_code >= 300:
            raise self._failure(response, question, described)
        try:
            question.answer = question.read(response.content.decode("utf-8-sig"))
        except ValueError as error:
            reason = f"not UTF-8: {error}" if isinstance(error, UnicodeDecodeError) else str(error)
            self.unusable.append(
                {"source": self.source, "endpoint": question.endpoint, "request": described, "reason": reason,
                 "payload": None if question.is_secret else response.content.decode("utf-8", "replace")}
            )  # fmt: skip
            raise _Transient(f"sends what cannot be used ({reason})", kind="unusable") from error
        return response

    def _no_answer(self, error: OSError, described: str) -> Exception:
        if _is_distrust(error):
            sent = getattr(error, "request", None)
            host = urlsplit(sent.url).netloc if sent is not None else self.service
            return CrawlError(
                f"{self.service} cannot be asked: the certificate at {host} is not trusted ({_cause(error)}).\n"
                "Where a proxy or a server of your own signs with its own authority, name that: "
                "export REQUESTS_CA_BUNDLE=/path/to/authority.pem\n"
                "Otherwise the address is wrong: look at SPOTIFY_ACCOUNTS_ADDRESS, SPOTIFY_API_ADDRESS, "
                "RECCOBEATS_ADDRESS and HTTPS_PROXY."
            )
        if isinstance(error, _TRANSIENT):
            return _Transient(f"does not answer ({_cause(error)})")
        hint = "" if isinstance(error, requests.RequestException) else " Look at REQUESTS_CA_BUNDLE."
        return CrawlError(f"{described} cannot be asked of {self.service}: {error}{hint}")

    def _failure(self, response: requests.Response, question: Question, described: str) -> Exception:
        status = response.status_code
        body = response.content.decode("utf-8", "replace")
        message, reason, is_json = read_error(body)
        if status == 429:
            seconds = retry_after(response)
            if reason == "QUOTA_EXCEEDED":
                return self.suspend(f"{self.service}'s quota is used up", QUOTA_WINDOW if seconds is None else seconds)
            return _Transient("asks for fewer requests (429)", retry_after=seconds, kind="throttled")
        if status >= 500 or status == 408:
            return _Transient(f"answers {status}", retry_after=retry_after(response))
        if question.is_secret:
            body = ""
        return Refused(status, question.endpoint, described, message, body, is_json)

    def _keep_pace(self) -> None:
        if len(self._answered) == self._pace:
            free_at = self._answered[0] + self._options.window_seconds
            if (seconds := free_at - self._clock()) > 0:
                self._sleep("keeping to the rate limit", seconds)

    def _pause(self, state: RetryCallState) -> float:
        """Seconds to wait: what the service asked for, plus jitter, so that clients do not all return at one moment."""
        failure = _outcome(state)
        jitter = float(self._jitter(state))
        return jitter if failure.retry_after is None else failure.retry_after + min(jitter, 1.0)

    def _is_hopeless(self, state: RetryCallState) -> bool:
        # Being throttled is no failure: it is accepted however often it happens, until the waits add up to too much.
        is_worn_out = state.attempt_number >= self._options.max_attempts and _outcome(state).kind != "throttled"
        return is_worn_out or state.idle_for + state.upcoming_sleep > self._options.max_wait

    def _give_up(self, endpoint: str, state: RetryCallState) -> Any:
        failure = _outcome(state)
        told = f"{self.service} {failure.reason} on {endpoint}"
        if failure.kind == "unusable" and state.attempt_number >= self._options.max_attempts:
            raise Unusable(f"{told}, {state.attempt_number} times") from failure
        if state.idle_for + state.upcoming_sleep > self._options.max_wait:
            seconds = failure.retry_after if failure.retry_after is not None else state.upcoming_sleep
            allowed = _in_words(self._options.max_wait)
            told = f"{told}; it would be a wait of {_in_words(state.idle_for + seconds)}, and {allowed} are allowed"
            raise self.suspend(told, seconds) from failure
        raise self.suspend(f"{told}, {state.attempt_number} times") from failure

    def _say(self, endpoint: str, state: RetryCallState) -> None:
        _log.info(
            "%s %s on %s: trying again in %.1f s", self.service, _outcome(state).reason, endpoint, state.upcoming_sleep
        )

    def _sleep(self, why: str, seconds: float) -> None:
        """Wait, and count down where a person would notice."""
        until = self._clock() + seconds
        shown = math.ceil(seconds)
        while (left := until - self._clock()) > 0:
            if seconds >= 1:
                self._progress(why, shown - math.ceil(left), shown)
            self._sleep_for(min(1.0, left))
        if seconds >= 1:
            self._progress(why, shown, shown)
        self._waited += seconds


class Session(requests.Session):
    """A requests session whose requests are sent under a policy, each as an attempt at the question being asked."""

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        self.headers["User-Agent"] = "song-genres"
        self._policy = policy
        self._question: Question | None = None
        # Else requests would look for the host in ~/.netrc and put that password in the place of our token.
        self.auth = lambda prepared: prepared

    @contextmanager
    def asking(self, question: Question) -> Iterator[Question]:
        """Within the block, what is sent (by us or by spotipy) asks this question, and the answer goes into it."""
        self._question = question
        try:
            yield question
        finally:
            self._question = None

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **options: Any) -> requests.Response:
        """Send a request under the policy; only within `asking`."""
        assert self._question is not None, "requests are sent within `asking`"
        described = _describe(str(method), str(url), options.get("params"))
        return self._policy.send(partial(super().request, method, url, *args, **options), self._question, described)

    def merge_environment_settings(self, url: Any, *settings: Any) -> Any:
        """The environment's proxy and certificates; no proxy for this machine's own servers, which it cannot reach."""
        merged = super().merge_environment_settings(url, *settings)
        return {**merged, "proxies": {}} if urlsplit(str(url)).hostname in LOOPBACK else merged


_TRANSIENT = (
    requests.Timeout,
    requests.ConnectionError,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
    ConnectionError,
    TimeoutError,
)


def _is_distrust(error: BaseException) -> bool:
    """Whether no trusted connection was made, to a server or to a proxy: no retry would change that."""
    causes = list(_causes(error))
    is_broken_off = any(isinstance(each, ssl.SSLEOFError | ssl.SSLZeroReturnError | ConnectionError | TimeoutError)
                        for each in causes)  # fmt: skip
    is_tls = any(isinstance(each, ssl.SSLError | requests.exceptions.SSLError) for each in causes)
    return is_tls and not is_broken_off


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and all its causes, some of which requests and urllib3 keep only as arguments."""
    waiting, seen = [error], set()
    while waiting:
        each = waiting.pop()
        if id(each) not in seen:
            seen.add(id(each))
            yield each
            made_from = (each.__cause__, each.__context__, getattr(each, "reason", None), *each.args)
            waiting += [cause for cause in made_from if isinstance(cause, BaseException)]


def _describe(method: str, url: str, parameters: Any) -> str:
    prepared = requests.PreparedRequest()
    prepared.prepare_url(url, parameters)
    return f"{method} {prepared.path_url}"


def _outcome(state: RetryCallState) -> _Transient:
    assert state.outcome is not None
    failure = state.outcome.exception()
    assert isinstance(failure, _Transient)
    return failure


def _cause(error: BaseException) -> str:
    """The innermost cause's words: the outer ones repeat the address and object names."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return f"{type(error).__name__}: {error}"


def _in_words(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.3g} s"
