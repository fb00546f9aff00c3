"""One Chromium for the whole test run, and small words for what a person does with it."""

from __future__ import annotations

from datetime import datetime

from playwright.sync_api import Browser, BrowserContext, Locator, Page, Playwright, expect

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def launch(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)


def sign_in(page: Page, base: str, name: str, password: str) -> None:
    page.goto(f"{base}/login/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{base}/")


def give_session(context: BrowserContext, base: str, key: str) -> None:
    """Signed in without the form."""
    context.add_cookies([{"name": "sessionid", "value": key, "url": base}])


class Hands:
    """How a person uses a page: stories are told once, and lived through by people with different hands."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def fill(self, label: str, text: str) -> None:
        raise NotImplementedError

    def choose(self, label: str, words: str) -> None:
        raise NotImplementedError

    def press(self, role: str, name: str) -> None:
        raise NotImplementedError

    def sign_in(self, base: str, name: str, password: str) -> None:
        self.page.goto(f"{base}/login/")
        self.fill("Username", name)
        self.fill("Password", password)
        self.press("button", "Sign in")
        self.page.wait_for_url(f"{base}/")

    def _field(self, label: str) -> Locator:
        return self.page.get_by_label(label).first

    def _control(self, role: str, name: str) -> Locator:
        return self.page.get_by_role(role, name=name).first  # type: ignore[arg-type]


class Mouse(Hands):
    """Points and clicks; with JavaScript or without."""

    def fill(self, label: str, text: str) -> None:
        self._field(label).fill(text)

    def choose(self, label: str, words: str) -> None:
        self._field(label).select_option(label=words)

    def press(self, role: str, name: str) -> None:
        self._control(role, name).click()


class Keyboard(Hands):
    """A person without a mouse: Tab until the wanted thing has the focus, then type or press Enter."""

    def go_to(self, target: Locator, most: int = 120) -> None:
        target.wait_for()
        for _ in range(most):
            if target.evaluate("element => element === document.activeElement"):
                self._check_visible(target)
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"the keyboard does not reach {target}")

    def _check_visible(self, target: Locator) -> None:
        """The focus is on the screen (the page may take a moment to scroll there), and it can be seen."""
        expect(target).to_be_in_viewport()
        outline = target.evaluate("element => getComputedStyle(element).outlineStyle")
        assert outline != "none", "the focus cannot be seen"

    def fill(self, label: str, text: str) -> None:
        self.go_to(self._field(label))
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)

    def fill_instant(self, label: str, at: datetime) -> None:
        """Part by part, as the browser's own control wants it (American, as Chromium is here)."""
        self.go_to(self._field(label))
        self.page.keyboard.type(f"{at:%m%d%Y}")
        self.page.keyboard.press("ArrowRight")
        self.page.keyboard.type(f"{at:%I%M%p}")

    def choose(self, label: str, words: str) -> None:
        """In a select, by typing what the option begins with."""
        field = self._field(label)
        self.go_to(field)
        self.page.keyboard.type(words)
        chosen = field.evaluate("element => element.selectedOptions[0].text")
        assert chosen == words, chosen

    def press(self, role: str, name: str) -> None:
        self.go_to(self._control(role, name))
        self.page.keyboard.press("Enter")
