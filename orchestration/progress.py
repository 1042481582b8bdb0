"""How far a command is, on standard error: progress bars on a screen, and lines in a file.

Belongs here: how progress looks. Not here: what it is told (warehouse/progress.py), and results (screens.py).
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress

from warehouse.progress import Progress

errors = Console(stderr=True, markup=False, emoji=False)


class LineProgress:
    """A line when a stage begins, and one when the next does: for output that goes into a file."""

    def __init__(self) -> None:
        self._began: dict[str, float] = {}

    def __call__(self, stage: str, done: int, total: int | None) -> None:  # noqa: ARG002
        """Say that the stage begins, the first time that it is told of."""
        if stage not in self._began:
            self.end_stage()
            self._began[stage] = time.perf_counter()
            errors.print(f"{stage} …", highlight=False, soft_wrap=True)

    def end_stage(self) -> None:
        """Say how long the stage took that began last."""
        for stage, began in list(self._began.items())[-1:]:
            errors.print(f"{stage}: done in {time.perf_counter() - began:.1f} s", highlight=False, soft_wrap=True)


class ScreenProgress:
    """One Rich progress line per stage; call it as a `warehouse.progress.Progress`."""

    def __init__(self, progress: RichProgress) -> None:
        self._progress = progress
        self._task: dict[str, object] = {}

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Show that `done` of `total` of a stage are finished."""
        if stage not in self._task:
            for earlier in self._progress.tasks:
                self._progress.stop_task(earlier.id)
            self._task[stage] = self._progress.add_task(stage, total=total)
        self._progress.update(self._task[stage], completed=done, total=total)  # type: ignore[arg-type]


@contextmanager
def screen_progress() -> Iterator[ScreenProgress]:
    """Progress lines for the block, gone when it ends."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
    )
    with RichProgress(*columns, console=errors, transient=True) as progress:
        yield ScreenProgress(progress)


@contextmanager
def run_progress() -> Iterator[Progress]:
    """The progress of a run: as lines where nobody looks at a screen, which stay, and else as `screen_progress`."""
    if errors.is_terminal:
        with screen_progress() as shown:
            yield shown
        return
    lines = LineProgress()
    yield lines
    lines.end_stage()
