with measured as (
    {{ features_of_tracks(track_numbers() | list) }}
),

ranges as (
    select
        feature,
        bins_from,
        bins_to - bins_from as span
    from {{ ref('int_feature_bins') }}
),

-- Rounded before floor, since 0.29 * 100 is 28.999999999999996.
binned as (
    select
        measured.genre,
        measured.feature,
        measured.dataset,
        measured.is_synthetic,
        ranges.bins_from,
        ranges.span,
        cast(
            greatest(1, least(100, 1 + floor(round((measured.value - ranges.bins_from) * 100 / ranges.span, 6))))
            as integer
        ) as bin
    from measured
    inner join ranges on measured.feature = ranges.feature
)

-- Each genre, and all genres together in the rows without a genre.
select
    genre,
    feature,
    bin,
    cast(bins_from + span * (bin - 1) / 100.0 as double) as lower_bound,
    cast(bins_from + span * bin / 100.0 as double) as upper_bound,
    count(*) as tracks,
    dataset,
    is_synthetic
from binned
group by feature, bins_from, span, bin, dataset, is_synthetic, rollup(genre)
having genre is not null or grouping(genre) = 1
