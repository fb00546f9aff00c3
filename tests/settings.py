"""Settings of a test run: the product's own, in a throwaway home and a clean environment.

Loaded by pytest-django before any conftest, in every xdist worker; so the environment is cleaned here, before
`dataprotect.settings` reads it. Children of the tests get the product's settings module, not this one.
"""

from __future__ import annotations

import atexit
import os

from tests.isolation import clean_environment, remove_own_workdir

WORKDIR = clean_environment()
atexit.register(remove_own_workdir, WORKDIR, os.getpid())
os.environ["DJANGO_SETTINGS_MODULE"] = "dataprotect.settings"

from dataprotect.settings import *  # noqa: E402, F403

# Two hundred people get passwords in a run; what guessing one costs is not what these tests are about.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# A test's catalog need not survive a power cut; waiting for the disk is most of what emptying it costs.
_options = DATABASES["default"].get("OPTIONS", {})  # noqa: F405
if "init_command" in _options:
    _options["init_command"] = _options["init_command"].replace("synchronous=FULL", "synchronous=OFF")
