"""The ground floor: the DuckDB files, the raw tables, the audio features, and what may be published.

Imports nothing of ours; `extract/`, `ml/` and `orchestration/` import it.
"""
