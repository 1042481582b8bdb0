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
{% macro mark_repeats(relation, columns, rule, what, helpers=[]) -%}
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


{#- 64 bits in which rows that are equal in `columns` are equal; NULL equals NULL. -#}
{% macro row_hash(columns) %}{{ return(adapter.dispatch('row_hash')(columns)) }}{% endmacro %}

{% macro duckdb__row_hash(columns) -%}hash({{ columns | join(', ') }}){%- endmacro %}


{#- Every column but these. -#}
{% macro all_but(columns) %}{{ return(adapter.dispatch('all_but')(columns)) }}{% endmacro %}

{% macro duckdb__all_but(columns) -%}* exclude ({{ columns | join(', ') }}){%- endmacro %}
