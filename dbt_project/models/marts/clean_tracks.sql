with listings as (
    select * from {{ ref('int_listings_joined') }}
),

judged as (
    select * from {{ ref('int_listings_judged') }}
)

select
    {% for feature in audio_features() %}
        listings.{{ feature }},
    {% endfor %}
    listings.artist_name,
    listings.song_name,
    listings.genre,
    listings.spotify_track_id,
    listings.popularity,
    listings.listing_id,
    listings.dataset,
    listings.is_synthetic
from listings
inner join judged on listings.listing_id = judged.listing_id
where judged.rejected_by is null
