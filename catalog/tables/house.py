"""What every list has in common."""

from __future__ import annotations

import django_tables2 as tables
from django.utils.html import format_html
from django.utils.safestring import SafeString

NUMBER = {"td": {"class": "num"}}


def link(address: str, words: object) -> SafeString:
    """The link that opens the row."""
    return format_html('<a class="row-link" href="{}">{}</a>', address, words)


def faint(words: str) -> SafeString:
    return format_html('<span class="faint">{}</span>', words)


class HouseTable(tables.Table):
    """Our template decides the look; here are only columns."""

    label = ""

    class Meta:
        template_name = "partials/table.html"
        orderable = True
        fields: tuple[str, ...] = ()
