{#-
    What every cleaning rule ends with: the listings as they came, and those that are still in and for which `relation`
    gives a `reason` marked as rejected by `rule`. No row is ever dropped. `helpers`: columns of the rule's own.
-#}
{% macro mark_listings(relation, rule, helpers=[]) -%}
    select
        {{ all_but(['rejected_by', 'rejection_detail', 'reason'] + helpers) }},
        case when rejected_by is null and reason is not null then '{{ rule }}' else rejected_by end as rejected_by,
        case when rejected_by is null then reason else rejection_detail end as rejection_detail
    from {{ relation }}
{%- endmacro %}


{#-
    What every rule against repeats ends with, after the listings as a common table expression: marks those of which an
    earlier one that is still in, by listing_id, is equal in `columns`; NULL equals NULL. `what`: in which way it is equal.

    Groups of one listing are left out before the join: so it takes two thirds of the time of a window (DuckDB 2.0).
-#}
{% macro mark_repeats(relation, columns, rule, what, helpers=[]) %}
    {{- return(adapter.dispatch('mark_repeats')(relation, columns, rule, what, helpers)) -}}
{% endmacro %}

{% macro duckdb__mark_repeats(relation, columns, rule, what, helpers) -%}
first_listings as (
    select
        {{ columns | join(', ') }},
        min(listing_id) as first_listing_id
    from {{ relation }}
    where rejected_by is null
    group by {{ columns | join(', ') }}
    having count(*) > 1
),

judged as (
    select
        {{ relation }}.*,
        case
            when first_listings.first_listing_id < {{ relation }}.listing_id
                then '{{ what }} listing ' || first_listings.first_listing_id
        end as reason
    from {{ relation }}
    left join first_listings
        on
            {% for column in columns %}
                {{ "and " if not loop.first }}{{ relation }}.{{ column }} is not distinct from first_listings.{{ column }}
            {% endfor %}
)

{{ mark_listings('judged', rule, helpers) }}
{%- endmacro %}

{#-
    A window: one shuffle a rule, where the join above would take two, and would read the listings twice a rule. Listings
    that are out already are dealt out by themselves: those without an id would else all be one worker's.
-#}
{% macro spark__mark_repeats(relation, columns, rule, what, helpers) -%}
compared as (
    select
        *,
        min(listing_id) over (
            partition by {{ columns | join(', ') }}, case when rejected_by is not null then listing_id end
        ) as first_listing_id
    from {{ relation }}
),

judged as (
    select
        *,
        case when first_listing_id < listing_id then '{{ what }} listing ' || first_listing_id end as reason
    from compared
)

{{ mark_listings('judged', rule, helpers + ['first_listing_id']) }}
{%- endmacro %}


{#- 64 bits in which rows that are equal in `columns` are equal; NULL equals NULL. -#}
{% macro row_hash(columns) %}{{ return(adapter.dispatch('row_hash')(columns)) }}{% endmacro %}

{% macro duckdb__row_hash(columns) -%}hash({{ columns | join(', ') }}){%- endmacro %}

{#- Spark's hash passes over NULL, wherever it stands. -#}
{% macro spark__row_hash(columns) -%}
    xxhash64({% for column in columns %}{{ column }}, {{ column }} is null{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}


{#- Every column but these. -#}
{% macro all_but(columns) %}{{ return(adapter.dispatch('all_but')(columns)) }}{% endmacro %}

{% macro duckdb__all_but(columns) -%}* exclude ({{ columns | join(', ') }}){%- endmacro %}

{% macro spark__all_but(columns) -%}* except ({{ columns | join(', ') }}){%- endmacro %}
