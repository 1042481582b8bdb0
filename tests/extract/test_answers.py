"""Reading answers: each document is kept exactly as its source wrote it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.answers import Element, array_elements


def test_elements_are_verbatim() -> None:
    """Guards against documents that are written anew: other number formats, other escapes, other spaces."""
    text = ' {"a":{"items": 1}, "artists" : {"next":null,"items" : [ {"x": 1.10,"y":"\\u00e9é\\/"} ,null, [1, 2] ] }} '
    assert array_elements(text, "artists", "items") == [
        Element({"x": 1.1, "y": "éé/"}, '{"x": 1.10,"y":"\\u00e9é\\/"}'),
        Element(None, "null"),
        Element([1, 2], "[1, 2]"),
    ]


_SPACES = st.text(" \t\r\n", max_size=2)
_NUMBERS = st.sampled_from(
    ["0", "-0.0", "1.10", "1E-05", "1e+2", "12345678901234567890", "0.1000000000000000055511151231"]
)
_STRINGS = st.sampled_from(['""', '"é"', '"\\u00E9"', '"\\ud83c\\udfb9"', '"[{\\"\\\\"', '"]}"', '"\\u0000"', '"👩‍🎤"'])


def _documents(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    members = st.tuples(_SPACES, _STRINGS, _SPACES, inner, _SPACES).map(lambda five: "{}{}{}:{}{}".format(*five))
    objects = st.tuples(_SPACES, st.lists(members, max_size=3)).map(lambda two: "{" + two[0] + ",".join(two[1]) + "}")
    elements = st.tuples(_SPACES, inner, _SPACES).map("".join)
    return objects | st.lists(elements, max_size=3).map(lambda texts: "[" + ",".join(texts) + "]")


@given(
    st.lists(st.recursive(_NUMBERS | _STRINGS | st.sampled_from(["null", "true"]), _documents, max_leaves=8)), _SPACES
)
def test_whatever_stands_in_an_array_is_verbatim(documents: list[str], space: str) -> None:
    """Guards against a single byte of a document that is not as the source sent it."""
    array = "[" + ",".join(f"{space}{document}{space}" for document in documents) + "]"
    found = array_elements(f'{{"next": "]", "items":{space}{array}{space}}}', "items")
    assert [element.text for element in found] == documents
    assert [element.value for element in found] == [json.loads(document) for document in documents]


def test_half_a_surrogate_pair_costs_no_document() -> None:
    """Guards against a page of fifty documents thrown away because one has half a character in it."""
    found = array_elements('{"tracks": [{"id": "half \\ud83d"}, {"id":  7}]}', "tracks")
    assert [element.value for element in found] == [{"id": "half \ud83d"}, {"id": 7}]
    assert [json.loads(element.text) for element in found] == [{"id": "half \ud83d"}, {"id": 7}]
    with pytest.raises(ValueError, match="no array tracks"):
        array_elements('{"items": ["\\ud83d"]}', "tracks")


def test_an_empty_array_has_no_elements() -> None:
    """Guards against an error where there is simply nothing."""
    assert array_elements('{"tracks":[ ]}', "tracks") == []


@pytest.mark.parametrize(
    "text",
    ["", "<html>", '{"tracks":[1,2', '{"tracks":[1]} x', "[]", "null", '{"tracks":null}', '{"tracks":{}}', "{}",
     '{"other":[1]}', "[" * 100_000, '{"tracks":[' + "[" * 100_000, '{"tracks":[{"a":1,}]}'],
)  # fmt: skip
def test_what_has_no_such_array_is_refused(text: str) -> None:
    """Guards against half an answer taken for a whole one, and against a crash on any of them."""
    with pytest.raises(ValueError):
        array_elements(text, "tracks")
