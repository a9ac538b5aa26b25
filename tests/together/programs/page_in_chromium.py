"""A user's session on the server's page, in Chromium; writes what was seen as JSON.

Run it with the name of a session, the server's address, Chromium's path, and a folder with its files.
"""

import json
import sys
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

session, url, chromium, folder = sys.argv[1:]
FILES = Path(folder)
WIDTHS = {"narrow": 360, "wide": 1280}


class User:
    """Someone at the page, who sees what the browser says of it too."""

    def __init__(self, browser, **context):
        self.context = browser.new_context(reduced_motion="reduce", **context)
        self.page = self.context.new_page()
        self.hosts, self.problems = set(), []
        self.page.on("request", lambda request: self.hosts.add(request.url.split("/")[2]))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", self._note)
        self.page.on("dialog", self._accept)

    def _note(self, message):
        # A refused request is in the console too, and is what some sessions are about.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.problems.append(message.text)

    def _accept(self, dialog):
        if dialog.type != "confirm":
            self.problems.append(f"a dialog: {dialog.message}")
        dialog.accept()

    def open(self):
        self.page.goto(url)
        self.page.locator("#model option").first.wait_for(state="attached")

    def text(self, selector):
        return self.page.locator(selector).inner_text()

    def upload(self, name, path):
        self.page.get_by_role("tab", name="Datasets").click()
        self.page.get_by_label("A text file, or a zip").set_input_files(path)
        self.page.get_by_label("Name of the dataset").fill(name)
        self.page.get_by_role("button", name="Upload and prepare").click()
        self.page.locator("#upload-work progress").wait_for(state="detached")
        return self.text("#upload-work")

    def ask(self, question):
        self.page.get_by_role("tab", name="Chat", exact=True).click()
        field = self.page.get_by_label("Question", exact=True)
        field.fill(question)
        field.press("Enter")
        answer = self.page.locator("article.answer").last
        answer.and_(self.page.locator("[aria-busy=false]")).wait_for()
        return answer

    def report(self, **seen):
        return {**seen, "hosts": sorted(self.hosts), "problems": self.problems}


def upload_ask_and_search(browser):
    user = User(browser)
    user.open()
    upload = user.upload("notes", FILES / "notes.txt")
    answer = user.ask("What does the hen lay?")
    answer.get_by_text("retrieved").click()
    seen = {"upload": upload, "answer": answer.inner_text(), "announcement": user.text("#announcement")}
    seen["code"] = {}
    for tab in user.page.locator("#languages button").all():
        tab.click()
        seen["code"][tab.inner_text()] = user.text("#code")
    for panel in ("Search", "Datasets"):
        user.page.get_by_role("tab", name=panel, exact=True).click()
        _fill(user, panel)
    seen["results"] = user.page.locator("#results li").all_inner_texts()
    seen["documents"] = user.text("#documents")
    user.page.get_by_role("button", name="Delete notes").click()
    user.page.get_by_text("There are none yet").wait_for()
    return user.report(**seen)


def wrong_key(browser):
    user = User(browser)
    user.page.goto(url)
    key = user.page.get_by_label("Key", exact=True)
    key.wait_for()
    reason = user.text("#key-why")
    key.fill("wrong")
    key.press("Enter")
    user.page.get_by_text("does not know this API key").last.wait_for()
    user.page.get_by_label("Key", exact=True).fill((FILES / "key").read_text())
    user.page.get_by_role("button", name="Use this key").click()
    user.page.locator("#model option").first.wait_for(state="attached")
    stored = user.page.evaluate("[Object.values(sessionStorage), Object.values(localStorage), document.cookie]")
    code = user.text("#code")
    return user.report(reason=reason, stored=stored, code=code, trouble=user.page.locator("#trouble").is_visible())


def failing_upload(browser):
    user = User(browser)
    user.open()
    refused = user.upload("bad", FILES / "bad.bin")
    too_large = user.upload("large", FILES / "large.txt")
    return user.report(refused=refused, too_large=too_large)


def markup(browser):
    user = User(browser)
    user.open()
    user.upload("hostile", FILES / "hostile.txt")
    answer = user.ask("What does the owl say?")
    answer.get_by_text("retrieved").click()
    found = user.page.evaluate(
        "[...document.querySelectorAll('#log *')].map((one) => [one.tagName, ...one.getAttributeNames()].join(' '))"
    )
    links = answer.locator("a").evaluate_all("(links) => links.map((link) => [link.protocol, link.rel])")
    return user.report(elements=sorted(set(found)), answer=answer.inner_text(), links=links)


def one_question(browser):
    user = User(browser)
    user.open()
    answer = user.ask((FILES / "question").read_text())
    log = user.page.locator("#log").evaluate("(log) => log.scrollHeight - log.scrollTop - log.clientHeight")
    rows = answer.locator("li").count()
    return user.report(
        answer=answer.inner_text()[-2000:], rows=rows, from_end=log, field=user.page.locator("#question").input_value()
    )


def stopping(browser):
    user = User(browser)
    user.open()
    field = user.page.get_by_label("Question", exact=True)
    field.fill("Go on")
    field.press("Enter")
    user.page.get_by_text("never ends").wait_for()
    user.page.get_by_role("button", name="Stop").click()
    user.page.locator("article.answer[aria-busy=false]").wait_for()
    return user.report(answer=user.text("article.answer"), focus=user.page.evaluate("document.activeElement.id"))


def keyboard(browser):
    user = User(browser)
    user.open()
    order = []
    for _ in range(40):
        user.page.keyboard.press("Tab")
        order.append(user.page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
        if order[-1] == "copy":
            break
    user.page.locator("#tab-chat").focus()
    user.page.keyboard.press("ArrowLeft")
    return user.report(order=order, panel=user.page.locator("#datasets").is_visible())


def accessibility(browser):
    """Look at each panel, in the light and in the dark, wide and narrow: for axe, and for the eye."""
    found, sideways = [], []
    for scheme in ("light", "dark"):
        for name, width in WIDTHS.items():
            user = User(browser, color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True)
            user.open()
            if "notes" not in user.page.locator("#dataset option").all_inner_texts():
                user.upload("notes", FILES / "notes.txt")
            user.page.get_by_label("Dataset", exact=True).select_option("notes")
            user.ask("What does the hen lay?").get_by_text("retrieved").click()
            for panel in [tab.inner_text() for tab in user.page.locator("main > [role=tablist] button:visible").all()]:
                user.page.get_by_role("tab", name=panel, exact=True).click()
                _fill(user, panel)
                for violation in Axe().run(user.page).response["violations"]:
                    nodes = [node["html"][:200] for node in violation["nodes"]]
                    found.append([scheme, name, panel, violation["impact"], violation["id"], nodes])
                if user.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                    sideways.append([scheme, name, panel])
                user.page.screenshot(path=FILES / f"{panel}-{scheme}-{name}.png", full_page=True)
            user.context.close()
    return {"violations": found, "sideways": sideways, "hosts": [], "problems": []}


def pictures(browser):
    """Take the pictures of the documentation."""
    dataset = "harbour"
    shapes = {"page": ("light", 1200, 840), "page-dark": ("dark", 1200, 840), "page-phone": ("light", 390, 780)}
    for name, (scheme, width, height) in shapes.items():
        user = User(browser, color_scheme=scheme, viewport={"width": width, "height": height})
        user.open()
        if dataset not in user.page.locator("#dataset option").all_inner_texts():
            user.upload(dataset, FILES / "harbour" / "guide.md")
        user.page.get_by_label("Dataset", exact=True).select_option(dataset)
        user.ask("When was the lighthouse built?").get_by_text("retrieved").click()
        user.page.screenshot(path=FILES / f"{name}.png")
        user.context.close()
    return {}


def _fill(user, panel):
    """Have a panel show what it can."""
    if panel == "Search":
        user.page.get_by_label("Search the dataset").fill("hen eggs")
        user.page.get_by_label("Search the dataset").press("Enter")
        user.page.locator("#results li").first.wait_for()
    elif panel == "Datasets":
        user.page.get_by_role("button", name="Documents notes").click()
        user.page.locator("#documents summary").first.click()
        user.page.locator("#documents ol li").first.wait_for()


with sync_playwright() as playwright:
    launched = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
    print(json.dumps(globals()[session](launched)))
    launched.close()
