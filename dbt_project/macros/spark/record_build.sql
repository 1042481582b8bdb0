{#- On Spark nothing is recorded: the record says whether the DuckDB file may be published, and there is none. -#}
{% macro spark__begin_build() %}{% endmacro %}


{% macro spark__end_build() %}{% endmacro %}
