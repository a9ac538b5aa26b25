"""What kind of text a file has, by its name and its first characters."""

import re
from typing import Final, Literal

from reka.server.text.logs import is_log
from reka.server.text.tables import find_delimiter

Kind = Literal["markdown", "restructuredtext", "html", "table", "json", "log", "code", "prose"]

HEAD_CHARS: Final = 16 * 1024
"""First characters of a file that tell its kind (ours)."""

_EXTENSIONS: Final[dict[Kind, str]] = {
    "markdown": "md markdown mdown mkd mkdn mdx rmd qmd",
    "restructuredtext": "rst rest",
    "html": "html htm xhtml shtml",
    "table": "csv tsv tab psv",
    "json": "json jsonl ndjson jsonlines",
    "log": "log",
    "code": "py pyi js mjs cjs jsx ts tsx java kt kts scala go rs c h cc cpp cxx hpp hh cs swift rb php pl pm lua r jl "
    "dart ex exs erl hs ml mli clj sh bash zsh fish ps1 sql proto zig nim groovy gradle m mm css scss less tf v vhd",
    "prose": "yaml yml toml ini cfg conf xml svg tex adoc asciidoc org po srt vtt bib",
}
_KIND_OF_EXTENSION: Final[dict[str, Kind]] = {
    extension: kind for kind, extensions in _EXTENSIONS.items() for extension in extensions.split()
}
_PAGE: Final = re.compile(
    r"\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--[^>]{0,2000}-->\s*)*<(?:!doctype\s+html|html[\s>])", re.I
)
_HTML_TAG: Final = re.compile(
    r"</?(?:html|head|body|title|div|p|h[1-6]|table|tr|td|ul|ol|li|span|a|b|i|br|hr|img|pre|article|section|main)[\s>/]",
    re.I,
)
_JSON_START: Final = re.compile(r'\s*(?:\[\s*)?\{\s*(?:"|\})')
_HEADING: Final = re.compile(r"(?:\A|\n[ \t]*\r?\n)(#{1,6})[ \t]+\S[^\n]*(?=\r?\n[ \t]*\r?\n|\r?\n#|\s*\Z)")
_SHEBANG: Final = re.compile(r"#!\s?/")


def kind_of(name: str, head: str) -> Kind:
    """Tell the kind of a file.

    Args:
        name: Its name.
        head: Its first HEAD_CHARS characters. What its name says counts only if they agree.
    """
    kind = _KIND_OF_EXTENSION.get(name.lower().rpartition(".")[2] if "." in name else "")
    if kind in {"code", "prose", "restructuredtext"}:
        return kind
    if kind == "markdown":
        return "html" if _PAGE.match(head) else kind
    if kind is not None and _agrees(kind, name, head):
        return kind
    return _kind_by_content(head)


def _agrees(kind: Kind, name: str, head: str) -> bool:
    if kind == "html":
        return _HTML_TAG.search(head) is not None
    if kind == "table":
        return find_delimiter(head, name) is not None
    if kind == "json":
        return _JSON_START.match(head) is not None
    return is_log(head, 1)


def _kind_by_content(head: str) -> Kind:
    """Tell the kind of a text whose name says nothing; prose, if in doubt."""
    if _PAGE.match(head):
        return "html"
    if _SHEBANG.match(head):
        return "code"
    if _JSON_START.match(head):
        return "json"
    if is_log(head, 5):
        return "log"
    if len({len(level) for level in _HEADING.findall(head)}) > 1:
        return "markdown"
    return "table" if find_delimiter(head, "", rows=5) else "prose"
