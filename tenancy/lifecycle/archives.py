"""Archives: one file that holds a tenant. A zip with the rows of each table as COPY text, and a manifest.

The manifest says what the members are; what else is in the file is not looked at, and no member is ever unpacked to a
path. It is written last, since it holds the sum of each member: a file that was cut off has none.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile, ZipInfo

from ..exceptions import ArchiveInvalid

__all__ = ["FORMAT", "Archive", "reading", "writing"]

FORMAT = 1
_KIND = "tenancy archive"
_MANIFEST = "manifest.json"
_CHUNK_BYTES = 1 << 18
_MANIFEST_MAX_BYTES = 1 << 28


class Archive:
    """An open archive.

    Attributes:
        manifest: what it says; empty as long as it is written.
    """

    def __init__(self, file: ZipFile, path: Path) -> None:
        self.manifest: dict[str, Any] = {}
        self._file = file
        self._path = path

    def add(self, member: str, produce: Callable[[Callable[[bytes], None]], None]) -> dict[str, Any]:
        """Write a member; return what the manifest says of it.

        Args:
            member: its name.
            produce: is given a function, and calls that with each chunk.
        """
        digest, rows, size = sha256(), 0, 0
        info = ZipInfo(member)
        info.compress_type, info._compresslevel = ZIP_DEFLATED, 1  # type: ignore[attr-defined]  # public from 3.13 on
        with self._file.open(info, "w", force_zip64=True) as stream:

            def write(chunk: bytes) -> None:
                nonlocal rows, size
                digest.update(chunk)
                rows += chunk.count(b"\n")
                size += len(chunk)
                stream.write(chunk)

            produce(write)
        return {"member": member, "rows": rows, "bytes": size, "sha256": digest.hexdigest()}

    def close_with(self, manifest: dict[str, Any]) -> None:
        """Write the manifest."""
        self._file.writestr(_MANIFEST, json.dumps({"kind": _KIND, "format": FORMAT, **manifest}, indent=1))

    @contextmanager
    def member(self, entry: dict[str, Any]) -> Iterator[Callable[[int], bytes]]:
        """Read a member; behind the block it is known to be what the manifest says.

        Raises:
            ArchiveInvalid: it is not, or is not read to its end.
        """
        digest, rows, size = sha256(), 0, 0
        try:
            with self._file.open(entry["member"]) as stream:

                def read(wanted: int) -> bytes:
                    nonlocal rows, size
                    chunk = stream.read(wanted)
                    digest.update(chunk)
                    rows += chunk.count(b"\n")
                    size += len(chunk)
                    if size > entry["bytes"]:
                        raise ArchiveInvalid(f"Archive {self._path}: {entry['name']} is longer than it says.")
                    return chunk

                yield read
        except (BadZipFile, KeyError, EOFError, OSError, NotImplementedError) as error:
            raise ArchiveInvalid(f"Archive {self._path} is damaged at {entry['name']}: {error}.") from error
        except Exception as error:
            if type(error).__module__ == "zlib":
                raise ArchiveInvalid(f"Archive {self._path} is damaged at {entry['name']}: {error}.") from error
            raise
        if (digest.hexdigest(), rows, size) != (entry["sha256"], entry["rows"], entry["bytes"]):
            raise ArchiveInvalid(f"Archive {self._path}: the rows of {entry['name']} are not those that were exported.")

    def verify(self) -> None:
        """Read all of it.

        Raises:
            ArchiveInvalid: some of it is not what was written.
        """
        for entry in self.manifest["tables"]:
            with self.member(entry) as read:
                while read(_CHUNK_BYTES):
                    pass


@contextmanager
def writing(path: Path) -> Iterator[Archive]:
    """Write an archive: beside its place, for its owner's eyes only, and put there once it is complete."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            with ZipFile(file, "w", ZIP_DEFLATED, allowZip64=True) as zipped:
                yield Archive(zipped, path)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextmanager
def reading(path: Path) -> Iterator[Archive]:
    """Open an archive.

    Raises:
        ArchiveInvalid: it is none, or not one that this version reads.
    """
    try:
        zipped = ZipFile(path)
    except (OSError, BadZipFile) as error:
        raise ArchiveInvalid(f"Archive {path} can't be read: {error}.") from error
    with zipped:
        archive = Archive(zipped, path)
        archive.manifest = _manifest_of(zipped, path)
        yield archive


def _manifest_of(zipped: ZipFile, path: Path) -> dict[str, Any]:
    try:
        if zipped.getinfo(_MANIFEST).file_size > _MANIFEST_MAX_BYTES:
            raise ArchiveInvalid(f"The manifest of {path} is too long.")
        manifest = json.loads(zipped.read(_MANIFEST))
        known = manifest["kind"] == _KIND
    except (KeyError, ValueError, TypeError, BadZipFile) as error:
        raise ArchiveInvalid(f"File {path} is no archive of a tenant: {error}.") from error
    if not known:
        raise ArchiveInvalid(f"File {path} is no archive of a tenant.")
    if manifest["format"] != FORMAT:
        raise ArchiveInvalid(f"Archive {path} has format {manifest['format']}; this version reads {FORMAT}.")
    return dict(manifest)
