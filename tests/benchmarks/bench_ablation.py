"""What each input brings: the default model with it and without it, on the same folds by artist as bench_accuracy.py.

Inputs are added to the sound, and each audio feature is left out of it: made unknown of every track, with all that is
made of it (the number of beats goes with the tempo and with the duration). The difference to the sound alone is the
mean of the folds' differences, with their standard deviation. It takes about an hour for TidyTuesday. `ACCURACY_FOLDS`
is as there; of the 114-genre file each feature left out is measured on the first fold alone.
"""

import statistics

from ml.settings import DEFAULT
from tests.benchmarks.bench_accuracy import FOLDS, GENRES_114, TIDYTUESDAY, Figures, folds_of, print_row, warehouse_of
from warehouse.features import AUDIO_FEATURES

ADDED = {
    TIDYTUESDAY: ("audio+title", "audio+year", "audio+album", "audio+title+year", "audio+title+year+album",
                  "title+year+album"),
    GENRES_114: ("audio+title", "audio+album", "audio+title+album"),
}  # fmt: skip
FOLDS_LEFT_OUT = {TIDYTUESDAY: FOLDS, GENRES_114: 1}
SHOWN = ("top_1", "top_3", "macro_f1", "log_loss")


def row(name: str, figures: list[Figures], base: list[Figures]) -> list[str]:
    """The means over the folds, and the differences to `base` on the very same folds."""
    means = [f"{statistics.mean(getattr(fold, figure) for fold in figures):.4f}" for figure in SHOWN]
    differences = []
    for figure in ("top_1", "log_loss"):
        found = [getattr(one, figure) - getattr(other, figure) for one, other in zip(figures, base, strict=False)]
        spread = f" ± {statistics.stdev(found):.4f}" if len(found) > 1 else ""
        differences.append(f"{statistics.mean(found):+.4f}{spread}")
    return [name, str(len(figures)), *means, *differences]


def main() -> None:
    """Print one table per dataset."""
    for name, added in ADDED.items():
        with warehouse_of(name) as path:
            if path is None:
                continue
            print(f"\n{name}: {DEFAULT}, folds by artist\n")
            print_row(["inputs", "folds", *SHOWN, "top_1 to audio", "log_loss to audio"])
            print_row(["---"] * (len(SHOWN) + 4))
            base = folds_of(path, DEFAULT, "audio")
            print_row(row("audio", base, base))
            for features in added:
                print_row(row(features, folds_of(path, DEFAULT, features), base))
            for feature in AUDIO_FEATURES:
                left = folds_of(path, DEFAULT, "audio", without=feature, folds=FOLDS_LEFT_OUT[name])
                print_row(row(f"audio without {feature}", left, base))
