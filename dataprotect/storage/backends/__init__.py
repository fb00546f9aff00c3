"""Places that keep bytes, and the door that opens the right one for an address."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.storage.backends.base import Backend
from dataprotect.storage.backends.local import LocalBackend

_LATER = {"s3": "Amazon S3", "azure": "Azure Blob Storage", "gcs": "Google Cloud Storage"}


def local_path(url: str) -> Path | None:
    """The folder behind `file:///…` or a plain absolute path; None when the address is not local.

    Raises InvalidInput for a relative path, another host, or a path that climbs.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("", "file"):
        return None
    path = Path(unquote(parts.path) if parts.scheme else url)
    if parts.netloc not in ("", "localhost") or not path.is_absolute() or ".." in path.parts:
        raise InvalidInput("url", "Expected file:///folder or an absolute folder without '..'.")
    return path


def open_backend(url: str) -> Backend:
    """The backend for `url`. Nothing is read or created yet. Raises InvalidInput or `storage.unsupported`."""
    path = local_path(url)
    if path is not None:
        return LocalBackend(path)
    scheme = urlsplit(url).scheme
    if scheme in _LATER:
        raise ForeseenError(
            "storage.unsupported",
            f"{_LATER[scheme]} repositories are not supported by this version.",
            "Use a local folder or a mounted share: file:///path/of/the/repository.",
        )
    raise InvalidInput("url", "Expected an address that begins with file:/// or an absolute folder.")
