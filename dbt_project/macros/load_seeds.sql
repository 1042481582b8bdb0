{#-
    The models need our seeds, and dbt itself loads them in `dbt seed` and in a `dbt build` of everything only: so that
    `dbt run`, and a build of the models alone, work too. Runs before both, right after require_raw_documents.
-#}
{% macro load_seeds() %}
    {% if execute and flags.WHICH in ('run', 'build') and writes_relations() %}
        {% for id, seed in graph.nodes.items() if seed.resource_type == 'seed' and id not in selected_resources %}
            {{ adapter.dispatch('load_seed')(seed) }};
        {% endfor %}
    {% endif %}
{% endmacro %}

{% macro duckdb__load_seed(seed) -%}
    create schema if not exists {{ api.Relation.create(database=seed.database, schema=seed.schema).without_identifier() }};
    create or replace table {{ api.Relation.create(database=seed.database, schema=seed.schema, identifier=seed.alias) }} as
    select * from read_csv('{{ seed.root_path }}/{{ seed.original_file_path }}', header = true, columns = {{ seed.config.column_types }})
{%- endmacro %}
