{#- The listings as the cleaning rule `rule` finds them: those that the rule before it in dbt_project.yml has marked. -#}
{% macro listings_before(rule) %}
    {% set rules = var('cleaning_rules') | list %}
    {% set place = rules.index(rule) %}
    {{ return(ref('int_listings_marked_' ~ rules[place - 1] if place else 'int_listings_joined')) }}
{% endmacro %}


{#- The listings after the last rule. -#}
{% macro listings_after_all_rules() %}
    {{ return(ref('int_listings_marked_' ~ var('cleaning_rules') | list | last)) }}
{% endmacro %}


{#-
    The last step of every cleaning rule: of the listings that are still in, those with a `reason` are marked as rejected
    by `rule`. Every listing that came in goes on to the next rule; none is dropped.

    `helpers`: columns that the rule added for its own use, which end here.
-#}
{% macro mark_listings(relation, rule, helpers=[]) -%}
    select
        {{ all_but(['rejected_by', 'rejection_detail', 'reason'] + helpers) }},
        case when rejected_by is null and reason is not null then '{{ rule }}' else rejected_by end as rejected_by,
        case when rejected_by is null then reason else rejection_detail end as rejection_detail
    from {{ relation }}
{%- endmacro %}
