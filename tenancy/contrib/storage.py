"""Files that are of one tenant: a storage around any other, in which each tenant has a folder of its own.

The name of a file, as rows hold it, says nothing of the tenant: whatever name is asked for, it is looked up in the
current tenant's folder. So a name that is made up, or comes with a row from elsewhere, leads to nobody else's file.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import File
from django.core.files.storage import Storage
from django.utils.deconstruct import deconstructible
from django.utils.encoding import filepath_to_uri
from django.utils.module_loading import import_string

from ..context import current_owner

__all__ = ["TenantStorage"]


@deconstructible
class TenantStorage(Storage):
    """Keeps files in another storage: in `tenants/<id>/`, or in `public/` where no tenant is current.

    Args:
        backend: dotted path of the other storage.
        options: what that is made with.
        base_url: where `tenancy.contrib.media.serve` serves the files, with a slash at its end; None: where the other
            storage says.
    """

    def __init__(
        self,
        backend: str = "django.core.files.storage.FileSystemStorage",
        options: Mapping[str, Any] | None = None,
        base_url: str | None = None,
    ) -> None:
        self.backend: Storage = import_string(backend)(**(options or {}))
        self.base_url = base_url

    def _inside(self, name: str) -> str:
        """Where a file of the current tenant is.

        Raises:
            SuspiciousFileOperation: the name leads out of the tenant's folder.
        """
        # As file systems and browsers of other kinds read it.
        path = PurePosixPath(str(name).replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or "\x00" in str(name):
            raise SuspiciousFileOperation(f"The name {str(name)!r} leads out of the tenant's folder.")
        return str(self._folder / path)

    @property
    def _folder(self) -> PurePosixPath:
        owner = current_owner()
        return PurePosixPath("tenants", owner) if owner else PurePosixPath("public")

    def _open(self, name: str, mode: str = "rb") -> "File[Any]":
        return self.backend.open(self._inside(name), mode)

    def _save(self, name: str, content: "File[Any]") -> str:
        # It may have chosen another name, since this one was taken meanwhile.
        saved = self.backend.save(self._inside(name), content)
        return str(PurePosixPath(saved.replace("\\", "/")).relative_to(self._folder))

    def path(self, name: str) -> str:
        """Where the file is in the file system, if the other storage is in one."""
        return self.backend.path(self._inside(name))

    def delete(self, name: str) -> None:
        """Delete a file."""
        if not name:
            raise ValueError("The name must be given to delete().")
        self.backend.delete(self._inside(name))

    def exists(self, name: str) -> bool:
        """Tell whether there is such a file."""
        return self.backend.exists(self._inside(name))

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        """The folders and the files in a folder."""
        return self.backend.listdir(self._inside(path))

    def size(self, name: str) -> int:
        """The size of a file, in bytes."""
        return self.backend.size(self._inside(name))

    def url(self, name: str | None) -> str:
        """Where the file can be had: below `base_url`, by its name alone; else where the other storage says, which
        holds the tenant's id.
        """
        inside = self._inside(name or "")
        return self.backend.url(inside) if self.base_url is None else f"{self.base_url}{filepath_to_uri(name)}"

    def get_accessed_time(self, name: str) -> datetime:
        """When the file was last read."""
        return self.backend.get_accessed_time(self._inside(name))

    def get_created_time(self, name: str) -> datetime:
        """When the file was made."""
        return self.backend.get_created_time(self._inside(name))

    def get_modified_time(self, name: str) -> datetime:
        """When the file was last changed."""
        return self.backend.get_modified_time(self._inside(name))
