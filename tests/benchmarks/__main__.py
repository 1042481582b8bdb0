"""`make bench`: run every benchmark, or those named: `make bench BENCH="crawl cleaning"`.

A benchmark is a module bench_<name>.py beside this one, with a `main()` that prints its table. Each measures ratios
side by side in one run, because the machine is noisy; medians are quoted.
"""

import importlib
import sys
from pathlib import Path

available = sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))
# Of Spark, which needs more (make bench-spark), and of the ablation, which takes hours, only by name.
wanted = sys.argv[1:] or [name for name in available if name not in ("spark", "ablation")]
if unknown := [name for name in wanted if name not in available]:
    sys.exit(f"There is no benchmark {unknown[0]!r}. There are: {', '.join(available)}.")
for name in wanted:
    print(f"\n== {name}", flush=True)
    importlib.import_module(f"tests.benchmarks.bench_{name}").main()
