with measured as (
    {{ features_of_tracks(continuous_features()) }}
),

bounds as (
    select * from {{ ref('feature_outliers') }}
    where genre is null
),

outliers as (
    select
        measured.spotify_track_id,
        measured.genre,
        measured.feature,
        measured.dataset,
        measured.is_synthetic
    from measured
    inner join bounds on measured.feature = bounds.feature
    where measured.value < bounds.lower_bound or measured.value > bounds.upper_bound
)

select
    spotify_track_id,
    genre,
    cast(count(*) as integer) as outlying_features,
    {{ sorted_list('feature') }} as features,
    dataset,
    is_synthetic
from outliers
group by spotify_track_id, genre, dataset, is_synthetic
