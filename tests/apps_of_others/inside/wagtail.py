"""Wagtail: pages, images, documents, snippets, forms and search, by its admin and by the site."""

from io import BytesIO
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError
from django.db.transaction import atomic
from django.test import override_settings
from PIL import Image as Pillow
from wagtail.contrib.forms.models import FormSubmission
from wagtail.contrib.redirects.models import Redirect
from wagtail.documents.models import Document
from wagtail.images.models import Image
from wagtail.models import Collection, Page, PageLogEntry, ReferenceIndex, Revision, Site
from wagtail.search.models import IndexEntry

from tenancy import tenant_context
from tenancy.models import Tenant
from tests.apps_of_others.cms.models import Advert, ArticlePage, FormField, FormPage, Social
from tests.audit.capture import raw_sql

from .conftest import Browser

LISTS = ("pages/search/?q=news", "users/", "sites/", "reports/site-history/", "collections/", "redirects/", "snippets/")


def home() -> Page:
    """The page at the root of the current tenant's site."""
    found: Page = Site.objects.get().root_page
    return found


def article(**changed: Any) -> dict[str, Any]:
    """The fields of an article's form in the admin."""
    management = {
        f"{formset}-{name}": value
        for formset in ("links", "comments")
        for name, value in (("TOTAL_FORMS", 0), ("INITIAL_FORMS", 0), ("MIN_NUM_FORMS", 0), ("MAX_NUM_FORMS", 1000))
    }
    return {"title": "new", "slug": "new", "body": "null", "tags": "", "picture": "", **management, **changed}


def png(colour: str) -> SimpleUploadedFile:
    file = BytesIO()
    Pillow.new("RGB", (60, 40), colour).save(file, "PNG")
    return SimpleUploadedFile("picture.png", file.getvalue(), "image/png")


def add(browser: Browser, **changed: Any) -> ArticlePage:
    """Make an article in the admin, and publish it."""
    with tenant_context(browser.tenant):
        parent = home().pk
    answer = browser.post(
        f"/cms/pages/add/cms/articlepage/{parent}/", {**article(**changed), "action-publish": "Publish"}
    )
    assert answer.status_code == 302, answer.content.decode()[:2000]
    with tenant_context(browser.tenant):
        return ArticlePage.objects.get(slug=changed.get("slug", "new"))


def test_site(acme: Tenant, globex: Tenant, initech: Tenant) -> None:
    """Each host shows the tenant's own pages, of its own site."""
    for tenant in (acme, globex, initech, acme):
        page = Browser(tenant).get("/news/")
        assert f"<h1>{tenant.slug} news</h1>" in page.content.decode()
        with tenant_context(tenant):
            assert ArticlePage.objects.get(slug="news").full_url == f"http://{tenant.slug}.saas.test/news/"
            assert Page.objects.count() == 3


def test_editing(acme: Tenant, globex: Tenant, initech: Tenant) -> None:
    """Pages are made, edited, published, moved and deleted in the admin; what was is kept, and can be had back."""
    for tenant in (acme, initech):
        browser = Browser(tenant, root=True)
        made = add(browser, tags="one, two")
        path = f"/cms/pages/{made.pk}"
        assert "#one #two" in Browser(tenant).get("/new/").content.decode().replace("\n", " ").replace("#two", " #two")
        assert browser.post(f"{path}/edit/", article(title="draft")).status_code == 302
        assert "<h1>new</h1>" in Browser(tenant).get("/new/").content.decode()
        browser.post(f"{path}/edit/", {**article(title="third"), "action-publish": "Publish"})
        assert "<h1>third</h1>" in Browser(tenant).get("/new/").content.decode()
        assert browser.get(f"{path}/history/").status_code == 200
        with tenant_context(tenant):
            first = Revision.objects.filter(object_id=str(made.pk)).earliest("created_at")
            assert [entry.user.username for entry in PageLogEntry.objects.filter(page=made.pk)][:1] == ["root"]
        browser.post(f"{path}/edit/", {**article(title="new"), "revision": first.pk, "action-publish": "Publish"})
        assert "<h1>new</h1>" in Browser(tenant).get("/new/").content.decode()
        with tenant_context(tenant):
            news = ArticlePage.objects.get(slug="news").pk
        assert browser.post(f"/cms/pages/{made.pk}/move/{news}/confirm/").status_code == 302
        assert Browser(tenant).get("/news/new/").status_code == 200
        assert 'href="/news/new/"' in Browser(tenant).get("/news/").content.decode()
        copied = {"new_title": "copy", "new_slug": "copy", "new_parent_page": news, "publish_copies": "on"}
        assert browser.post(f"{path}/copy/", copied).status_code == 302
        assert browser.post(f"{path}/unpublish/").status_code == 302
        assert Browser(tenant).get("/news/new/").status_code == 404
        assert browser.post(f"{path}/delete/").status_code == 302
        with tenant_context(tenant):
            assert sorted(Page.objects.values_list("slug", flat=True)) == ["copy", "home", "news", "root"]
    with tenant_context(globex):
        assert Page.objects.count() == 3
        assert Page.find_problems() == ([], [], [], [], [])


def test_admin_pages(acme: Tenant, globex: Tenant) -> None:
    """What the admin lists is the tenant's."""
    for tenant in (acme, globex):
        browser = Browser(tenant, root=True)
        with tenant_context(tenant):
            root = home().pk
        for path in ("", f"pages/{root}/", *LISTS):
            page = browser.get(f"/cms/{path}")
            text = page.content.decode()
            assert page.status_code == 200, path
            other = "globex" if tenant == acme else "acme"
            assert other not in text.replace(f"{other}.saas.test", other), path


def test_search(acme: Tenant, globex: Tenant, initech: Tenant) -> None:
    """The index is the tenant's: what is found there is of nobody else."""
    for tenant in (acme, initech):
        add(Browser(tenant, root=True), title="Zebras", slug="zebras")
        with tenant_context(tenant):
            assert [page.title for page in Page.objects.search("zebras")] == ["Zebras"]
            assert [page.title for page in ArticlePage.objects.autocomplete("zebr")] == ["Zebras"]
            assert IndexEntry.objects.count() == 2
    with tenant_context(globex):
        assert list(Page.objects.search("zebras")) == []
        assert [page.title for page in Page.objects.search("news")] == ["globex news"]


def test_search_without_ours(acme: Tenant) -> None:
    """Wagtail's own way to fill the index finds no table: to save a page is an error, and nothing is lost."""
    own = {"default": {"BACKEND": "wagtail.search.backends.database"}}
    with tenant_context(acme), override_settings(WAGTAILSEARCH_BACKENDS=own):
        with raw_sql("Wagtail's own, which finds no table"), pytest.raises(DatabaseError), atomic(acme.db):
            Page.objects.get(slug="news").save()


def test_index_is_made_anew(acme: Tenant, globex: Tenant) -> None:
    """`update_index` within a tenant is about that one."""
    from django.core.management import call_command

    with tenant_context(globex):
        before = set(IndexEntry.objects.values_list("pk", flat=True))
    with tenant_context(acme):
        IndexEntry.objects.all().delete()
        call_command("update_index", verbosity=0)
        assert [page.title for page in Page.objects.search("news")] == ["acme news"]
    with tenant_context(globex):
        assert set(IndexEntry.objects.values_list("pk", flat=True)) == before


def test_images(acme: Tenant, globex: Tenant, initech: Tenant) -> None:
    """A picture of the same name is another one in each tenant, and so is what is made of it for pages."""
    for tenant, colour in ((acme, "red"), (initech, "blue")):
        browser = Browser(tenant, root=True)
        answer = browser.post("/cms/images/add/", {"title": "pic", "file": png(colour), "collection": 1, "tags": ""})
        assert answer.status_code == 302, answer.content.decode()[:2000]
        with tenant_context(tenant):
            image = Image.objects.get()
            rendition = image.get_rendition("width-20")
            assert rendition.url.startswith(f"/media/tenants/{tenant.pk}/images/")
            with rendition.file.open() as file:
                red, _, blue = Pillow.open(file).convert("RGB").getpixel((5, 5))
            assert (red > 200, blue > 200) == (colour == "red", colour == "blue")
        made = add(browser, picture=image.pk)
        assert f'src="/media/tenants/{tenant.pk}/images/' in Browser(tenant).get("/new/").content.decode()
        with tenant_context(tenant):
            assert ReferenceIndex.get_references_to(image).count() == 1
            made.delete()
            image.delete()
    with tenant_context(globex):
        assert not Image.objects.exists()
        Collection.get_first_root_node().add_child(name="theirs")


def test_key_of_a_neighbours_image(acme: Tenant, globex: Tenant) -> None:
    """An image that only a neighbour has can't be chosen."""
    with tenant_context(globex):
        theirs = Image.objects.create(pk=77, title="theirs", file=png("red"))
    browser = Browser(acme, root=True)
    with tenant_context(acme):
        parent = home().pk
    answer = browser.post(f"/cms/pages/add/cms/articlepage/{parent}/", article(picture=theirs.pk))
    assert answer.status_code == 200
    assert "picture" in answer.context["form"].errors


def test_documents(acme: Tenant, globex: Tenant) -> None:
    """A document is served at its tenant's host alone, whatever its name and key are elsewhere."""
    for tenant in (acme, globex):
        with tenant_context(tenant):
            Document.objects.create(title="terms", file=ContentFile(tenant.slug.encode(), name="terms.txt"))
    for tenant in (acme, globex):
        with tenant_context(tenant):
            url = Document.objects.get().url
        answer = Browser(tenant).get(url)
        assert b"".join(answer.streaming_content) == tenant.slug.encode()  # type: ignore[attr-defined]
        with tenant_context(tenant):
            Document.objects.get().delete()


def test_preview(acme: Tenant, globex: Tenant) -> None:
    """A preview is of the tenant at whose host it is looked at."""
    for tenant in (acme, globex):
        browser = Browser(tenant, root=True)
        with tenant_context(tenant):
            news = ArticlePage.objects.get(slug="news").pk
        path = f"/cms/pages/{news}/edit/preview/"
        assert browser.post(path, article(title="preview", slug="news")).json()["is_valid"]
        text = browser.get(path).content.decode()
        assert "<h1>preview</h1>" in text
        assert f"served for {tenant.slug}" in text


def test_preview_at_a_neighbours_host(acme: Tenant, globex: Tenant) -> None:
    """Wagtail asks for a preview at the site's host: if that is a neighbour's, nothing of the neighbour is shown."""
    with tenant_context(acme):
        Site.objects.update(hostname="globex.saas.test")
        news = ArticlePage.objects.get(slug="news").pk
    with tenant_context(globex):
        Social.objects.create(site=Site.objects.get(), handle="@globex")
    path = f"/cms/pages/{news}/edit/preview/"
    browser = Browser(acme, root=True)
    assert browser.post(path, article(title="preview", slug="news")).json()["is_valid"]
    answer = browser.get(path)
    assert answer.status_code == 404
    assert b"globex" not in answer.content


def test_settings_and_snippets(acme: Tenant, globex: Tenant, initech: Tenant) -> None:
    """Settings and snippets are the tenant's."""
    for tenant in (acme, initech):
        browser = Browser(tenant, root=True)
        with tenant_context(tenant):
            site = Site.objects.get().pk
        browser.post(f"/cms/settings/cms/social/{site}/", {"handle": f"@{tenant.slug}"})
        assert f"by @{tenant.slug}," in Browser(tenant).get("/news/").content.decode()
        assert browser.post("/cms/snippets/cms/advert/add/", {"text": tenant.slug}).status_code == 302
        assert tenant.slug in browser.get("/cms/snippets/cms/advert/").content.decode()
    with tenant_context(globex):
        assert not Advert.objects.exists()
        assert not Social.objects.exists()
    assert "by ," in Browser(globex).get("/news/").content.decode()


def test_forms(acme: Tenant, globex: Tenant) -> None:
    """What visitors send is the tenant's, and so is the list of forms, which the process remembers by no tenant."""
    for tenant in (acme, globex):
        with tenant_context(tenant):
            page = home().add_child(instance=FormPage(title=f"{tenant.slug} form", slug="form"))
            FormField.objects.create(page=page, label="word", field_type="singleline")
        assert Browser(tenant).post("/form/", {"word": tenant.slug}).status_code == 200
        listed = Browser(tenant, root=True).get("/cms/forms/").content.decode()
        assert f"{tenant.slug} form" in listed
        with tenant_context(tenant):
            (sent,) = FormSubmission.objects.all()
            assert sent.form_data == {"word": tenant.slug}


def test_redirects(acme: Tenant, globex: Tenant) -> None:
    """A redirect of one tenant is none of another's."""
    with tenant_context(acme):
        Redirect.objects.create(old_path="/old", redirect_link="/news/")
    assert Browser(acme).get("/old/").headers["location"] == "/news/"
    assert Browser(globex).get("/old/").status_code == 404


def test_password_reset(acme: Tenant) -> None:
    """The admin's own way to reset a password makes tokens of ours."""
    assert Browser(acme).get("/cms/password_reset/").resolver_match.func.view_initkwargs["token_generator"]
