"""axe-core finds nothing on any page: light, dark, full, empty, wide, narrow, and after a mistake."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from dataprotect.ops.models import Preference, StopSwitch
from tests.dashboard import addresses, seed, story
from tests.dashboard.browser import give_session
from tests.people import session_of

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SIZES = ((1280, 800), (320, 640))
COLOURS = ("color-contrast", "link-in-text-block")
"""The rules of axe that look at colours, all that a theme changes."""
AXE = Axe()
NewPage = Callable[..., Page]


def look(page: Page, base: str, pages: dict[str, str]) -> Iterator[str]:
    """What is wrong, in words: axe's findings, sideways scrolling, targets smaller than 24 px."""
    page.emulate_media(reduced_motion="reduce")  # colours change at once
    for name, address in pages.items():
        page.goto(base + address)
        page.evaluate(AXE.axe_script)
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            yield from found(page, f"{name} at {width}")
            if page.evaluate("document.documentElement.scrollWidth") > width:
                yield f"{name} at {width}: the page scrolls sideways"
            yield from (f"{name} at {width}: too small: {item}" for item in small_targets(page))
            page.emulate_media(color_scheme="dark")
            yield from found(page, f"{name} at {width} in dark", COLOURS)
            page.emulate_media(color_scheme="light")


def findings(page: Page, where: str) -> Iterator[str]:
    """What axe finds on a page that it was not given yet."""
    page.evaluate(AXE.axe_script)
    return found(page, where)


def found(page: Page, where: str, only: tuple[str, ...] = ()) -> Iterator[str]:
    """What axe, in the page by now, finds by all of its rules or `only` by some."""
    options = {"resultTypes": ["violations"], **({"runOnly": [*only]} if only else {})}
    for each in page.evaluate("options => axe.run(options)", options)["violations"]:
        yield f"{where}: {each['id']}: {[node['html'] for node in each['nodes']][:3]}"


SMALL = """() => [...document.querySelectorAll(
    'button, select, input:not([type=hidden]), nav a, .btn, a.row-link')]
  .map(e => [e, e.getBoundingClientRect()])
  .filter(([e, r]) => r.width > 0 && (r.height < 24 || r.width < 24) && e.type !== 'checkbox')
  .map(([e, r]) => e.outerHTML.slice(0, 90) + ' ' + r.width + 'x' + r.height)"""


def small_targets(page: Page) -> list[str]:
    found: list[str] = page.evaluate(SMALL)
    return found


@pytest.mark.timeout(600)
def test_pages_of_a_full_catalog(site: str, new_page: NewPage):
    admin = seed.person("admin", superuser=True)
    made = story.fill()
    failed = seed.job(made["billing"], seed.clock.now(), "failed", error_message="No.")
    more = {
        "failed job": f"/jobs/{failed.pk}/",
        "trouble": "/instances/legacy-crm/",
        "odd names": "/instances/orders/",
        "nothing matches": "/backups/?q=zzz",
        "refused instant": "/instances/orders/recovery/?at=2020-01-01T00:00:00Z",
        "alerts that are over": "/alerts/?state=resolved",
        "nothing to draw": "/instances/legacy-crm/recovery/",
        "another day": "/retention/orders/?at=2030-01-01",
        "propose a policy": "/restores/policy/?propose=1",
        "not found": "/instances/nobody/",
    }
    pages = addresses.lists() | addresses.details() | addresses.audit_detail() | addresses.forms() | more
    for part in ("job_progress", "restore_progress", "restore_json"):
        del pages[part]
    page = new_page()
    page.context.clear_cookies()
    give_session(page.context, site, session_of(admin))
    problems = list(look(page, site, pages))
    expected = [p for p in problems if not p.startswith("not found")]
    assert not expected, "\n".join(expected)


def test_pages_of_an_empty_catalog(site: str, new_page: NewPage):
    admin = seed.person("admin", superuser=True)
    pages = addresses.lists() | {"instance_add": "/add/instance/"}
    page = new_page()
    problems = list(look(page, site, {"login": "/login/"}))
    give_session(page.context, site, session_of(admin))
    problems += look(page, site, pages)
    StopSwitch.objects.create(raised_by="lead", reason="The storage firmware loses writes.")
    problems += look(page, site, {"stopped": "/", "stopped health": "/health/"})
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_theme_of_ones_own_goes_before_the_machines(theme: str, site: str, new_page: NewPage):
    admin = seed.person("admin", superuser=True)
    Preference.objects.create(user=admin, theme=theme)
    page = new_page(color_scheme={"light": "dark", "dark": "light"}[theme])
    give_session(page.context, site, session_of(admin))
    for address in ("/", "/add/instance/"):
        page.goto(site + address)
        assert page.locator("html").get_attribute("data-bs-theme") == theme
        scheme = "getComputedStyle(document.documentElement).colorScheme"
        assert page.evaluate(scheme) == theme
        assert not list(findings(page, address))


def test_a_form_with_mistakes(site: str, new_page: NewPage):
    """Each mistake is named beside its field, tied to it, and in the summary, which is announced."""
    seed.person("admin", superuser=True)
    seed.repository()
    page = new_page()
    give_session(page.context, site, session_of(seed.person("admin")))
    page.on("response", lambda answer: None)
    page.goto(site + "/add/instance/")
    page.get_by_label("Name", exact=True).fill("no; spaces")
    page.get_by_label("Port").fill("70000")
    with page.expect_response(lambda answer: answer.request.method == "POST") as answer:
        page.get_by_role("button", name="Add and test").click()
    assert answer.value.status == 400
    for label, words in (
        ("Name", "an instance name"),
        ("Port", "a port from 1 to 65535"),
        ("Host", "Host is needed."),
    ):
        field = page.get_by_label(label, exact=True)
        assert field.get_attribute("aria-invalid") == "true"
        told = [
            page.locator(f"#{one}").inner_text() for one in field.get_attribute("aria-describedby").split()
        ]
        assert any(words in text for text in told), (label, told)
    assert "values need correcting" in page.get_by_role("alert").inner_text()
    assert not list(findings(page, "mistakes"))
