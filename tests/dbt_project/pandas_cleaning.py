"""The study's cleaning in its own tool, pandas, and the comparison with it.

As a command: `python pandas_cleaning.py IN.csv OUT.csv`. It imports pandas and nothing else, so that its memory can be
measured beside that of `song-genres clean`.
"""

import sys

import pandas as pd


def clean_like_the_study(listing: pd.DataFrame) -> pd.DataFrame:
    """The listings that the study keeps; the index stays the place in the listing."""
    valid = listing[~((listing["tempo"] < 10) | (listing.get("time_signature", pd.Series(dtype=float)) < 1))]
    return valid.drop_duplicates().drop_duplicates(["spotify_track_id", "song_name"])


def assert_same(found: pd.DataFrame, expected: pd.DataFrame, tolerance: float = 0.0) -> None:
    """The same rows in the same order; what is missing equals what is missing. `tolerance` is relative."""
    assert found.index.tolist() == expected.index.tolist()
    for column in expected.columns:
        left, right = found[column], expected[column]
        different = ~((left == right) | (left.isna() & right.isna()))
        if tolerance and pd.api.types.is_float_dtype(right):
            different &= ~((left - right).abs() <= tolerance * right.abs())
        assert not different.any(), pd.DataFrame({"found": left, "expected": right})[different.to_numpy()].head()


if __name__ == "__main__":
    clean_like_the_study(pd.read_csv(sys.argv[1])).to_csv(sys.argv[2], index=False)
