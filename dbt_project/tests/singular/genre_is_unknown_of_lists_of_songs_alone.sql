-- A track of a dataset with genres has one, and a track of a list of songs has none.
select clean_tracks.spotify_track_id
from {{ ref('clean_tracks') }} as clean_tracks
inner join {{ ref('int_listings_joined') }} as listings on clean_tracks.listing_id = listings.listing_id
where (clean_tracks.genre is null) = listings.is_labelled
