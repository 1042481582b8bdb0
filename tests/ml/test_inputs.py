"""Which inputs there are, by the text that a person gives."""

import pytest

from ml.dataset import ModelError
from ml.inputs import columns_of, in_words, inputs_of, normalised
from warehouse.features import AUDIO_FEATURES


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("audio", "audio"),
        ("year+audio", "audio+year"),
        ("album + title+year+ audio", "audio+title+year+album"),
        ("title+title", "title"),
    ],
)
def test_a_set_of_inputs_has_one_name(given: str, name: str) -> None:
    """Guards against runs of the same inputs that are told apart by the order in which they were typed."""
    assert normalised(given) == name
    assert "+".join(inputs_of(given)) == name


@pytest.mark.parametrize("given", ["", "+", "audio+", "Audio", "audio title", "audio+popularity", "artist"])
def test_what_is_no_input_is_refused_with_those_that_there_are(given: str) -> None:
    """Guards against a typing error that trains on something else, and against popularity or the artist as an input."""
    with pytest.raises(ModelError, match="There are: audio, title, year, album; one of them, or several joined by"):
        normalised(given)


def test_each_input_stands_for_its_columns() -> None:
    """Guards against a column too many, such as the artist."""
    assert columns_of("audio") == AUDIO_FEATURES
    assert columns_of("album+year") == ["release_year", "album_name"]
    assert columns_of("title+audio") == [*AUDIO_FEATURES, "song_name"]


def test_inputs_are_said_in_words() -> None:
    """Guards against a card that names another input than the model has."""
    assert in_words("audio") == "its audio features"
    assert in_words("audio+title") == "its audio features and its title"
    assert in_words("audio+title+album", with_audio=False) == "its title and its album's name"
    assert in_words("audio+title+year+album") == (
        "its audio features, its title, its release year and its album's name"
    )
    assert in_words("audio", with_audio=False) == ""
