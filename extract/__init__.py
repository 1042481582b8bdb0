"""Extraction: lands raw documents from Spotify, ReccoBeats, dump files or the sandbox, and nothing else.

Nothing here cleans, joins or judges a document; that is the dbt project's work. Nothing here imports Dagster or dbt.
"""
