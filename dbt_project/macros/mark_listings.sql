{#-
    What every cleaning rule ends with: the listings as they came, and those that are still in and for which `relation`
    gives a `reason` marked as rejected by `rule`. No row is ever dropped.
-#}
{% macro mark_listings(relation, rule) -%}
    select
        {{ all_but(['rejected_by', 'rejection_detail', 'reason']) }},
        case when rejected_by is null and reason is not null then '{{ rule }}' else rejected_by end as rejected_by,
        case when rejected_by is null then reason else rejection_detail end as rejection_detail
    from {{ relation }}
{%- endmacro %}


{#- The lowest listing_id among the listings that are still in and equal in `columns`; NULL equals NULL. -#}
{% macro first_listing_id(columns) -%}
    min(case when rejected_by is null then listing_id end) over (partition by {{ columns | join(', ') }})
{%- endmacro %}


{#- Every column but these. -#}
{% macro all_but(columns) %}{{ return(adapter.dispatch('all_but')(columns)) }}{% endmacro %}

{% macro duckdb__all_but(columns) -%}* exclude ({{ columns | join(', ') }}){%- endmacro %}
