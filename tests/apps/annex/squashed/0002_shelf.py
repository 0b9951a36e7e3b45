from importlib import import_module

Migration = import_module("tests.apps.annex.migrations.0002_shelf").Migration
