"""Models: features, splits, estimators, held-out figures, predictions, charts and the report.

Everything here reads `marts` and `ml` through a DuckDB connection and writes `ml` alone. Nothing here imports Dagster,
dbt or the extractors.
"""
