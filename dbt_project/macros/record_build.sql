{#-
    The table intermediate.build_results says what dbt last did to the warehouse, one row per model and test, so that marts
    are published only when all of them were built and tested, and not when a test failed or dbt was killed half-way.
    Both macros are hooks and only write rows; warehouse/publication.py judges them. begin_build runs before every `dbt run`
    and `dbt build`, end_build after them and `dbt test`.
-#}
{% macro begin_build() %}
    {% if execute and flags.WHICH in ('run', 'build') and writes_relations() %}
        {{ adapter.dispatch('begin_build')() }}
    {% endif %}
{% endmacro %}

{% macro duckdb__begin_build() -%}
    create schema if not exists intermediate;
    drop table if exists intermediate.build_results;
    {{ create_build_results() }};
    insert into intermediate.build_results values
    {% for node in graph.nodes.values() if node.resource_type in ('model', 'test') and node.config.materialized != 'ephemeral' %}
        {{ ',' if not loop.first }} {{ build_result(node, 'not run') }}
    {% endfor %}
{%- endmacro %}


{% macro end_build() %}
    {% if execute and (flags.WHICH == 'test' or flags.WHICH in ('run', 'build') and writes_relations()) %}
        {{ adapter.dispatch('end_build')() }}
    {% endif %}
{% endmacro %}

{% macro duckdb__end_build() -%}
    create schema if not exists intermediate;
    {{ create_build_results() }};
    {% for result in results if result.node.resource_type in ('model', 'test', 'unit_test') %}
        {{ 'insert or replace into intermediate.build_results values' if loop.first else ',' }}
        {{ build_result(result.node, result.status) }}
    {% endfor %}
{%- endmacro %}


{% macro create_build_results() -%}
    create table if not exists intermediate.build_results
    (id varchar primary key, name varchar, kind varchar, status varchar, command varchar, began_at timestamp);
    comment on table intermediate.build_results is
        'What dbt last did to this warehouse. One row per model and test; status is dbt''s, or "not run".'
{%- endmacro %}


{#- A row of the table: what became of the node in this command. -#}
{% macro build_result(node, status) -%}
    (
        '{{ node.unique_id }}', '{{ node.name }}', '{{ node.resource_type }}', '{{ status }}', '{{ flags.WHICH }}',
        '{{ run_started_at.strftime("%Y-%m-%d %H:%M:%S.%f") }}'
    )
{%- endmacro %}


{#- Whether this command was told to build anything, rather than to run unit tests alone. -#}
{% macro writes_relations() %}
    {% set built = [] %}
    {% for id in selected_resources if id.startswith('model.') %}{% do built.append(id) %}{% endfor %}
    {{ return(built | length > 0) }}
{% endmacro %}
