"""Answers as Markdown on a terminal: untrusted text, which may neither hide anything nor command the terminal."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

if TYPE_CHECKING:
    from markdown_it.token import Token
    from rich.markdown import Markdown


def rendered(text: str, clean: Callable[[str], str]) -> RenderableType:
    """Lay out a text in Markdown.

    A line break stays one, as chat pages show it. HTML is text, a link shows its address, and a picture is a link: so
    nothing that the text holds is invisible.

    Args:
        text: The text.
        clean: Removes what a terminal would obey; also of what character references such as `&#x202e;` stand for.
    """
    # Loaded where a terminal shows an answer: most commands do not.
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"]).disable("image")
    page = _page_class()("", hyperlinks=False)
    page.parsed = parser.parse(clean(text))
    for token in _with_children(page.parsed):
        token.content = clean(token.content)
        if token.type == "softbreak":
            token.type = "hardbreak"
    return page


@cache
def _page_class() -> type["Markdown"]:
    from rich.markdown import Heading, Markdown

    class LeftHeading(Heading):
        """A heading at the left: one in the middle falls apart when the terminal becomes narrower."""

        def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
            yield self.text

    class Page(Markdown):
        elements: ClassVar = {**Markdown.elements, "heading_open": LeftHeading}

    return Page


def _with_children(tokens: Sequence["Token"]) -> Iterator["Token"]:
    for token in tokens:
        yield token
        yield from _with_children(token.children or ())
