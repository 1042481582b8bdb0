"""The genres' aggregated figures: computed, blended and drawn from; expected values by hand."""

import json
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer import Typer
from typer.testing import CliRunner

from extract.sandbox import profiles
from extract.sandbox.profiles import COUNTED, FEATURES, LEVELS, MEASURED, Profile

SOURCE = Path(__file__).parents[4] / "shared/data/kaggle_114_genres_sample30_A.csv"
MEDIAN, LOUDNESS, ENERGY = list(LEVELS).index(0.5), MEASURED.index("loudness"), MEASURED.index("energy")


def songs(**columns: list[float]) -> pd.DataFrame:
    """Songs of one genre that differ in the given columns alone, and in popularity, so that no row is a repeat."""
    number = len(next(iter(columns.values())))
    usual = dict.fromkeys(FEATURES, [0.5] * number) | {
        "key": [0] * number, "mode": [1] * number, "time_signature": [4] * number, "tempo": [120.0] * number,
        "popularity": list(range(number)), "track_genre": ["polka"] * number,
    }  # fmt: skip
    return pd.DataFrame(usual | columns)


def profile(low: float, high: float, mode_share: float = 0.5, correlation: float = 0.0) -> Profile:
    """Every feature uniform from `low` to `high`; energy and loudness correlated; mode 1 in `mode_share`."""
    correlations = np.eye(len(FEATURES))
    correlations[ENERGY, LOUDNESS] = correlations[LOUDNESS, ENERGY] = correlation
    frequencies = {name: np.full(len(values), 1 / len(values)) for name, values in COUNTED.items()}
    return Profile(
        np.tile(low + (high - low) * LEVELS, (len(MEASURED), 1)),
        frequencies | {"mode": np.array([1 - mode_share, mode_share])},
        correlations,
    )


def test_quantiles_and_frequencies() -> None:
    """Guards against figures of the wrong column, or at the wrong level."""
    figure = profiles.compute(songs(loudness=[-10.0, -8.0, -6.0, -4.0, -2.0], key=[0, 0, 2, 2, 2]))["polka"]
    loudness = dict(zip(LEVELS.tolist(), figure["quantiles"]["loudness"], strict=True))
    assert (loudness[0], loudness[0.25], loudness[0.5], loudness[0.9], loudness[1]) == (-10, -8, -6, -2.8, -2)
    assert figure["frequencies"]["key"] == [0.4, 0, 0.6, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    assert figure["frequencies"]["mode"] == [0, 1]
    assert figure["frequencies"]["time_signature"] == [0, 0, 0, 1, 0]


def test_rank_correlation() -> None:
    """Guards against linear correlation: ranks that agree wholly are 1, opposite ones -1, whatever the curve."""
    figure = profiles.compute(
        songs(energy=[0.1, 0.2, 0.3, 0.4], loudness=[-50, -5, -4, -3], valence=[0.9, 0.8, 0.7, 0])
    )
    pairs = list(zip(*np.triu_indices(len(FEATURES), k=1), strict=True))
    valence = MEASURED.index("valence")
    assert figure["polka"]["correlations"][pairs.index((ENERGY, LOUDNESS))] == 1
    assert figure["polka"]["correlations"][pairs.index((ENERGY, valence))] == -1
    assert figure["polka"]["correlations"][pairs.index((valence, MEASURED.index("tempo")))] == 0, "tempo never varies"


def test_faulty_and_repeated_rows_do_not_count() -> None:
    """Guards against faults (tempo 0) and a song sampled twice leaking into the profile of a genre."""
    usable = songs(tempo=[100.0, 140.0])
    faulty = songs(tempo=[0.0, 120.0, 120.0], time_signature=[4, 0, 4], energy=[0.5, 0.5, np.nan])
    figure = profiles.compute(pd.concat([usable, usable, faulty]))["polka"]
    assert figure["songs"] == 2
    assert figure["quantiles"]["tempo"][MEDIAN] == 120


def test_draw_follows_the_marginals() -> None:
    """Guards against values that leave a genre's range, and against categories off by one."""
    normals = np.zeros((3, len(FEATURES)))
    normals[0], normals[2] = -9, 9
    drawn = profile(20, 40).draw(normals)
    assert drawn["energy"].tolist() == [20, 30, 40]
    assert drawn["mode"].tolist() == [0, 1, 1]
    assert drawn["key"].tolist() == [0, 6, 11]
    assert drawn["time_signature"].tolist() == [1, 3, 5]


def test_draw_correlates() -> None:
    """Guards against losing the correlations: they make a loud song energetic."""
    normals = np.random.default_rng(0).standard_normal((4_000, len(FEATURES)))
    drawn = profile(0, 1, correlation=0.9).draw(normals)
    # A normal correlation of 0.9 is a rank correlation of 6/pi asin(0.45) = 0.891.
    assert np.corrcoef(drawn["energy"], drawn["loudness"])[0, 1] == pytest.approx(0.891, abs=0.015)
    assert np.corrcoef(drawn["energy"], drawn["valence"])[0, 1] == pytest.approx(0, abs=0.05)


def test_draw_survives_impossible_correlations() -> None:
    """Guards against NaN: rounded and averaged correlations need not be positive semi-definite."""
    impossible = profile(0, 1)
    for one, other, value in ((0, 1, 0.99), (1, 2, 0.99), (0, 2, -0.99)):
        impossible.correlations[one, other] = impossible.correlations[other, one] = value
    drawn = impossible.draw(np.random.default_rng(0).standard_normal((2_000, len(FEATURES))))
    assert np.mean(drawn["danceability"]) == pytest.approx(0.5, abs=0.02)
    assert np.quantile(drawn["danceability"], 0.1) == pytest.approx(0.1, abs=0.03)


def test_blend_is_the_weighted_mean() -> None:
    """Guards against weights that are not brought to a sum of one."""
    sources = {"techno": profile(0, 100, 0.2, 0.8), "house": profile(100, 200, 0.6, 0.0)}
    mixture = profiles.blend(sources, {"techno": 3, "house": 1})
    assert mixture.quantiles[0, MEDIAN] == 75
    assert mixture.frequencies["mode"] == pytest.approx([0.7, 0.3])
    assert mixture.correlations[ENERGY, LOUDNESS] == pytest.approx(0.6)


def test_committed_figures_hold_no_row() -> None:
    """Guards against rows, names or titles of the data in the repository: figures alone, of many songs each."""
    text = resources.files("extract.sandbox").joinpath("profiles.json").read_text("utf-8")
    figures = json.loads(text)
    assert len(text) < 300_000
    assert set(figures) == {"about", "genres"}
    assert len(figures["genres"]) == 114
    for figure in figures["genres"].values():
        assert set(figure) == {"songs", "quantiles", "frequencies", "correlations"}
        assert figure["songs"] >= 150
        assert set(figure["quantiles"]) == set(MEASURED)
        for quantiles in figure["quantiles"].values():
            assert len(quantiles) == 21
            assert quantiles == sorted(quantiles)
        for name, shares in figure["frequencies"].items():
            assert len(shares) == {"key": 12, "mode": 2, "time_signature": 5}[name]
            assert sum(shares) == pytest.approx(1, abs=0.01)
        assert len(figure["correlations"]) == 91, "each pair of 14 features once"
        assert all(-1 <= value <= 1 for value in figure["correlations"])


@pytest.mark.skipif(not SOURCE.exists(), reason=f"the real data are not here: {SOURCE.name}")
def test_committed_figures_are_those_of_the_data() -> None:
    """Guards against figures edited by hand, or computed by an older version of the code."""
    committed = resources.files("extract.sandbox").joinpath("profiles.json").read_text("utf-8")
    assert profiles.to_json(profiles.compute(profiles.read(SOURCE))) == committed


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"tempo,key\n120,1\n", "lacks acousticness, danceability"),
        (b"", "is not a CSV file"),
        (b"\xff\xfe\x00", "is not a CSV file"),
    ],
)
def test_unusable_dump(tmp_path: Path, content: bytes, message: str) -> None:
    """Guards against a traceback, or a profiles.json overwritten with nothing, where the wrong file was named."""
    dump = tmp_path / "dump.csv"
    dump.write_bytes(content)
    app = Typer()
    app.command()(profiles.main)
    with pytest.raises(profiles.ProfileError, match=message):
        profiles.read(dump)
    assert CliRunner().invoke(app, [str(dump)]).exit_code == 2
