"""HTTP as the crawl does it: the one place that decides about waiting, trying again and giving up.

Belongs here: pace, retries, budgets, what an answer's status means, and a record of every request. Not here: what is
asked (spotify.py, reccobeats.py) and what becomes of the answers (crawl.py).
"""

import itertools
import json
import logging
import math
import re
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from extract.settings import CrawlError, Settings
from warehouse import raw
from warehouse.progress import Progress, ignore

_log = logging.getLogger(__name__)

LONGEST_BACKOFF = 60.0
QUOTA_WINDOW = 24 * 3600.0  # Spotify's quota is counted over about a day
_LONGEST_RETRY_AFTER = 366 * 24 * 3600.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Suspended(CrawlError):
    """Asking on is no use for now. `resume_at` is in UTC, None where nobody can tell."""

    def __init__(self, reason: str, resume_at: datetime | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.resume_at = resume_at


class Refused(CrawlError):
    """A final answer of 4xx. `is_json`: it is written as the service writes, and not as, say, a proxy does."""

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
        """Whether another question may well be answered."""
        return self.is_json and self.status in (400, 404, 413, 414)


class Unusable(CrawlError):
    """Every answer to a request was a success by its status, and useless by its content."""


class _Transient(Exception):
    """An attempt that failed, and of which the next may be better off."""

    def __init__(self, reason: str, *, retry_after: float | None = None, kind: str = "failure") -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after
        self.kind = kind  # failure | throttled | unusable


class Element(NamedTuple):
    """One element of a JSON array: what it means, and how its source wrote it."""

    value: Any
    text: str


_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


def array_elements(text: str, *path: str) -> list[Element]:
    """The elements of the array that stands at `path` in the JSON object `text`.

    Raises `ValueError` where `text` is no JSON, or has no array there.
    """
    try:
        json.loads(text)
    except RecursionError as error:
        raise ValueError("JSON nested too deeply") from error

    def skip_space(position: int) -> int:
        found = _SPACE.match(text, position)
        assert found is not None
        return found.end()

    def enter(position: int, bracket: str) -> int:
        if text[position] != bracket:
            raise ValueError(f"the answer has no array {'.'.join(path)}")
        return skip_space(position + 1)

    position = skip_space(0)
    for name in path:
        position = enter(position, "{")
        while text[position] != "}":
            key, position = _DECODER.raw_decode(text, position)
            position = skip_space(skip_space(position) + 1)  # past the colon
            if key == name:
                break
            _, position = _DECODER.raw_decode(text, position)
            position = skip_space(position)
            if text[position] == ",":
                position = skip_space(position + 1)
        else:
            raise ValueError(f"the answer has no array {'.'.join(path)}")
    position = enter(position, "[")
    elements = []
    while text[position] != "]":
        value, end = _DECODER.raw_decode(text, position)
        elements.append(Element(value, text[position:end]))
        position = skip_space(end)
        if text[position] == ",":
            position = skip_space(position + 1)
    return elements


@dataclass(frozen=True)
class Call:
    """What is about to be asked: the endpoint's name in raw.requests, and how to read a good answer's text.

    `read` raises `ValueError` for an answer that cannot be used. A secret answer is never kept.
    """

    endpoint: str
    read: Callable[[str], Any]
    is_secret: bool = False


class Budget:
    """How many requests a run may send, over all services; None is any number."""

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.spent = 0

    @property
    def is_spent(self) -> bool:
        """Whether the next request would be one too many."""
        return self.limit is not None and self.spent >= self.limit


class Policy:
    """The manners towards one service: its pace, its retries, and when to stop asking.

    `service` names it to people, `source` in the raw tables. `ages` are the seconds since each request that an earlier
    run sent within the window. Requests and useless answers are recorded as rows for `raw.land`.
    """

    def __init__(
        self,
        service: str,
        source: str,
        settings: Settings,
        budget: Budget,
        *,
        progress: Progress = ignore,
        ages: Iterable[float] = (),
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.service = service
        self.source = source
        self.requests: list[dict[str, Any]] = []
        self.unusable: list[dict[str, Any]] = []
        self._settings = settings
        self._budget = budget
        self._progress = progress
        self._clock = clock
        self._sleep_for = sleep
        # When each of the last requests was ANSWERED: so no two that are N apart can reach the server within the
        # window, however long either travelled.
        moments = sorted(clock() - age for age in ages)
        self._answered: deque[float] = deque(moments, maxlen=settings.requests_per_window)
        self._jitter = wait_random_exponential(multiplier=settings.backoff_seconds, max=LONGEST_BACKOFF)
        self._waited = 0.0  # since the last request
        self._suspended: Suspended | None = None

    def suspend(self, reason: str, seconds: float | None = None) -> Suspended:
        """An exception to raise: nothing more is asked of this service in this run. `seconds` is until it may be."""
        resume_at = None if seconds is None else raw.now() + timedelta(seconds=seconds)
        self._suspended = Suspended(reason, resume_at)
        return self._suspended

    def send(
        self, request: Callable[[], requests.Response], call: Call, described: str
    ) -> tuple[requests.Response, Any]:
        """Send a request until it is answered well; returns the response and what `call.read` made of it.

        Raises `Suspended`, `Refused` or `Unusable`.
        """
        attempts = itertools.count(1)
        retrying = Retrying(
            retry=retry_if_exception_type(_Transient),
            wait=self._pause,
            stop=self._is_hopeless,
            sleep=partial(self._sleep, f"waiting for {self.service}"),
            before_sleep=partial(self._say, call.endpoint),
            retry_error_callback=partial(self._give_up, call.endpoint),
        )
        answer: tuple[requests.Response, Any] = retrying(
            lambda: self._exchange(request, call, described, attempt=next(attempts))
        )
        return answer

    def _exchange(
        self, request: Callable[[], requests.Response], call: Call, described: str, attempt: int
    ) -> tuple[requests.Response, Any]:
        if self._suspended:
            raise self._suspended
        if self._budget.is_spent:
            raise self.suspend(f"the request budget of {self._budget.limit:,} is spent", seconds=0)
        self._keep_pace()
        self._budget.spent += 1
        record: dict[str, Any] = {
            "source": self.source, "endpoint": call.endpoint, "request": described, "attempts": attempt,
            "waited_seconds": self._waited, "requested_at": raw.now(), "elapsed_seconds": 0.0,
        }  # fmt: skip
        self._waited = 0.0
        self.requests.append(record)
        started = self._clock()
        try:
            response = request()
        except (
            requests.Timeout,
            requests.ConnectionError,
            requests.exceptions.ChunkedEncodingError,
            requests.exceptions.ContentDecodingError,
        ) as error:
            raise _Transient(f"does not answer ({_cause(error)})") from error
        except requests.RequestException as error:
            raise CrawlError(f"{described} cannot be asked of {self.service}: {error}") from error
        finally:
            ended = self._clock()
            self._answered.append(ended)
            record["elapsed_seconds"] = ended - started
        record["status"] = response.status_code
        if response.status_code >= 300:
            raise self._failure(response, call, described)
        try:
            return response, call.read(response.content.decode("utf-8-sig"))
        except ValueError as error:
            reason = f"not UTF-8: {error}" if isinstance(error, UnicodeDecodeError) else str(error)
            self.unusable.append(
                {"source": self.source, "endpoint": call.endpoint, "request": described, "reason": reason,
                 "payload": None if call.is_secret else response.content.decode("utf-8", "replace")}
            )  # fmt: skip
            raise _Transient(f"sends what cannot be used ({reason})", kind="unusable") from error

    def _failure(self, response: requests.Response, call: Call, described: str) -> Exception:
        status = response.status_code
        body = response.content.decode("utf-8", "replace")
        message, reason, is_json = _read_error(body)
        if status == 429:
            seconds = _retry_after(response)
            if reason == "QUOTA_EXCEEDED":
                return self.suspend(f"{self.service}'s quota is used up", QUOTA_WINDOW if seconds is None else seconds)
            return _Transient("asks for fewer requests (429)", retry_after=seconds, kind="throttled")
        if status >= 500 or status == 408:
            return _Transient(f"answers {status}", retry_after=_retry_after(response))
        if call.is_secret:
            body = ""
        return Refused(status, call.endpoint, described, message, body, is_json)

    def _keep_pace(self) -> None:
        if len(self._answered) == self._settings.requests_per_window:
            free_at = self._answered[0] + self._settings.window_seconds
            if (seconds := free_at - self._clock()) > 0:
                self._sleep("keeping to the rate limit", seconds)

    def _pause(self, state: RetryCallState) -> float:
        """How long to wait: what the service asked for, and full jitter, so that it is not stormed at one moment."""
        failure = _outcome(state)
        jitter = float(self._jitter(state))
        return jitter if failure.retry_after is None else failure.retry_after + min(jitter, 1.0)

    def _is_hopeless(self, state: RetryCallState) -> bool:
        # Being throttled is no failure: it is waited for as long as the waiting is not too long in all.
        is_worn_out = state.attempt_number >= self._settings.max_attempts and _outcome(state).kind != "throttled"
        return is_worn_out or state.idle_for + state.upcoming_sleep > self._settings.max_wait

    def _give_up(self, endpoint: str, state: RetryCallState) -> Any:
        failure = _outcome(state)
        told = f"{self.service} {failure.reason} on {endpoint}"
        if failure.kind == "unusable" and state.attempt_number >= self._settings.max_attempts:
            raise Unusable(f"{told}, {state.attempt_number} times") from failure
        if state.idle_for + state.upcoming_sleep > self._settings.max_wait:
            seconds = failure.retry_after if failure.retry_after is not None else state.upcoming_sleep
            allowed = _in_words(self._settings.max_wait)
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
    """A requests session that sends under a policy. Set `call` before each request; `answer` is what was read."""

    def __init__(self, policy: Policy, address: str, call: Call | None = None) -> None:
        super().__init__()
        self.headers["User-Agent"] = "song-genres"
        self.policy = policy
        self.call = call
        self.answer: Any = None
        # A proxy for the outside world cannot reach this machine's own servers.
        self.trust_env = urlsplit(address).hostname not in _LOOPBACK
        # Else requests would look for the host in ~/.netrc and put that password in the place of our token.
        self.auth = lambda prepared: prepared

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **options: Any) -> requests.Response:
        """Send a request under the policy."""
        assert self.call is not None, "set `call` first"
        described = _describe(str(method), str(url), options.get("params"))
        send = partial(super().request, method, url, *args, **options)
        response, self.answer = self.policy.send(send, self.call, described)
        return response


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


def _read_error(body: str) -> tuple[str, str | None, bool]:
    """Message, reason and whether it is a JSON object, from an error's body in any of the shapes that are about."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return " ".join(body.split())[:300] or "no reason given", None, False
    error = document.get("error")
    if isinstance(error, dict):
        return str(error.get("message") or "no reason given"), error.get("reason"), True
    return str(document.get("error_description") or error or "no reason given"), None, True


def _retry_after(response: requests.Response) -> float | None:
    """Retry-After in seconds from now, given as seconds or as a date; None where it is absent or makes no sense."""
    text = response.headers.get("Retry-After", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            # Measured by the server's own clock, where it tells it.
            date = response.headers.get("Date")
            present = parsedate_to_datetime(date) if date else datetime.now(UTC)
            seconds = (parsedate_to_datetime(text) - present).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER) if math.isfinite(seconds) else None


def _in_words(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.3g} s"
