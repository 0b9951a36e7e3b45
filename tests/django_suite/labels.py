"""The apps of Django's test project that are run, in lists with a name."""

__all__ = ["LISTS", "TIMINGS"]

_FIRST = """
    basic queries many_to_many prefetch_related select_related aggregation annotations delete update bulk_create
    expressions model_inheritance
"""

# All that has to do with the ORM.
_ORM = """
    admin_changelist admin_views aggregation aggregation_regress annotations async auth_tests backends basic
    bulk_create composite_pk constraints contenttypes_tests custom_columns custom_lookups custom_managers
    custom_methods custom_migration_operations custom_pk datatypes dates datetimes db_functions defer
    defer_regress delete delete_regress distinct_on_fields expressions expressions_case expressions_window
    extra_regress field_defaults filtered_relation fixtures fixtures_model_package fixtures_regress
    force_insert_update foreign_object from_db_value generic_relations generic_relations_regress
    get_earliest_or_latest get_object_or_404 get_or_create indexes inspectdb introspection known_related_objects
    lookup m2m_and_m2o m2m_intermediary m2m_multiple m2m_recursive m2m_regress m2m_signals m2m_through
    m2m_through_regress m2o_recursive managers_regress many_to_many many_to_one many_to_one_null migrations model_enums
    model_fields model_forms model_formsets model_formsets_regress model_indexes model_inheritance
    model_inheritance_regress model_meta model_options model_package model_regress model_utils multiple_database
    mutually_referential nested_foreign_keys null_fk null_fk_ordering null_queries one_to_one or_lookups
    order_with_respect_to ordering postgres_tests prefetch_related proxy_model_inheritance proxy_models queries
    queryset_pickle raw_query reserved_names reverse_lookup save_delete_hooks schema select_for_update
    select_related select_related_onetoone select_related_regress serializers sessions_tests signals
    string_lookup swappable_models test_utils timezones transaction_hooks transactions unmanaged_models update
    update_only_fields validation xor_lookups
"""

# GeoDjango's, with PostGIS; but for `gdal_tests` and `geos_tests`, which need libraries alone and no database.
_GIS = """
    gis_tests.distapp gis_tests.geo3d gis_tests.geoadmin gis_tests.geoapp gis_tests.geogapp gis_tests.gis_migrations
    gis_tests.inspectapp gis_tests.layermap gis_tests.rasterapp gis_tests.relatedapp gis_tests.test_fields
    gis_tests.test_geoforms gis_tests.test_ptr gis_tests.test_spatialrefsys gis_tests.tests
"""

TIMINGS = {"serializers.test_deserialization.TestDeserializer.test_crafted_xml_performance"}
"""Tests that measure time, and so the machine; they ask no database, and are left out."""

LISTS = {"first": _FIRST.split(), "orm": _ORM.split(), "gis": _GIS.split()}
"""Labels for runtests.py, by the name of the list."""
