"""Tests with PostGIS, which are skipped where it can't be had."""

from django.conf import settings

from tests.postgis import require

require(settings.POSTGIS_MISSING)
