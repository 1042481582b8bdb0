"""The sandbox: a synthetic catalogue (`catalogue.py`) and a local stand-in for Spotify that serves it (`server.py`).

Everything in it is made up and says so. Belongs here: what stands in for the outside world. Not here: the extractors,
which must not be able to tell the difference.
"""

from warehouse.raw import Dataset

SANDBOX = Dataset("sandbox", "sandbox", is_synthetic=True)
