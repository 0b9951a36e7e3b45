from importlib import import_module

Migration = import_module("tests.apps.annex.migrations.0001_initial").Migration
