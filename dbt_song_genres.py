"""What dbt does before it connects: where the target is Spark, see that Spark can start. dbt finds it by its name.

Belongs here: what must be said before a connection, hence before any macro. dbt calls its plugins experimental, so
nothing may depend on this: where a later dbt does not load it, pyspark's own traceback tells of the same.
"""

from dbt.flags import get_flags
from dbt.plugins import dbtPlugin

from warehouse.spark import require_spark

CONNECTING = ("build", "run", "test", "seed", "snapshot", "show", "run-operation", "generate")
"""dbt's commands that start Spark."""


class SparkCanStart(dbtPlugin):
    """Says in a sentence what to install, in place of a traceback that names neither Java nor its version."""

    def initialize(self) -> None:
        """Raise `SparkUnavailable`, which dbt shows as an error of its own."""
        flags = get_flags()
        if flags.TARGET == "spark" and flags.WHICH in CONNECTING:
            require_spark()


plugins = [SparkCanStart]
