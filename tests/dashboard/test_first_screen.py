"""The first screen of an installation in which much is wrong."""

from __future__ import annotations

import re

import pytest

from catalog.models import Backup, Instance
from catalog.rules.catalogue import RULES
from catalog.views.overview import WORDS
from dataprotect.core import clock
from dataprotect.ops.models import Job
from tests.dashboard import seed_alerts
from tests.dashboard.conftest import ClientOf

ONLY_GOOD_TO_KNOW = {"restore_delivered"}


@pytest.mark.django_db
def test_the_first_screen_says_the_worst_and_leads_to_what_fixes_it(
    catalogue: dict[str, Instance], client_of: ClientOf
):
    lead = client_of("DBA Lead")
    page = lead.get("/").content.decode()
    assert "cannot be restored as agreed" in page
    failed = Job.objects.filter(state="failed").first()
    damaged = Backup.objects.get(state="damaged")
    assert failed
    for address in ("/repositories/vault-b/", f"/jobs/{failed.pk}/", f"/backups/{damaged.backup_id}/"):
        assert f'href="{address}"' in page, address
    raised = {code for code, rule in RULES.items() if rule.alerts} - ONLY_GOOD_TO_KNOW
    assert raised <= set(WORDS), "each is told in a word, not by its code"
    assert page.count('class="strip"') >= len(catalogue)
    assert re.search(r'aria-label="Last 30 days: good backup \d+, late \d, missed \d', page)


@pytest.mark.django_db
def test_what_is_only_good_to_know_asks_for_nobodys_attention(
    catalogue: dict[str, Instance], client_of: ClientOf
):
    title = "Restored shop.payment on orders."
    lead, about = client_of("DBA Lead"), catalogue["orders"]
    seed_alerts.alert(about, "restore_delivered", clock.now(), severity="info", title=title)
    assert title in lead.get("/alerts/").content.decode()
    assert title not in lead.get("/").content.decode()
    seed_alerts.alert(about, "restore_failed", clock.now(), title=f"Not {title}")
    assert f"Not {title}" in lead.get("/").content.decode()
