"""The crawl: which documents to ask for next, and how it goes on after any interruption.

    run.py           the stages of a run, in order, and its report
    listings.py      genres -> artists -> their top tracks; or genres -> tracks, by track search
    about_tracks.py  audio features and popularity, many tracks at a time
    batch.py         answers, good and bad, and the transaction that lands a batch of them
    state.py         what raw.crawl and raw.requests say has been done, and has been refused

Belongs here: the order of questions, and what has been asked before. Not here: HTTP (http.py), the services
(spotify.py, reccobeats.py), the raw tables themselves (warehouse/raw.py), and any judgement of a document.

Where Spotify has closed top tracks to the app, the genres' tracks are searched for instead, without artists; where it
has closed audio features or batches of tracks, ReccoBeats is asked.
"""

from extract.crawl.run import CrawlReport, CrawlSuspended, crawl

__all__ = ["CrawlReport", "CrawlSuspended", "crawl"]
