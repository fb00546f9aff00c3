"""The door from an address to a backend."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataprotect.core.errors import ForeseenError, InvalidInput
from dataprotect.storage.backends import local_path, open_backend


@pytest.mark.parametrize(
    ("url", "path"),
    [("file:///srv/backups", "/srv/backups"), ("/srv/backups", "/srv/backups"),
     ("file://localhost/srv/b", "/srv/b"), ("file:///srv/with%20space", "/srv/with space"),
     ("/srv/100%25", "/srv/100%25")],
)  # fmt: skip
def test_local_addresses(url, path):
    assert local_path(url) == Path(path)
    assert open_backend(url).root == Path(path)


@pytest.mark.parametrize("url", ["relative", "./x", "file:relative", "file://elsewhere/x", "/a/../b", ""])
def test_what_is_no_absolute_folder_is_refused(url):
    with pytest.raises(InvalidInput):
        open_backend(url)


@pytest.mark.parametrize("url", ["s3://bucket/x", "azure://account/x", "gcs://bucket/x"])
def test_places_of_later_versions_are_refused_with_a_sentence(url):
    with pytest.raises(ForeseenError) as caught:
        open_backend(url)
    assert caught.value.code == "storage.unsupported"
    assert "not supported" in caught.value.message


def test_a_secret_in_an_address_is_not_repeated():
    with pytest.raises(ForeseenError) as caught:
        open_backend("ftp://user:planted-password@host/x")
    assert "planted" not in caught.value.message + caught.value.action
