{#-
    The table intermediate.last_build (one row) says what dbt last did to the warehouse, so that marts are published only
    when all of them were built and tested, and not when a test failed or dbt was killed half-way.
    Both macros are hooks: begin_build runs before every `dbt run` and `dbt build`, end_build after them and `dbt test`.
-#}
{% macro begin_build() %}
    {% if execute and flags.WHICH in ('run', 'build') and writes_relations() %}
        {{ adapter.dispatch('begin_build')() }}
    {% endif %}
{% endmacro %}

{% macro duckdb__begin_build() -%}
    create schema if not exists intermediate;
    create or replace table intermediate.last_build as
    select
        '{{ flags.WHICH }}' as command,
        cast('{{ run_started_at.strftime("%Y-%m-%d %H:%M:%S.%f") }}' as timestamp) as began_at,
        false as is_complete,
        false as is_tested,
        'it did not end' as problems;
    comment on table intermediate.last_build is
        'What dbt last did to this warehouse. One row. Marts are published when is_complete (all models) and is_tested (all data tests).'
{%- endmacro %}


{% macro end_build() %}
    {% if execute and (flags.WHICH == 'test' or flags.WHICH in ('run', 'build') and writes_relations()) %}
        {{ adapter.dispatch('end_build')() }}
    {% endif %}
{% endmacro %}

{% macro duckdb__end_build() -%}
    {%- set done, wrong = [], [] -%}
    {%- for result in results -%}
        {%- if result.status in ('success', 'pass', 'warn') -%}
            {%- do done.append(result.node.unique_id) -%}
        {%- elif result.status not in ('no-op', 'skipped') -%}
            {%- do wrong.append(result.node.name ~ ' (' ~ result.status ~ ')') -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set left = {'test': 0, 'model': 0} -%}
    {%- for id, node in graph.nodes.items() if node.resource_type in left and id not in done and node.config.materialized != 'ephemeral' -%}
        {%- do left.update({node.resource_type: left[node.resource_type] + 1}) -%}
    {%- endfor -%}
    {%- set problems = (wrong[:5] | join(', ') | replace("'", '')) ~ (' and ' ~ (wrong | length - 5) ~ ' more' if wrong | length > 5) -%}
    {%- if flags.WHICH == 'test' -%}
        create schema if not exists intermediate;
        create table if not exists intermediate.last_build
        (command varchar, began_at timestamp, is_complete boolean, is_tested boolean, problems varchar);
        {%- if wrong or not left.test %}
        update intermediate.last_build set
            is_tested = {{ not wrong }},
            problems = case when is_complete then '{{ problems }}' else problems end
        {%- endif -%}
    {%- else -%}
        update intermediate.last_build set
            is_complete = {{ not left.model }},
            is_tested = {{ not left.test and not wrong }},
            problems = '{{ problems }}'
    {%- endif -%}
{%- endmacro %}


{#- Whether this command was told to build anything, rather than to run unit tests alone. -#}
{% macro writes_relations() %}
    {% set built = [] %}
    {% for id in selected_resources if id.startswith('model.') %}{% do built.append(id) %}{% endfor %}
    {{ return(built | length > 0) }}
{% endmacro %}
