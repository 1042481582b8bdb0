"""The sandbox keeps the published contract of Spotify's Web API, but for what is listed here with its reason."""

from collections.abc import Iterator
from typing import Any

import pytest

from extract.sandbox.answers import TIERS
from extract.sandbox.catalogue import Catalogue, build_catalogue
from extract.sandbox.faults import Fault
from extract.sandbox.server import serve
from tests.extract.sandbox.client import Client
from tests.extract.sandbox.contract import Contract, contract

__all__ = ["contract"]

MADE_UP = "Every made-up document says so."
NULL_SLOT = "A batch has null where there is nothing, as Spotify itself answers; the contract does not say so."
OLD_GENRES = "A deprecated field, which Spotify fills, empties, sets to null or leaves out."
UNKNOWN = "Popularity is unknown of some tracks, as in the downloads of the study."
ODD_BEATS = "The contract begins at 3 beats; the study's downloads have 1, and 0 where the analysis failed."

EXCEPTIONS = {
    ("artist", "synthetic"): MADE_UP,
    ("track", "synthetic"): MADE_UP,
    ("audio features", "synthetic"): MADE_UP,
    ("artist", "genres: null"): OLD_GENRES,
    ("track", "popularity: null"): UNKNOWN,
    ("audio features", "time_signature: minimum"): ODD_BEATS,
    ("batch", "null"): NULL_SLOT,
    ("error", "message is absent"): "Spotify refuses closed endpoints with a status alone.",
}
"""What may differ from the contract: a kind of document and what is odd in it."""


@pytest.fixture(scope="module")
def made_up() -> Catalogue:
    return build_catalogue(listings=600, only=["Dub", "Jazz"])


def questions(made_up: Catalogue) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """What a client may ask: the path in the contract, the path itself, and the parameters."""
    for kind in ("artist", "track"):
        for genre in ("Dub", "Polka"):
            for offset in (0, 10, 20, 30, 990):
                yield "/search", "/v1/search", {"q": f'genre:"{genre}"', "type": kind, "limit": 10, "offset": offset}
        yield "/search", "/v1/search", {"q": 'genre:"Dub"', "type": kind, "limit": 50}
        yield "/search", "/v1/search", {"q": 'genre:"Dub"', "type": "album"}
    track = next(iter(made_up.tracks.values()))
    named = f'track:"{track["name"]}" artist:"{track["artists"][0]["name"]}"'
    yield "/search", "/v1/search", {"q": named, "type": "track"}
    artists, tracks = list(made_up.artists), list(made_up.tracks)
    for artist in artists:
        yield "/artists/{id}", f"/v1/artists/{artist}", {}
        yield "/artists/{id}/top-tracks", f"/v1/artists/{artist}/top-tracks", {"market": "US"}
    for track_id in tracks[::100]:
        yield "/tracks/{id}", f"/v1/tracks/{track_id}", {}
    for path, ids, most in ("/artists", artists, 50), ("/tracks", tracks, 50), ("/audio-features", tracks, 100):
        for start in range(0, len(ids), most):
            yield path, f"/v1{path}", {"ids": ",".join([*ids[start : start + most - 1], "nobody"])}
        yield path, f"/v1{path}", {}
    for path in ("artists", "tracks"):
        yield f"/{path}/{{id}}", f"/v1/{path}/nobody", {}


def oddities(contract: Contract, path: str, status: int, answer: Any) -> Iterator[tuple[str, str]]:
    """What the contract does not allow in an answer: in which kind of document, and what."""
    for document, key in contract.unknown_keys(path, status, answer):
        yield kind_of(document), key
    for error in contract.validator(path, status).iter_errors(answer):
        yield from leaves(error, answer)


def leaves(error: Any, answer: Any) -> Iterator[tuple[str, str]]:
    if error.validator == "anyOf":  # nullable: what the value itself should have been
        for inner in error.context:
            if inner.schema_path[0] == 1:
                yield from leaves(inner, answer)
        return
    if error.validator == "required":
        yield kind_of(error.instance), error.message.replace("'", "").replace(" is a required property", " is absent")
    elif isinstance(error.absolute_path[-1], int):
        yield "batch", "null" if error.instance is None else error.validator
    else:
        parent = answer
        for key in list(error.absolute_path)[:-1]:
            parent = parent[key]
        shown = "null" if error.instance is None else error.validator
        yield kind_of(parent), f"{error.absolute_path[-1]}: {shown}"


def kind_of(document: Any) -> str:
    if document.get("status"):
        return "error"
    return str(document.get("type", "page")).replace("_", " ")


@pytest.mark.parametrize("tier", TIERS)
def test_every_answer_keeps_the_contract(contract: Contract, made_up: Catalogue, tier: str) -> None:
    """Guards against an extractor that reads the sandbox and not Spotify, since their documents differ."""
    found: set[tuple[str, str]] = set()
    statuses: set[int] = set()
    with serve(made_up, tier=tier) as sandbox:
        client = Client(sandbox)
        with client.session:
            assert client.get("/v1/artists/nobody")[0] == 401
            client.sign_in()
            for path, address, parameters in questions(made_up):
                status, answer = client.get(address, **parameters)
                statuses.add(status)
                if str(status) in contract.paths[path]["get"]["responses"]:
                    found |= set(oddities(contract, path, status, answer))
                else:
                    found |= set(oddities(contract, "/search", 401, answer))  # the contract has one shape of errors
    closed = TIERS[tier].closed
    expected = set(EXCEPTIONS)
    if not closed:
        expected -= {("error", "message is absent")}
    if "audio-features" in closed:
        expected = {(kind, what) for kind, what in expected if kind != "audio features"}
    if "tracks" in closed:
        expected -= {("batch", "null"), ("track", "popularity: null")}
    assert found == expected
    assert statuses == {200, 400, 404} | ({403} if closed else set())


@pytest.mark.parametrize("fault", [Fault(status=429, headers={"Retry-After": "2"}), Fault(status=503)])
def test_errors_on_demand_keep_the_contract(contract: Contract, made_up: Catalogue, fault: Fault) -> None:
    """Guards against a limit or an outage that only the sandbox would put so."""
    with serve(made_up, faults=[fault]) as sandbox:
        client = Client(sandbox)
        with client.session:
            status, answer = client.get("/v1/artists/nobody")
    assert status == fault.status
    assert list(oddities(contract, "/search", 429, answer)) == []
