with judged as (
    select
        listing_id,
        case
            when not is_readable then 'the track document is not a JSON object that names each key once'
            when spotify_track_id is null then 'the track document has no id'
            when spotify_track_id like 'spotify:local:%' then 'a local file, which has no id of Spotify''s'
            when genre is null and is_labelled then 'the listing has no genre'
        end as reason
    from {{ ref('int_listings_joined') }}
)

select
    listing_id,
    reason
from judged
where reason is not null
