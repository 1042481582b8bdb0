"""Which genres belong together: clusters of their mean sound by four methods, and how far each can be trusted.

Belongs here: what is computed from the means of the audio features, so that it needs no model and fits any labels. Not
here: the names and colours of the report's families, and the map (charts/genres.py).
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import fcluster, linkage

from ml.dataset import Tracks
from warehouse.features import AUDIO_FEATURES

COMPARED = [name for name in AUDIO_FEATURES if name not in ("key", "time_signature")]
"""A mean of pitch classes says nothing, and the time signature is unknown in many datasets."""
MOST = 8
"""Clusters at most: as many as a reader tells apart by colour and mark."""
DRAWS = 20
"""How often the artists are drawn anew, to see whether the clusters stay."""


def standardised(table: pd.DataFrame) -> pd.DataFrame:
    """The columns of `COMPARED` as z-scores over the rows; what is unknown, or everywhere the same, is average."""
    values = table.reindex(columns=[name for name in COMPARED if name in table.columns]).astype(float)
    deviations = values.std(ddof=0)
    return ((values - values.mean()) / deviations.where(deviations > 1e-12)).fillna(0.0)


def standardised_means(summary: pd.DataFrame) -> pd.DataFrame:
    """One row per genre, one column per feature: the genre's mean as a z-score among the means of all genres.

    `summary` has the columns genre, feature and mean. A feature that is unknown in a genre counts as average.
    """
    return standardised(summary.pivot(index="genre", columns="feature", values="mean").sort_index())


def number_of_clusters(genres: int) -> int:
    """How many clusters so many genres are put into: the root of half their number, at most `MOST`; 1 means none."""
    return max(1, min(MOST, round((genres / 2) ** 0.5)))


def ward(means: np.ndarray, number: int, _seed: int = 0) -> np.ndarray:
    """Ward's method: at each step it joins those two clusters that then differ least within."""
    return np.asarray(fcluster(linkage(means, method="ward"), number, criterion="maxclust"))


def average_linkage(means: np.ndarray, number: int, _seed: int) -> np.ndarray:
    """Joins those two clusters whose members are nearest to each other on average."""
    return np.asarray(fcluster(linkage(means, method="average"), number, criterion="maxclust"))


def k_means(means: np.ndarray, number: int, seed: int) -> np.ndarray:
    """Centres to which the genres are as near as can be found from ten beginnings."""
    from sklearn.cluster import KMeans  # takes a second to import, which pages that only draw families need not wait

    return np.asarray(KMeans(number, n_init=10, random_state=seed).fit_predict(means))


def gaussian_mixture(means: np.ndarray, number: int, seed: int) -> np.ndarray:
    """Round clouds of different sizes, each genre in the one that it most probably comes from."""
    from sklearn.mixture import GaussianMixture

    return np.asarray(GaussianMixture(number, covariance_type="spherical", random_state=seed).fit_predict(means))


METHODS: dict[str, Callable[[np.ndarray, int, int], np.ndarray]] = {
    "Ward": ward,
    "average linkage": average_linkage,
    "k-means": k_means,
    "Gaussian mixture": gaussian_mixture,
}


def calm_first(means: pd.DataFrame, labels: np.ndarray) -> pd.Series:
    """The clusters of the rows of `means`, numbered from 1 by the mean energy of their genres, the calm ones first."""
    groups = pd.Series(labels, index=means.index)
    centres = means.groupby(groups).mean()
    order = centres.sort_values([name for name in ("energy", *COMPARED) if name in centres.columns]).index
    return groups.map({group: place for place, group in enumerate(order, start=1)}).rename("cluster")


def cluster_genres(tracks: Tracks, *, seed: int = 538) -> pd.DataFrame:
    """The cluster of each genre by each of `METHODS`: method, genre, cluster, clusters, silhouette, stability.

    All methods make the same number of clusters (`number_of_clusters`) of the genres' mean audio features, each in
    standard deviations among genres. `silhouette` (-1 to 1; Rousseeuw 1987) is the method's mean over the genres: how
    much nearer a genre is to its own cluster than to the next. `stability` (about 0 to 1) is the mean adjusted Rand
    index (Hubert and Arabie 1985) between these clusters and those made after the artists were drawn anew, with
    repeats, `DRAWS` times. No rows where there are too few genres for two clusters, or where their means are the same.
    """
    from sklearn.metrics import adjusted_rand_score, silhouette_score

    labelled = np.flatnonzero(tracks.frame["genre"].notna())
    codes, genres = pd.factorize(tracks.frame["genre"].iloc[labelled], sort=True)
    number = number_of_clusters(len(genres))
    columns = ["method", "genre", "cluster", "clusters", "silhouette", "stability"]
    if number == 1:
        return pd.DataFrame(columns=columns)
    values = tracks.frame[COMPARED].to_numpy(np.float64)[labelled]
    _, artists = np.unique(tracks.first_artists[labelled], return_inverse=True)
    means = _means(values, codes, genres)
    if len(means.drop_duplicates()) < number:
        return pd.DataFrame(columns=columns)
    rng = np.random.default_rng(seed)
    n_artists = int(artists.max()) + 1
    every = (
        _means(
            values, codes, genres, np.bincount(rng.integers(n_artists, size=n_artists), minlength=n_artists)[artists]
        )
        for _ in range(DRAWS)
    )
    drawn = [draw for draw in every if len(draw.drop_duplicates()) > number]
    parts = []
    for name, method in METHODS.items():
        clusters = calm_first(means, method(means.to_numpy(), number, seed))
        found = clusters.nunique()
        again = [adjusted_rand_score(clusters[draw.index], method(draw.to_numpy(), number, seed)) for draw in drawn]
        parts.append(
            clusters.rename_axis("genre").reset_index().assign(
                method=name,
                clusters=found,
                silhouette=silhouette_score(means, clusters) if 1 < found < len(means) else np.nan,
                stability=np.mean(again) if again else np.nan,
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)[columns]


def _means(values: np.ndarray, codes: np.ndarray, genres: pd.Index, weights: np.ndarray | None = None) -> pd.DataFrame:
    """The genres' standardised means, each track counted `weights` times; a genre that counts no track is left out."""
    times = np.ones(len(codes)) if weights is None else weights.astype(float)
    table = {}
    for name, column in zip(COMPARED, values.T, strict=True):
        known = ~np.isnan(column)
        counts = np.bincount(codes[known], times[known], len(genres))
        sums = np.bincount(codes[known], times[known] * column[known], len(genres))
        table[name] = np.divide(sums, counts, out=np.full(len(genres), np.nan), where=counts > 0)
    there = np.bincount(codes, times, len(genres)) > 0
    return standardised(pd.DataFrame(table, index=pd.Index(genres.astype(object)))[there])
