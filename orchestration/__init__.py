"""Wiring: Dagster assets, checks and jobs, and the console script. It holds no logic of its own."""
