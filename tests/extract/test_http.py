"""The one place that decides about waiting: with a clock of our own, so that a day's wait takes no time."""

import itertools
import ssl
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from extract.answers import array_elements
from extract.http import Budget, Policy, Question, Refused, Suspended, Unusable
from extract.settings import CrawlError, CrawlOptions
from warehouse import raw

QUOTA = '{"error":{"status":429,"message":"Too many requests","reason":"QUOTA_EXCEEDED"}}'


def things(*, is_secret: bool = False) -> Question:
    """A question whose answer is a list of things."""
    return Question("things", lambda text: [each.value for each in array_elements(text, "things")], is_secret=is_secret)


class Clock:
    """Time that passes only when somebody sleeps or the service takes its time."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)


def response(status: int = 200, body: str | bytes = '{"things": [1]}', **headers: str) -> requests.Response:
    made = requests.Response()
    made.status_code = status
    made._content = body if isinstance(body, bytes) else body.encode()
    made.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return made


def answering(*answers: requests.Response | Exception) -> Callable[[], requests.Response]:
    """A service that gives these answers in turn; to be asked more often is an error."""
    left = iter(answers)

    def ask() -> requests.Response:
        answer = next(left)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return ask


def policy(clock: Clock, budget: int | None = None, ages: tuple[float, ...] = (), **options: Any) -> Policy:
    progress = options.pop("progress", lambda *_: None)
    return Policy(
        "Spotify",
        "spotify",
        CrawlOptions(**options),
        Budget(budget),
        progress=progress,
        ages=ages,
        clock=clock,
        sleep=clock.sleep,
    )


@pytest.fixture
def clock() -> Clock:
    return Clock()


# Pace


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 3)), min_size=1, max_size=60), st.integers(1, 7))
def test_no_window_holds_more_requests_than_allowed(journeys: list[tuple[float, float]], limit: int) -> None:
    """Guards against counting when a request was sent: it arrives later, and the next may travel faster."""
    clock = Clock()
    arrivals = []
    limited = policy(clock, requests_per_window=limit, window_seconds=5)
    for there, back in journeys:

        def ask(there: float = there, back: float = back) -> requests.Response:
            clock.now += there
            arrivals.append(clock.now)
            clock.now += back
            return response()

        limited.send(ask, things(), "GET /things")
    for first, later in zip(arrivals, arrivals[limit:], strict=False):
        assert later - first >= 5 - 1e-6


def test_pace_is_kept_across_runs(clock: Clock) -> None:
    """Guards against a run that begins with a full window's requests right after another run has ended."""
    limited = policy(clock, requests_per_window=2, window_seconds=30, ages=(10.0, 4.0))
    limited.send(answering(response()), things(), "GET /things")
    assert clock.now == pytest.approx(1_020.0)


# Waiting


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"Retry_After": "4"}, 4, 5),
        ({"Retry_After": " 1.5 "}, 1.5, 2.5),
        ({"Retry_After": "0"}, 0, 1),
        ({"Retry_After": "-3"}, 0, 1),
        ({"Retry_After": "Sat, 14 Nov 2026 10:00:07 GMT", "Date": "Sat, 14 Nov 2026 10:00:00 GMT"}, 7, 8),
        ({"Retry_After": "Sat, 14 Nov 2020 10:00:07 GMT"}, 0, 1),
        ({}, 0, 1),
        ({"Retry_After": "soon"}, 0, 1),
        ({"Retry_After": "nan"}, 0, 1),
        ({"Retry_After": "inf"}, 0, 1),
    ],
)
def test_retry_after_is_honoured(clock: Clock, headers: dict[str, str], least: float, most: float) -> None:
    """Guards against asking again too early, and against stumbling over a header that makes no sense."""
    question = things()
    policy(clock).send(answering(response(429, "", **headers), response()), question, "GET /things")
    assert question.answer == [1]
    assert least <= clock.now - 1_000 <= most


def test_a_wait_is_counted_down(clock: Clock) -> None:
    """Guards against a program that seems to hang."""
    shown: list[tuple[str, int, int | None]] = []
    throttled = policy(clock, progress=lambda *step: shown.append(step))
    throttled.send(answering(response(429, "", Retry_After="3"), response()), things(), "GET /things")
    assert [done for _, done, _ in shown] == [0, 1, 2, 3, 4]
    assert {(stage, total) for stage, _, total in shown} == {("waiting for Spotify", 4)}  # 3 s and some jitter


def test_a_long_wait_suspends_at_once(clock: Clock) -> None:
    """Guards against the complaint heard most: a program that silently sleeps for 23 hours."""
    with pytest.raises(Suspended, match="22 h 40 min.*15 min 0 s are allowed") as caught:
        policy(clock).send(answering(response(429, "", Retry_After="81654")), things(), "GET /things")
    assert clock.slept == []
    assert caught.value.resume_at is not None
    assert timedelta(seconds=81_600) < caught.value.resume_at - raw.now() <= timedelta(seconds=81_654)


def test_many_short_waits_are_a_long_one(clock: Clock) -> None:
    """Guards against waiting for ever, a minute at a time."""
    throttled = answering(*[response(429, "", Retry_After="60") for _ in range(20)])
    with pytest.raises(Suspended):
        policy(clock).send(throttled, things(), "GET /things")
    assert 780 < clock.now - 1_000 <= 900


def test_a_used_up_quota_suspends_at_once(clock: Clock) -> None:
    """Guards against spending attempts where the next one is refused for a day."""
    with pytest.raises(Suspended, match="quota") as caught:
        policy(clock).send(answering(response(429, QUOTA)), things(), "GET /things")
    assert clock.slept == []
    assert caught.value.resume_at is not None
    assert timedelta(hours=23) < caught.value.resume_at - raw.now() <= timedelta(hours=24)


def test_a_suspended_service_is_not_asked_again(clock: Clock) -> None:
    """Guards against a later stage that asks a service which has just said: come back tomorrow."""
    suspended = policy(clock)
    with pytest.raises(Suspended):
        suspended.send(answering(response(429, QUOTA)), things(), "GET /things")
    with pytest.raises(Suspended):
        suspended.send(answering(), things(), "GET /things")


def test_a_spent_budget_suspends(clock: Clock) -> None:
    """Guards against one request more than was allowed; attempts count, for the service counts them."""
    limited = policy(clock, budget=3)
    limited.send(answering(response(503, ""), response()), things(), "GET /things")
    limited.send(answering(response()), things(), "GET /things")
    with pytest.raises(Suspended, match="budget of 3 is spent"):
        limited.send(answering(), things(), "GET /things")


# Trying again


@pytest.mark.parametrize(
    "failure",
    [
        response(500, "oops"),
        response(502, "<html>"),
        response(503, ""),
        response(504, "{}"),
        response(408, ""),
        requests.ReadTimeout("slow"),
        requests.ConnectTimeout("slow"),
        requests.ConnectionError("reset"),
        requests.exceptions.ChunkedEncodingError("half"),
        requests.exceptions.ContentDecodingError("no gzip"),
        response(200, "<html>"),
        response(200, '{"things": [1'),
        response(200, b'{"things": ["\xff"]}'),
        response(200, "{}"),
        response(204, ""),
    ],
)
def test_what_may_pass_is_tried_again(clock: Clock, failure: requests.Response | Exception) -> None:
    """Guards against giving up on one bad moment."""
    made, question = policy(clock), things()
    made.send(answering(failure, failure, response()), question, "GET /things")
    assert question.answer == [1]
    assert [record["attempts"] for record in made.requests] == [1, 2, 3]
    expected = failure.status_code if isinstance(failure, requests.Response) else None
    assert [record.get("status") for record in made.requests] == [expected, expected, 200]


def test_the_jitter_is_full_and_grows(clock: Clock) -> None:
    """Guards against all clients coming back at one moment: each wait is anything from 0 to a doubling bound."""
    bounds: list[list[float]] = [[], [], []]
    for _ in range(200):
        moments: list[float] = []
        statuses = iter((503, 503, 503, 200))

        def ask(moments: list[float] = moments, statuses: Iterator[int] = statuses) -> requests.Response:
            moments.append(clock.now)
            return response(next(statuses))

        policy(clock, backoff_seconds=2).send(ask, things(), "GET /things")
        for waits, earlier, later in zip(bounds, moments, moments[1:], strict=False):
            waits.append(later - earlier)
    for waits, bound in zip(bounds, (2, 4, 8), strict=True):
        assert max(waits) <= bound
        assert max(waits) > 0.9 * bound
        assert min(waits) < 0.1 * bound


def test_a_service_that_is_down_suspends(clock: Clock) -> None:
    """Guards against a crawl that fails with a traceback, or tries on for ever, when Spotify is down."""
    with pytest.raises(Suspended, match="Spotify answers 503 on things, 8 times"):
        policy(clock).send(answering(*[response(503, "")] * 8), things(), "GET /things")


def test_useless_answers_are_kept(clock: Clock) -> None:
    """Guards against losing what cannot be used."""
    made = policy(clock, max_attempts=2)
    with pytest.raises(Unusable, match="not UTF-8.*2 times"):
        made.send(answering(response(200, "{}"), response(200, b'{"things":{"\xff"')), things(), "GET /things")
    assert [(kept["payload"], kept["request"]) for kept in made.unusable] == [
        ("{}", "GET /things"), ('{"things":{"�"', "GET /things"),
    ]  # fmt: skip
    assert made.unusable[0]["reason"] == "the answer has no array things"
    assert made.unusable[1]["reason"].startswith("not UTF-8")


def test_a_secret_answer_is_never_kept(clock: Clock) -> None:
    """Guards against half a token answer in the database."""
    made = policy(clock, max_attempts=1)
    with pytest.raises(Unusable):
        made.send(answering(response(200, '{"access_token":"abc')), things(is_secret=True), "POST /t")
    assert made.unusable[0]["payload"] is None


@pytest.mark.parametrize(
    ("status", "body", "message", "is_about_the_question"),
    [
        (400, '{"error":{"status":400,"message":"Invalid limit"}}', "Invalid limit", True),
        (400, '{"error":"invalid_client","error_description":"Invalid client"}', "Invalid client", True),
        (401, '{"error":{"status":401,"message":"The access token expired"}}', "The access token expired", False),
        (403, '{"error":{"status":403}}', "no reason given", False),
        (403, "User\n not registered", "User not registered", False),
        (404, '{"error":null}', "no reason given", True),
        (404, '["x"]', '["x"]', False),
        (404, "", "no reason given", False),
        (302, "", "no reason given", False),
    ],
)
def test_a_refusal_is_final(clock: Clock, status: int, body: str, message: str, is_about_the_question: bool) -> None:
    """Guards against asking again what was answered, and against crashing on an error's shape."""
    with pytest.raises(Refused) as caught:
        policy(clock).send(answering(response(status, body)), things(), "GET /things")
    assert caught.value.message == message
    assert caught.value.is_about_the_question is is_about_the_question
    assert clock.slept == []


def test_a_wrong_address_is_no_reason_to_wait(clock: Clock) -> None:
    """Guards against retrying what cannot be sent at all."""
    with pytest.raises(CrawlError, match="GET /things cannot be asked of Spotify"):
        policy(clock).send(answering(requests.exceptions.InvalidURL("no host")), things(), "GET /things")


def _chain(*errors: Exception) -> Exception:
    """The last error, made from the one before it, and so on, as requests and urllib3 do."""
    for inner, outer in itertools.pairwise(errors):
        outer.__cause__ = inner
    return errors[-1]


@pytest.mark.parametrize(
    "failure",
    [
        requests.exceptions.SSLError("certificate verify failed"),
        requests.exceptions.SSLError(urllib3.exceptions.SSLError(ssl.SSLCertVerificationError("self-signed"))),
        requests.exceptions.ProxyError(urllib3.exceptions.ProxyError("no", ssl.SSLCertVerificationError("unknown"))),
        _chain(ssl.SSLCertVerificationError("unknown"), requests.exceptions.ProxyError("Unable to connect to proxy")),
        _chain(ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER]"), requests.exceptions.SSLError("no")),
    ],
)
def test_a_certificate_that_is_not_trusted_stops_at_once(clock: Clock, failure: Exception) -> None:
    """Guards against a minute of retries, and then the advice to come back later: no waiting would help."""
    made = policy(clock)
    with pytest.raises(CrawlError, match="REQUESTS_CA_BUNDLE") as caught:
        made.send(answering(failure), things(), "GET /things")
    assert not isinstance(caught.value, Suspended)
    assert clock.slept == []
    assert [(record["attempts"], record.get("status")) for record in made.requests] == [(1, None)]
    assert len(str(caught.value).splitlines()) <= 4


@pytest.mark.parametrize(
    "cause", [ssl.SSLEOFError(8, "EOF occurred in violation of protocol"), ConnectionResetError(104, "reset")]
)
def test_a_secure_connection_that_breaks_is_tried_again(clock: Clock, cause: Exception) -> None:
    """Guards against a crawl that ends because one connection was cut while it was being made."""
    failure = _chain(cause, requests.exceptions.SSLError("Max retries exceeded"))
    question = things()
    policy(clock).send(answering(failure, response()), question, "GET /things")
    assert question.answer == [1]


def test_every_attempt_is_recorded_with_its_wait(clock: Clock) -> None:
    """Guards against costs that nobody can see: the wait stands with the request that it delayed."""
    made = policy(clock, backoff_seconds=0)
    made.send(answering(response(429, "", Retry_After="5"), response()), things(), "GET /things?ids=1")
    first, second = made.requests
    assert (first["endpoint"], first["request"], first["status"]) == ("things", "GET /things?ids=1", 429)
    assert first["waited_seconds"] == 0
    assert second["waited_seconds"] == 5
