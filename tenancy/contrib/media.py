"""Files of the current tenant, served by a view: `path("media/<path:name>", tenancy.contrib.media.serve)`.

At a tenant's host a name means that tenant's file, so no URL leads to another's. Wrap the view, as by `login_required`,
if not everybody may see them.
"""

from mimetypes import guess_type
from pathlib import PurePosixPath

from django.core.exceptions import SuspiciousFileOperation
from django.core.files.storage import default_storage
from django.http import FileResponse, Http404, HttpRequest, HttpResponseNotModified
from django.http.response import HttpResponseBase
from django.utils.http import http_date
from django.views.decorators.http import require_safe
from django.views.static import was_modified_since

__all__ = ["serve"]

_NO_FILE = (FileExistsError, FileNotFoundError, IsADirectoryError, NotADirectoryError)
"""What storages say of a name that is no file's."""
_SHOWN = frozenset(("application/pdf", "text/plain"))
_PICTURES = ("image/", "audio/", "video/")
_WITH_SCRIPTS = "image/svg+xml"


@require_safe
def serve(request: HttpRequest, name: str) -> HttpResponseBase:
    """Serve a file of the default storage, which is to be a `TenantStorage`.

    What a browser might run, as HTML or SVG, is sent to be saved and not to be shown: whoever may upload it could act
    as whoever looks at it.

    Raises:
        Http404: the tenant has no such file.
    """
    try:
        file = default_storage.open(name)
        modified_s = default_storage.get_modified_time(name).timestamp()
    except (*_NO_FILE, SuspiciousFileOperation) as error:
        raise Http404(f"There is no file {name!r}.") from error
    if not was_modified_since(request.headers.get("If-Modified-Since"), modified_s):
        file.close()
        return HttpResponseNotModified()
    response = FileResponse(file, as_attachment=not _is_harmless(name), filename=PurePosixPath(name).name)
    response.headers["Last-Modified"] = http_date(modified_s)
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _is_harmless(name: str) -> bool:
    kind = guess_type(name)[0] or ""
    return kind in _SHOWN or (kind.startswith(_PICTURES) and kind != _WITH_SCRIPTS)
