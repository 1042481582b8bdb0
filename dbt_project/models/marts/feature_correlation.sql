{%- set features = track_numbers() | list -%}

-- All pairs in one scan. A pair counts the tracks in which both are known: popularity and time_signature may not be.
with correlated as (
    select
        {% for feature in features %}
            {% for other in features[loop.index0:] %}
                corr({{ feature }}, {{ other }}) as correlation__{{ feature }}__{{ other }},
                count({{ feature }} + {{ other }}) as tracks__{{ feature }}__{{ other }},
            {% endfor %}
        {% endfor %}
        dataset,
        is_synthetic
    from {{ ref('clean_tracks') }}
    group by dataset, is_synthetic
),

-- One select per pair, joined by union all, would be one scan per pair on Spark.
pairs as (
    select
        split_part(pair, '__', 1) as feature,
        split_part(pair, '__', 2) as other_feature,
        tracks,
        correlation,
        dataset,
        is_synthetic
    from correlated
    unpivot include nulls ((tracks, correlation) for pair in (
        {% for feature in features %}
            {% set first = loop.first %}
            {% for other in features[loop.index0:] %}
                {{ ',' if not (first and loop.first) }}
                (tracks__{{ feature }}__{{ other }}, correlation__{{ feature }}__{{ other }})
                    as {{ feature }}__{{ other }}
            {% endfor %}
        {% endfor %}
    ))
),

sides as (
    select 1 as side
    union all
    select 2 as side
),

mirrored as (
    select
        case when sides.side = 1 then pairs.feature else pairs.other_feature end as feature,
        case when sides.side = 1 then pairs.other_feature else pairs.feature end as other_feature,
        pairs.tracks,
        pairs.correlation,
        pairs.dataset,
        pairs.is_synthetic
    from pairs
    cross join sides
    where sides.side = 1 or pairs.feature <> pairs.other_feature
)

-- The correlation with a feature that is the same in all tracks is not a number.
select
    feature,
    other_feature,
    tracks,
    case when not isnan(correlation) then correlation end as correlation,
    dataset,
    is_synthetic
from mirrored
where tracks > 0
