"""The demonstration, from empty databases to the table of what each tenant saw."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.core.management import call_command

from ..accounts import PASSWORD, PAUSED
from .desks import open_all
from .judging import counted, judge
from .progress import console, done
from .report import table_of
from .server import Server, manage, serving
from .statements import read
from .tour import Seen, tour
from .trials import Place, trials
from .visitor import Unexpected

SITE = "example_project.settings"
PLAIN = "example_project.settings_plain"


def tell() -> list[str]:
    """Set up, visit, try, judge and report. Return what was found wrong."""
    done("the registry is migrated", lambda: call_command("migrate", verbosity=0))
    desks = done("four tenants are provisioned, three of them filled", open_all)
    plain_key = done("the same help desk is made as a plain project", make_plain)
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(SITE, Path(folder)) as site,
        serving(PLAIN, Path(folder)) as plain,
    ):
        usual = done("the plain project was visited", lambda: second_tour(plain, "acme", plain_key))
        seen = {
            desk.slug: done(f"{desk.slug} was visited", lambda desk=desk: second_tour(site, desk.slug, desk.api_key))
            for desk in desks
        }
        place = Place(site.port, settings.BASE_DOMAIN, "acme", "globex", PAUSED, PASSWORD, desks[0].api_key)
        wrong = [failure for text, trial in trials(place) if (failure := failure_of(text, trial))]
        sent, expected = read(site.statement_log), counted(usual, read(plain.statement_log))
    judged = {
        desk.slug: judge(
            seen[desk.slug],
            desk.filled.tickets,
            desk.filled.customers,
            others=seen.keys() - {desk.slug},
            sent=sent,
            plain=expected,
            tables={model._meta.db_table for model in apps.get_models(include_auto_created=True)},
            schemas={"registry", desk.tenant.schema_name},
        )
        for desk in desks
    }
    console.print(table_of(desks, judged))
    return wrong + [f"{slug}, {complaint}" for slug, found in judged.items() for complaint in found.wrong]


def make_plain() -> str:
    """Make the plain project's database, with the rows of the first tenant, and return an API key."""
    manage(PLAIN, "migrate", "--verbosity=0")
    manage(PLAIN, "sample_data", "acme", f"--password={PASSWORD}")
    return manage(PLAIN, "api_key", "demo")


def second_tour(server: Server, witness: str, api_key: str) -> Seen:
    """Tour twice and return the second: the first fills the caches, the registry's and Django's own."""
    tour(server.port, settings.BASE_DOMAIN, witness, PASSWORD, api_key)
    return tour(server.port, settings.BASE_DOMAIN, witness, PASSWORD, api_key)


def failure_of(text: str, trial: Callable[[], object]) -> str | None:
    """Carry out a trial, and return why it failed if it did."""
    try:
        done(text, trial)
    except Unexpected as error:
        return f"not so: {text}: {error}"
    return None
