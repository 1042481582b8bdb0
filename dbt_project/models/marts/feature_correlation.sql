{%- set features = track_numbers() | list -%}

-- All pairs in one scan, each once, in the alphabet's order. A pair counts the tracks in which both are known, which
-- popularity and time_signature may not be.
with correlated as (
    select
        {% for feature in features %}
            {% for other in features if feature <= other %}
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
            {% for other in features %}
                {% set of_both = [feature, other] | sort | join('__') %}
                {{ ',' if not (first and loop.first) }}
                (tracks__{{ of_both }}, correlation__{{ of_both }}) as {{ feature }}__{{ other }}
            {% endfor %}
        {% endfor %}
    ))
)

-- The correlation with a feature that is the same in all tracks is not a number.
select
    feature,
    other_feature,
    tracks,
    case when not isnan(correlation) then correlation end as correlation,
    dataset,
    is_synthetic
from pairs
where tracks > 0
