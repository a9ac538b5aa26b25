"""Markdown, reStructuredText and HTML as chunks under the path of their headings."""

import importlib.util
import sys
from types import FrameType

import pytest

from reka.server.text.stage import chunks_of_file
from tests.support.texts import in_parts

MARKDOWN = [
    ("# A\n\n## B\n\ntext\n", [("A > B", "text")]),
    ("# A\n\none\n\n## B\n\ntwo\n\n# C\n\nthree\n", [("A", "one"), ("A > B", "two"), ("C", "three")]),
    ("A\n=\n\nB\n-\n\ntext\n", [("A > B", "text")]),
    ("### Deep\n\none\n\n# Top\n\ntwo\n", [("Deep", "one"), ("Top", "two")]),
    ("text before\n\n# A\n\nafter\n", [("", "text before"), ("A", "after")]),
    ("# The *A* of `b`\n\ntext\n", [("The A of b", "text")]),
    ("# A\n\n# B\n\ntext\n\n## C\n", [("", "A"), ("B", "text"), ("B", "C")]),
    ("---\ntitle: Guide\n---\n\n# Setup\n\ntext\n", [("Guide > Setup", "text")]),
    ("---\ntitle: Guide\n---\n\n# Guide\n\ntext\n", [("Guide", "text")]),
    ("**bold**, *em*, ~~gone~~ and `code`\n", [("", "bold, em, gone and code")]),
    ("[a link](http://x.example 'title') ![a picture](p.png)\n", [("", "a link a picture")]),
    ("[a][ref] and <http://x.example>\n\n[ref]: http://y.example\n", [("", "a and http://x.example")]),
    ("5 \\* 3 &lt; 16&nbsp;m &amp; more\n", [("", "5 * 3 < 16 m & more")]),
    ("> quoted\n> text\n", [("", "quoted\ntext")]),
    ("- one\n- two\n  goes on\n", [("", "one\n\ntwo\ngoes on")]),
    ("1. one\n2. two\n", [("", "1. one\n\n2. two")]),
    ("```py\ndef f():\n    return 1\n\nf()\n```\n", [("", "def f():\n    return 1\n\nf()")]),
    ("```\n# no heading\n```\n", [("", "# no heading")]),
    (
        "# A\n\n| Town | Fee |\n|---|---:|\n| Oslo | **40** |\n| Bergen | 12 |\n\nend\n",
        [("A > Town | Fee", "Oslo | 40\nBergen | 12"), ("A", "end")],
    ),
    ("a <b>bold</b> word<br>more <!-- hidden -->\n", [("", "a bold wordmore")]),
    ("<div class='x'>\n<h2>H</h2><p>in a &lt;block&gt;</p>\n</div>\n", [("H", "in a <block>")]),
    ("<script>\nvar a = '<p>';\n</script>\n\ntext\n", [("", "text")]),
    ("snake_case_name and 2*3*4\n", [("", "snake_case_name and 234")]),
    ("# A\r\n\r\none\r\ntwo\r\n", [("A", "one\ntwo")]),
]

RESTRUCTURED = [
    ("A\n=\n", [("", "A")]),
    ("Top\n===\n\nSub\n---\n\ntext\n", [("Top > Sub", "text")]),
    ("====\nTop\n====\n\nSub\n====\n\ntext\n", [("Top > Sub", "text")]),
    ("One\n~~~\na\n\nTwo\n~~~\n\nb\n", [("One", "a"), ("Two", "b")]),
    ("``lit``, *em*, **strong** and :ref:`a text <target>`\n", [("", "lit, em, strong and a text")]),
    ("`a link <http://x>`__, `phrase`_ and word_.\n", [("", "a link, phrase and word.")]),
    ("Example::\n\n    x = 1\n", [("", "Example:\n\n    x = 1")]),
    (".. note:: Mind the gap.\n", [("", "Mind the gap.")]),
    (".. note::\n\n   Mind the gap.\n", [("", "Mind the gap.")]),
    (".. code-block:: python\n   :linenos:\n\n   x = 1\n", [("", "x = 1")]),
    (".. image:: x.png\n   :alt: y\n\ntext\n", [("", "text")]),
    (".. toctree::\n\n   one\n   two\n\ntext\n", [("", "text")]),
    (".. _label:\n.. a comment\n   that goes on\n\ntext\n", [("", "text")]),
    (".. [1] A footnote.\n", [("", "A footnote.")]),
    ("a_b and 2 * 3 * 4\n", [("", "a_b and 2 * 3 * 4")]),
]

PAGES = [
    ("<p>one</p><p>two</p>", [("", "one\n\ntwo")]),
    ("<title>T</title><h1>A</h1><p>x</p><h2>B</h2>y", [("T > A", "x"), ("T > A > B", "y")]),
    ("<title>A</title><h1>A</h1><p>x</p>", [("A", "x")]),
    ("<h1>A <i>b</i>&amp;c</h1>x", [("A b&c", "x")]),
    ("<p>a<b>b</b>c\n   d&nbsp;e&rsquo;f &lt;g&gt; &#65;&#x42;</p>", [("", "abc d e\u2019f <g> AB")]),
    ("<style>p{color:red}</style><script>if (a<b) x='</p>'</script><p>x</p>", [("", "x")]),
    ("<p>x<!-- <p>hidden</p> -->y<svg><text>no</text></svg></p>", [("", "xy")]),
    ("<a href='a>b' title=\"c<d\">link</a><p>x", [("", "link\n\nx")]),
    ("<p>one<br>two<ul><li>three<li>four</ul>", [("", "one\ntwo\n\nthree\n\nfour")]),
    ("<pre>a\n  b &amp; c</pre>", [("", "a\n  b & c")]),
    (
        "<table><tr><th>Town<th>Fee<tr><td>Oslo<td>40<tr><td>Bergen<td>12</table><p>x",
        [("Town | Fee", "Oslo | 40\nBergen | 12"), ("", "x")],
    ),
    ("<table><tr><th>Oslo</th><td>40</td></tr></table>", [("", "Oslo | 40")]),
    ("<P>a < b and 3 <4</P>", [("", "a < b and 3 <4")]),
    ("<p>never closed <b", [("", "never closed")]),
    ('<p>x</p><a href="never closed>y</a>', [("", "x\n\ny")]),
    ("<p>so&shy;ft &unknown; &amp</p>", [("", "soft &unknown; &")]),
    ("<br>", [("", "<br>")]),
]


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        (name, *case)
        for name, cases in [("a.md", MARKDOWN), ("a.rst", RESTRUCTURED), ("a.html", PAGES)]
        for case in cases
    ],
)
def test_a_document_is_its_text_under_the_path_of_its_headings(
    name: str, text: str, wanted: list[tuple[str, str]]
) -> None:
    for size in (1, 7, 1000):
        found = list(chunks_of_file(in_parts(text, size), name, 800))

        assert [(chunk.context, chunk.text) for chunk in found] == wanted
        assert all(chunk.source == name for chunk in found)
        assert all(text.startswith(chunk.text[0], chunk.position) for chunk in found)


@pytest.mark.parametrize("name", ["a.md", "a.rst", "a.html"])
def test_a_text_without_markup_stands_where_it_says(name: str) -> None:
    words = [f"Sentence {number} of some words.\n" + "\n" * (number % 3 == 0) for number in range(9000)]
    text = "".join(words) if name != "a.html" else "<p>" + "".join(words)

    found = list(chunks_of_file(in_parts(text, 5000), name, 800))

    assert len(found) > 300
    for chunk in found:
        first, last = chunk.text[:11], chunk.text[-5:]
        assert text.startswith(first, chunk.position)
        assert last == "ords."


def test_a_section_longer_than_a_chunk_keeps_its_context_in_each() -> None:
    text = "# Ports\n\n## Bergen\n\n" + "The harbour has three quays. " * 100

    found = list(chunks_of_file([text], "a.md", 300))

    assert len(found) > 8
    assert {chunk.context for chunk in found} == {"Ports > Bergen"}


def test_a_path_of_long_headings_keeps_the_last_ones() -> None:
    text = "".join(f"{'#' * level} {f'Heading {level} ' * 9}\n\n" for level in range(1, 7)) + "text\n"

    (chunk,) = chunks_of_file([text], "a.md", 800)

    assert len(chunk.context) <= 300
    assert chunk.context.endswith("Heading 6")
    assert "Heading 1" not in chunk.context


def test_the_rules_of_markdown_are_put_together_before_any_thread_has_the_parser() -> None:
    found = importlib.util.find_spec("reka.server.text.markdown")
    assert found is not None
    assert found.loader is not None
    markdown = importlib.util.module_from_spec(found)  # its parser is its own, and not made yet
    found.loader.exec_module(markdown)
    makers: list[set[str]] = []

    def note(frame: FrameType | None, event: str, _: object) -> None:
        if event == "call" and frame is not None and frame.f_code.co_name == "__compile__":
            callers = set()
            while frame is not None:
                callers.add(frame.f_code.co_name)
                frame = frame.f_back
            makers.append(callers)

    profile = sys.getprofile()
    sys.setprofile(note)
    try:
        texts = [block.text for block in markdown.markdown_blocks(["# One\n\n**bold** and `code`\n"])]
    finally:
        sys.setprofile(profile)

    assert "bold and code" in "".join(texts)
    assert makers
    assert all("_parser" in callers for callers in makers)
