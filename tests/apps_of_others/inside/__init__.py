"""Tests of each app, run in the project by `test_apps`: `pytest --ds=tests.apps_of_others.settings`."""
