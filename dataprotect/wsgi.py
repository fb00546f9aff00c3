"""The door for gunicorn: `gunicorn dataprotect.wsgi`."""

from __future__ import annotations

import os
import sys

from dataprotect.core.errors import ForeseenError

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dataprotect.settings")

_APPLICATION_FAILED_TO_LOAD = 4  # gunicorn's own code: it then stops instead of starting the worker again

try:
    from django.core.wsgi import get_wsgi_application

    application = get_wsgi_application()
except ForeseenError as error:
    sys.stderr.write(f"{error.message} {error.action}\n")
    raise SystemExit(_APPLICATION_FAILED_TO_LOAD) from None
