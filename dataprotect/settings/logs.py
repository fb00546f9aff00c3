"""Log files in the home, 0600, with every secret masked before a line is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def logging_config(folder: Path, level: str) -> dict[str, Any]:
    """`dataprotect.log` for people, `errors.log` with the tracebacks that job references point into."""

    def file(name: str, lowest: str) -> dict[str, Any]:
        return {
            "class": "dataprotect.ops.masking.PrivateFileHandler",
            "filename": str(folder / name),
            "level": lowest,
            "formatter": "line",
            "delay": True,
        }

    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": "dataprotect.ops.masking.MaskingFormatter",
                "format": "{asctime} {levelname} {name} {process} {message}",
                "style": "{",
            },
            # A terminal gets the sentence; the traceback is in errors.log.
            "sentence": {
                "()": "dataprotect.ops.masking.SentenceFormatter",
                "format": "{message}",
                "style": "{",
            },
        },
        "handlers": {
            "console": {"class": "logging.StreamHandler", "level": "WARNING", "formatter": "sentence"},
            "file": file("dataprotect.log", level),
            "errors": file("errors.log", "ERROR"),
        },
        "root": {"handlers": ["console", "file", "errors"], "level": level},
        "loggers": {
            "django-q": {"level": level, "propagate": True},
            "django.server": {"level": "INFO", "propagate": True},
        },
    }
