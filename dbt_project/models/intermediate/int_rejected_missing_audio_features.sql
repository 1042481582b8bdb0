select
    listing_id,
    case
        when is_asked_about then 'no source has audio features of this track'
        else 'no audio features of this track have been landed yet'
    end as reason
from {{ ref('int_listings_joined') }}
where not has_audio_features
