{#-
    What dbt-spark does otherwise than this project needs it: macros of its own name, which dbt takes before dbt-spark's.
    Our own macros have their Spark half beside the DuckDB half, in their files.
-#}

{#-
    On Spark a contract keeps the names and types of columns and no more: Parquet tables have no constraints, and dbt-spark
    would try to add them. What they say is tested by data tests too.
-#}
{% macro spark__persist_constraints(relation, model) %}{% endmacro %}


{#-
    Each table where Spark would put it, below its database, but by name: into a folder that a killed run left behind Spark
    makes no table of its own choice of place (LOCATION_ALREADY_EXISTS), and one that is named it makes anew.
-#}
{% macro spark__location_clause() %}
    {%- if model.resource_type == 'model' %}location '{{ model.alias }}'{% endif -%}
{% endmacro %}


{#- In Spark's text a backslash escapes what follows: that of a unit test's row is one. -#}
{% macro spark__escape_single_quotes(expression) -%}
    {{ expression | replace("\\", "\\\\") | replace("'", "\\'") }}
{%- endmacro %}


{#- A unit test's row gives a list as text, which DuckDB casts. -#}
{% macro spark__safe_cast(field, type) -%}
    {{ 'from_json' if type.startswith('array') else 'try_cast' }}({{ field }}{{ ", '" ~ type ~ "'" if type.startswith('array') else ' as ' ~ type }})
{%- endmacro %}
