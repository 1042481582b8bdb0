"""How a long job reports its progress.

Belongs here: the one signature. Not here: bars and logs, which are the callers' matter.
"""

from collections.abc import Callable

Progress = Callable[[str, int, int | None], None]
"""Called as `progress(stage, done, total)`; `total` is None where it is not known yet."""


def ignore(stage: str, done: int, total: int | None) -> None:  # noqa: ARG001
    """Say nothing: the default."""
