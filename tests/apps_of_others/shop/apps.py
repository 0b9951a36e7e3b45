"""Puts right what other apps remember for the whole process: rows that are one tenant's."""

from functools import lru_cache

from django.apps import AppConfig


class ShopConfig(AppConfig):
    name = "tests.apps_of_others.shop"

    def ready(self) -> None:
        from guardian import shortcuts
        from wagtail.contrib.forms import utils

        # Content types, which have other keys in each tenant.
        shortcuts._get_ct_cached = lru_cache(maxsize=0)(shortcuts._get_ct_cached.__wrapped__)
        utils.get_form_types = lru_cache(maxsize=0)(utils.get_form_types.__wrapped__)
