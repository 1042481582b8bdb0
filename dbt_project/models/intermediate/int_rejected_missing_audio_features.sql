select
    listing_id,
    'no source has audio features of this track' as reason
from {{ ref('int_listings_joined') }}
where not has_audio_features
