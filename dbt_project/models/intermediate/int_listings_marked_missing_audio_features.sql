with listings as (
    select * from {{ listings_before('missing_audio_features') }}
),

judged as (
    select
        *,
        case when not has_audio_features then 'no source has audio features of this track' end as reason
    from listings
)

{{ mark_listings('judged', 'missing_audio_features') }}
