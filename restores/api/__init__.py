"""The API of restores; addresses stand in dataprotect/urls.py."""

from restores.api.clones import clones, folders
from restores.api.requests import restores

__all__ = ["clones", "folders", "restores"]
