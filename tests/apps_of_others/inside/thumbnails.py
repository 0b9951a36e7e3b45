"""easy-thumbnails."""

from io import BytesIO

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from easy_thumbnails.files import get_thumbnailer
from easy_thumbnails.models import Source, Thumbnail
from PIL import Image

from tenancy import tenant_context
from tenancy.models import Tenant
from tests.apps_of_others.shop.models import Book


def picture(colour: str) -> ContentFile[bytes]:
    file = BytesIO()
    Image.new("RGB", (60, 40), colour).save(file, "PNG")
    return ContentFile(file.getvalue())


def test_thumbnails(acme: Tenant, globex: Tenant, initech: Tenant) -> None:
    """A cover of the same name is another picture in each tenant, and so is its thumbnail, in the tenant's folder."""
    for tenant, colour in ((acme, (255, 0, 0)), (initech, (0, 0, 255))):
        with tenant_context(tenant):
            book = Book.objects.get(pk=1)
            book.cover.save("cover.png", picture("red" if tenant == acme else "blue"))
            made = get_thumbnailer(book.cover).get_thumbnail({"size": (20, 20), "crop": True})
            assert made.url.startswith(f"/media/tenants/{tenant.pk}/covers/cover")
            with default_storage.open(made.name) as file:
                pixel = Image.open(file).convert("RGB").getpixel((10, 10))
            assert all(abs(found - wanted) < 9 for found, wanted in zip(pixel, colour, strict=True))
            assert (Source.objects.count(), Thumbnail.objects.count()) == (1, 1)
            book.cover.delete()
    with tenant_context(globex):
        assert (Source.objects.count(), Thumbnail.objects.count()) == (0, 0)
