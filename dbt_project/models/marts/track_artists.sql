with tracks as (
    select
        listings.spotify_track_id,
        listings.artists,
        clean_tracks.artist_name,
        clean_tracks.dataset,
        clean_tracks.is_synthetic
    from {{ ref('clean_tracks') }} as clean_tracks
    inner join {{ ref('int_listings_joined') }} as listings on clean_tracks.listing_id = listings.listing_id
),

credits as (
    select
        spotify_track_id,
        dataset,
        is_synthetic,
        {{ posexplode('artists', 'position', 'artist') }}
    from tracks
),

credited as (
    select
        spotify_track_id,
        position,
        {{ unless_blank('artist.id') }} as artist_id,
        coalesce(artist.name, artist.id) as artist_name,
        dataset,
        is_synthetic
    from credits
    where coalesce(artist.name, artist.id) is not null
),

-- Where the document credits nobody, the artist under whom the track was listed.
listed as (
    select
        tracks.spotify_track_id,
        1 as position,
        cast(null as string) as artist_id,
        tracks.artist_name,
        tracks.dataset,
        tracks.is_synthetic
    from tracks
    left join credited on tracks.spotify_track_id = credited.spotify_track_id
    where credited.spotify_track_id is null and tracks.artist_name is not null
)

select
    spotify_track_id,
    cast(position as integer) as position,
    artist_id,
    artist_name,
    dataset,
    is_synthetic
from credited
union all
select
    spotify_track_id,
    position,
    artist_id,
    artist_name,
    dataset,
    is_synthetic
from listed
