"""Acting without the signatures as people see it: who may, how loud it is, what another one says later."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from catalog import roles
from catalog.models import Instance
from dataprotect.core import clock
from restores.models import BreakGlassUse
from restores.services.break_glass import reviews_remind
from tests.dashboard import seed
from tests.dashboard.waiting_restore import RESTORE, AtRestore, Dba, offers, send, told, waiting
from tests.people import with_role

pytestmark = [pytest.mark.browser, pytest.mark.slow]
LOUD = f"greta broke the glass for {RESTORE} onto orders."


def matter(page: Page, site: str, words: str) -> None:
    """On the first page, with what it is in a word, and on the list of alerts."""
    page.goto(site)
    line = page.get_by_role("region", name="Needs attention").get_by_role("link").filter(has_text=words)
    expect(line).to_contain_text("Glass broken")
    page.goto(f"{site}/alerts/")
    expect(page.get_by_role("row").filter(has_text=words)).to_contain_text("Critical")


def test_the_glass_is_broken_loudly_and_reviewed_by_another(
    site: str, orders: Instance, dba: Dba, at_restore: AtRestore
) -> None:
    anna, dan = dba("anna"), dba("dan")
    greta = with_role(with_role(dba("greta"), roles.BREAK_GLASS), roles.DBA_LEAD)
    lead, auditor = seed.person("lead", roles.DBA_LEAD), seed.person("vera", roles.AUDITOR)
    row = waiting(orders, anna, roles.VP_ENGINEERING, roles.ENGINEERING_MANAGER)

    outsider, breaker = at_restore(dan), at_restore(greta)
    offers(outsider, "Cancel")
    send(outsider, "break-glass", plan_hash=row.plan_hash, reason="The shop is down.")
    expect(outsider.get_by_role("heading", name="Your rights do not include this")).to_be_visible()

    breaker.get_by_role("button", name="Act without the signatures").click()
    told(breaker, "Expected why the signatures cannot be waited for.")
    breaker.get_by_label("Why it cannot wait").fill("The shop is down, and nobody answers.")
    breaker.get_by_role("button", name="Act without the signatures").click()
    expect(breaker.get_by_text("The glass is broken, and everybody is told.")).to_be_visible()
    expect(breaker.get_by_role("heading", name="It may be started.")).to_be_visible()
    expect(breaker.get_by_label("How it stands")).to_contain_text("Without the signatures: greta broke")
    signed = breaker.get_by_role("region", name="Signatures")
    expect(signed).to_contain_text("greta: The shop is down, and nobody answers.")
    expect(signed).to_contain_text("To be reviewed by another person until")
    expect(signed.get_by_text("nobody: the glass was broken")).to_have_count(2)
    expect(breaker.get_by_role("button", name="Keep the review")).to_have_count(0)
    send(breaker, "review", reason="I was right.")
    told(breaker, "another person reviews it")

    watcher, asker, reviewer = at_restore(auditor), at_restore(anna), at_restore(lead)
    offers(asker, "Start the restore", "Cancel")
    for page in (watcher, asker):
        expect(page.get_by_role("button", name="Keep the review")).to_have_count(0)
        matter(page, site, LOUD)
    outsider.goto(f"{site}/alerts/")
    outsider.get_by_role("link", name=LOUD).click()
    expect(outsider.get_by_text("It must be reviewed by")).to_be_visible()
    outsider.get_by_role("link", name="Open what it is about").click()
    expect(outsider.get_by_role("region", name="Signatures")).to_contain_text("Glass broken")

    stranger = at_restore(seed.person("far", roles.DBA))
    stranger.goto(f"{site}/alerts/")
    expect(stranger.get_by_role("heading", name="Alerts")).to_be_visible()
    expect(stranger.get_by_text(RESTORE)).to_have_count(0)

    BreakGlassUse.objects.update(review_due_at=clock.now() - timedelta(minutes=1))
    assert reviews_remind() == 1
    reviewer.goto(site)
    late = f"The glass broken for {RESTORE} was not reviewed in 72 hours."
    expect(reviewer.get_by_role("link").filter(has_text=late)).to_contain_text("Not reviewed")
    reviewer.goto(f"{site}/restores/{RESTORE}/")
    expect(reviewer.get_by_text("Its review is overdue since")).to_be_visible()
    reviewer.get_by_role("button", name="Keep the review").click()
    told(reviewer, "Expected what the review found.")
    reviewer.get_by_label("What the review found").fill("It was right: two managers get a telephone.")
    reviewer.get_by_role("button", name="Keep the review").click()
    expect(reviewer.get_by_text("Reviewed by lead: It was right: two managers")).to_be_visible()
    expect(reviewer.get_by_role("button", name="Keep the review")).to_have_count(0)
    reviewer.goto(f"{site}/alerts/")
    expect(reviewer.get_by_text(RESTORE)).to_have_count(0)
