"""What the study's presentation had beside its models: which genres belong together, and what popularity follows from.

Belongs here: the two assets. Not here: what is computed (ml/clusters.py, ml/popularity.py), which is imported by the
step that needs it.
"""

from collections.abc import Iterator

import dagster as dg

from ml.tables import record_finding
from orchestration.assets.model import table_spec
from orchestration.failures import told_in_a_sentence
from orchestration.metadata import table_metadata
from orchestration.resources import Warehouse
from warehouse.progress import Progress

TRACKS = [["marts", "clean_tracks"], ["marts", "track_artists"], ["marts", "track_details"]]


@dg.multi_asset(specs=[table_spec("genre_clusters", TRACKS)])
def genre_clusters(warehouse: Warehouse, progress: dg.ResourceParam[Progress]) -> Iterator[dg.MaterializeResult]:
    """Put the genres into groups by their mean sound, by four methods."""
    from ml.clusters import cluster_genres
    from ml.dataset import load_tracks

    progress("genre clusters", 0, None)
    with told_in_a_sentence():
        with warehouse.connect(read_only=True) as connection:
            tracks = load_tracks(connection)
        clusters = cluster_genres(tracks)
        with warehouse.connect() as connection:
            record_finding(connection, "genre_clusters", tracks, clusters)
            shown = table_metadata(connection, "ml", "genre_clusters")
    yield dg.MaterializeResult(metadata=shown)


@dg.multi_asset(specs=[table_spec("popularity_fits", TRACKS)])
def popularity_fits(warehouse: Warehouse, progress: dg.ResourceParam[Progress]) -> Iterator[dg.MaterializeResult]:
    """Fit popularity by sound, genre and year, and measure on held-out artists how far it follows."""
    from ml.dataset import load_tracks
    from ml.popularity import explain_popularity, load_popularity

    progress("popularity", 0, None)
    with told_in_a_sentence():
        with warehouse.connect(read_only=True) as connection:
            tracks = load_tracks(connection)
            popularity = load_popularity(connection, tracks)
        figures = explain_popularity(tracks, popularity)
        with warehouse.connect() as connection:
            record_finding(connection, "popularity_fits", tracks, figures)
            shown = table_metadata(connection, "ml", "popularity_fits")
    yield dg.MaterializeResult(metadata=shown)


ASSETS = [genre_clusters, popularity_fits]
