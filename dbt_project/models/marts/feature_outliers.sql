with measured as (
    {{ features_of_tracks(continuous_features()) }}
),

quartiles as (
    select
        feature,
        {{ quantile('value', 0.25) }} as first_quartile,
        {{ quantile('value', 0.75) }} as third_quartile
    from measured
    group by feature
),

-- Rounded, so that a value on a bound is on it: 0.01 - 1.5 * (0.02 - 0.01) is -0.004999999999999999.
bounds as (
    select
        feature,
        first_quartile,
        third_quartile,
        round(first_quartile - 1.5 * (third_quartile - first_quartile), 9) as lower_bound,
        round(third_quartile + 1.5 * (third_quartile - first_quartile), 9) as upper_bound
    from quartiles
)

-- Each genre, and all genres together in the rows without a genre.
select
    measured.genre,
    measured.feature,
    bounds.first_quartile,
    bounds.third_quartile,
    bounds.lower_bound,
    bounds.upper_bound,
    count(*) as tracks,
    count(case when measured.value < bounds.lower_bound then 1 end) as outliers_below,
    count(case when measured.value > bounds.upper_bound then 1 end) as outliers_above,
    measured.dataset,
    measured.is_synthetic
from measured
inner join bounds on measured.feature = bounds.feature
group by
    measured.feature, bounds.first_quartile, bounds.third_quartile, bounds.lower_bound, bounds.upper_bound,
    measured.dataset, measured.is_synthetic, rollup(measured.genre)
having measured.genre is not null or grouping(measured.genre) = 1
