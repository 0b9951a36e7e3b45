"""Makes and fills the tenants of the project: run by `manage.py shell` in the project's settings."""

from allauth.account.models import EmailAddress
from django.contrib.auth.models import User
from django.contrib.sites.models import Site as DjangoSite
from django.db.transaction import atomic
from wagtail.models import Page, Site

from django_schemas import schema_cursor
from tenancy import tenant_context
from tenancy.models import Tenant
from tests.apps_of_others.cms.models import ArticlePage
from tests.apps_of_others.shop.models import Author, Book

__all__ = ["PLACES", "fill", "make"]

PLACES = {"acme": "default", "globex": "default", "initech": "shard2"}


def make() -> None:
    """Make the tenants."""
    for slug, db in PLACES.items():
        fill(Tenant.objects.create(name=slug.title(), slug=slug, db=db))


def fill(tenant: Tenant) -> None:
    """Fill a tenant: the same keys, names that tell whose they are."""
    if tenant.slug == "globex":
        shift_content_types(tenant)
    with tenant_context(tenant), atomic(tenant.db):
        host = f"{tenant.slug}.saas.test"
        DjangoSite.objects.update_or_create(pk=1, defaults={"domain": host, "name": tenant.slug})
        User.objects.create_superuser("root", f"root@{host}", tenant.slug)
        ada = User.objects.create_user("ada", "ada@example.com", tenant.slug)
        EmailAddress.objects.create(user=ada, email=ada.email, verified=True, primary=True)
        author = Author.objects.create(name=tenant.slug)
        for number in range(3):
            book = Book.objects.create(title=f"{tenant.slug} {number}", author=author)
            book.tags.add("red", tenant.slug)
        Site.objects.update(hostname=host, site_name=tenant.slug)
        home = Page.objects.get(depth=2)
        news = home.add_child(instance=ArticlePage(title=f"{tenant.slug} news", slug="news", body="<p>words</p>"))
        news.save_revision().publish()


def shift_content_types(tenant: Tenant) -> None:
    """Give content types other keys than those of the neighbours, whatever refers to them."""
    with schema_cursor(tenant.db, tenant.schema_name) as cursor:
        cursor.execute(
            "SELECT conrelid::regclass::text, attname::text FROM pg_constraint JOIN pg_attribute "
            "ON attrelid = conrelid AND attnum = conkey[1] WHERE confrelid = 'django_content_type'::regclass"
        )
        for table, column in [*cursor.fetchall(), ("django_content_type", "id")]:
            cursor.execute(f"UPDATE {table} SET {column} = {column} + 1000")
        cursor.execute("SELECT setval(pg_get_serial_sequence('django_content_type', 'id'), 2000)")
