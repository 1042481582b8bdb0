{#-
    Where dbt-spark does not do what this project needs: macros of its own names, which dbt takes before dbt-spark's.
    The Spark halves of our own macros stand beside this file, each in a file named after that of the DuckDB half.
-#}

{#-
    On Spark a contract keeps the names and types of columns and no more: Parquet tables have no constraints, and dbt-spark
    would try to add them. The data tests check what the constraints say.
-#}
{% macro spark__persist_constraints(relation, model) %}{% endmacro %}


{#-
    Each table is made where Spark would put it, below its database, but with the place named: Spark refuses to choose a
    folder that a killed run left behind (LOCATION_ALREADY_EXISTS), but makes anew one that it is given.
-#}
{% macro spark__location_clause() %}
    {%- if model.resource_type == 'model' %}location '{{ model.alias }}'{% endif -%}
{% endmacro %}


{#- In Spark's text literals a backslash escapes the next character; in a unit test's row it stands for itself. -#}
{% macro spark__escape_single_quotes(expression) -%}
    {{ expression | replace("\\", "\\\\") | replace("'", "\\'") }}
{%- endmacro %}


{#- A unit test's row gives a list as JSON text, which DuckDB can cast and Spark must parse. -#}
{% macro spark__safe_cast(field, type) -%}
    {{ 'from_json' if type.startswith('array') else 'try_cast' }}({{ field }}{{ ", '" ~ type ~ "'" if type.startswith('array') else ' as ' ~ type }})
{%- endmacro %}
