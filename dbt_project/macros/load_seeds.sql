{#-
    `dbt run` alone works too: dbt itself loads seeds in `dbt seed` and `dbt build` only, and the models need ours.
    Runs before every `dbt run`, right after require_raw_documents.
-#}
{% macro load_seeds() %}
    {% if execute and flags.WHICH == 'run' %}
        {% for seed in graph.nodes.values() if seed.resource_type == 'seed' and seed.package_name == project_name %}
            {{ adapter.dispatch('load_seed')(seed) }};
        {% endfor %}
    {% endif %}
{% endmacro %}

{% macro duckdb__load_seed(seed) -%}
    create schema if not exists {{ api.Relation.create(database=seed.database, schema=seed.schema).without_identifier() }};
    create or replace table {{ api.Relation.create(database=seed.database, schema=seed.schema, identifier=seed.alias) }} as
    select * from read_csv('{{ seed.root_path }}/{{ seed.original_file_path }}', header = true, columns = {{ seed.config.column_types }})
{%- endmacro %}
