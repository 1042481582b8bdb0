"""What a model may be given of a track, by the names that --features takes: its sound, title, release year and album.

Belongs here: the names, and the columns that each stands for. Not here: what is made of the columns (features.py), and
where they come from (dataset.py; of a file of songs, scoring.py).
"""

from ml.dataset import ModelError
from warehouse.features import AUDIO_FEATURES

INPUTS: dict[str, list[str]] = {
    "audio": AUDIO_FEATURES,
    "title": ["song_name"],
    "year": ["release_year"],
    "album": ["album_name"],
}
"""The columns of `Tracks.inputs` by input. Popularity is none: it says how a song was received, not what it is."""

TEXTS = ("song_name", "album_name")
"""The columns that hold text; the others hold numbers."""

WORDS = {
    "audio": "its audio features",
    "title": "its title",
    "year": "its release year",
    "album": "its album's name",
}
"""What each input is to a reader."""


def inputs_of(features: str) -> list[str]:
    """The inputs that a text such as `audio+year` names, each once, in the order of `INPUTS`.

    Raises `ModelError` for a name that there is not; the message lists those that there are.
    """
    names = [name.strip() for name in features.split("+")]
    if unknown := [name for name in names if name not in INPUTS]:
        raise ModelError(
            f"There are no features {unknown[0]!r}. There are: {', '.join(INPUTS)}; one of them, or several joined by "
            "+, such as --features audio+year"
        )
    return [name for name in INPUTS if name in names]


def normalised(features: str) -> str:
    """The same text for the same inputs in whatever order. Raises as `inputs_of`."""
    return "+".join(inputs_of(features))


def columns_of(features: str) -> list[str]:
    """The columns that a model of these inputs reads. Raises as `inputs_of`."""
    return [column for name in inputs_of(features) for column in INPUTS[name]]


def in_words(features: str, *, with_audio: bool = True) -> str:
    """What a model of these inputs is told of a song, such as "its audio features, its title and its album's name".

    Without what it is told of the sound, which a page may say in other words, "" may be left.
    """
    *others, last = [WORDS[name] for name in inputs_of(features) if with_audio or name != "audio"] or [""]
    return f"{', '.join(others)} and {last}" if others else last
