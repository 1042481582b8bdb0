{#-
    The models need our seeds, and dbt itself loads them in `dbt seed` and in a `dbt build` of everything only: so that
    `dbt run`, and a build of the models alone, work too. Runs before both, right after require_raw_documents.
-#}
{% macro load_seeds() %}
    {% if execute and flags.WHICH in ('run', 'build') and writes_relations() %}
        {% for id, seed in graph.nodes.items() if seed.resource_type == 'seed' and id not in selected_resources %}
            {{ adapter.dispatch('load_seed')(seed) }}
        {% endfor %}
    {% endif %}
{% endmacro %}

{% macro duckdb__load_seed(seed) -%}
    create schema if not exists {{ api.Relation.create(database=seed.database, schema=seed.schema).without_identifier() }};
    create or replace table {{ api.Relation.create(database=seed.database, schema=seed.schema, identifier=seed.alias) }} as
    select * from read_csv('{{ seed.root_path }}/{{ seed.original_file_path }}', header = true, columns = {{ seed.config.column_types }});
{%- endmacro %}

{#- Statements of their own, since Spark takes one at a time. Executors read the file: on a cluster that does not see the
    project's folder, use `dbt build`, in which dbt itself inserts the seeds' rows. -#}
{% macro spark__load_seed(seed) %}
    {% set table = api.Relation.create(database=seed.database, schema=seed.schema, identifier=seed.alias) %}
    {% set columns = [] %}
    {% for name, type in seed.config.column_types.items() %}{% do columns.append(name ~ ' ' ~ type) %}{% endfor %}
    {% do run_query('create schema if not exists ' ~ table.without_identifier()) %}
    {% do run_query(
        'create or replace temporary view ' ~ seed.alias ~ '_csv (' ~ columns | join(', ') ~ ") using csv options (header 'true', path '"
        ~ seed.root_path ~ '/' ~ seed.original_file_path ~ "')"
    ) %}
    {% do run_query('drop table if exists ' ~ table) %}
    {% do run_query('create table ' ~ table ~ ' as select * from ' ~ seed.alias ~ '_csv') %}
{% endmacro %}
