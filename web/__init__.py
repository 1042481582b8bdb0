"""The page on this machine to try a song: `song-genres serve`.

`published.py` holds the published copy and its model, `songs.py` asks it, `knobs.py` scores, `dropped.py` takes files,
`pages.py` makes the pages of all that, and `app.py` says who may ask what. Not here: reading and scoring a dropped
file, which a process of its own does (orchestration/dropped.py), as `song-genres predict` does.
"""
