"""The model card: what a model is, what it was tested on, and what it must not be taken for.

Belongs here: choosing what the card says of a run; its words stand in templates/card.md. Not here: the figures
themselves (evaluation.py) and the tables (training.py).
"""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from ml.inputs import columns_of, in_words
from ml.protocols import find_protocol
from ml.settings import BASELINE, with_inputs
from ml.training import Run, Summary
from warehouse.files import write_whole

FIGURES = {
    "top_1": "Genre is the first guess",
    "top_2": "Genre among the first 2 guesses",
    "top_3": "Genre among the first 3 guesses",
    "top_4": "Genre among the first 4 guesses",
    "top_1_any": "Any genre of the track is the first guess",
    "top_3_any": "Any genre of the track among the first 3 guesses",
    "macro_f1": "Macro F1",
    "log_loss": "Log loss (nats, lower is better)",
}
EXTREMES = 10
"""At most this many of the best and of the worst genres are shown; `ml.genre_scores` has all of them."""
_LONGEST = 60


def write_card(run: Run, model_path: Path, *, beside: Sequence[Summary] = ()) -> Path:
    """Write the card of the run whose model is at `model_path` into the same folder, and return its path, card.md.

    `beside` are other runs on the same held-out tracks, such as the baseline and the study's forest, to compare with.
    """
    path = model_path.with_name("card.md")
    write_whole(path, card(run, model_path.stat().st_size, beside=beside))
    return path


def card(run: Run, model_bytes: int, *, beside: Sequence[Summary] = ()) -> str:
    """The card as Markdown. The same run gives the same text, but for its measured times and memory."""
    own = run.summary
    others = [other for other in beside if other.run_id != own.run_id and other.held_out_digest == own.held_out_digest]
    by_f1 = run.genre_scores.sort_values(["f1", "genre"], ascending=[False, True], kind="stable")
    best, worst = by_f1.head(EXTREMES), by_f1.tail(EXTREMES).iloc[::-1]
    ranked = {"Best": best, "Worst": worst} if len(by_f1) > 2 * EXTREMES else {"All": by_f1}
    counts = run.tracks.frame["genre"].value_counts()
    importances = run.feature_importances.sort_values("importance", ascending=False, kind="stable")
    unknown = run.tracks.inputs[columns_of(run.features)].isna().sum()
    return _environment().get_template("card.md").render(
        run=run,
        protocol=find_protocol(run.protocol),
        told=in_words(run.features),
        model_megabytes=model_bytes / 1e6,
        figures=FIGURES,
        compared=[own, *others],
        with_inputs=with_inputs,
        without_baseline=all(other.name != BASELINE for other in [own, *others]),
        ranked={title: rows.to_dict("records") for title, rows in ranked.items()},
        left_out=[(genre, int(counts[genre]), reason) for genre, reason in sorted(run.left_out.items())],
        unknown={name: int(count) for name, count in unknown.items() if count},
        importances=importances.to_dict("records"),
        calibration=run.calibration.to_dict("records"),
    )  # fmt: skip


def _label(text: object) -> str:
    """A name from outside as plain text in a Markdown table: one line, at most 60 characters, no markup."""
    line = " ".join(str(text).split())
    line = line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
    return "".join(f"\\{character}" if character in "\\`*_{}[]<>|#~&!" else character for character in line)


def _environment() -> Environment:
    # Markdown, which is not escaped as HTML is: names from outside go through the filter `label`.
    environment = Environment(
        loader=PackageLoader("ml"), autoescape=select_autoescape(), undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters["label"] = _label
    return environment
