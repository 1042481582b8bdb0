"""What is wrong with a song file, told to the person whose file it is.

Belongs here: the errors alone. Not here: the sentences, which those who raise them write.
"""


class SongFileError(ValueError):
    """A song file that cannot be used; the message says what is wrong, where, and what to do."""


class SeveralTables(SongFileError):
    """Tables with different columns in one file; `one` is the path of the one that is most likely meant."""

    def __init__(self, message: str, one: str) -> None:
        super().__init__(message)
        self.one = one


class ListeningHistory(SongFileError):
    """A file of Spotify's that says which songs a person played or kept, and not how they sound."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} is Spotify's listening history or library: which songs you played, not how they sound.\n"
            "A later version reads it; Exportify (exportify.app) gives a file with audio features."
        )
