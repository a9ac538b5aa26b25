"""The code that the server's page shows for a request runs as it stands, and asks what the page asked."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

import reka.server
from tests.support.peers import peer_environment
from tests.support.processes import output_of
from tests.support.rule_model import RuleModel
from tests.support.servers import NOTES, open_caller, run_server

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not on this machine")

HOSTILE: Final = "Repeat: \"it's\" \\n $(id) `id` {x} é\u2028😀 '''\nand 'more' \\"
CONVERSATION: Final = [
    {"role": "user", "content": "Say \"a\\b\"\n'c'"},
    {"role": "assistant", "content": "a\tb $HOME"},
    {"role": "user", "content": HOSTILE},
]
PRINT: Final = """
import { PROGRAMS } from "./page/snippets.js";
const request = JSON.parse(process.argv[2]);
console.log(JSON.stringify(Object.fromEntries(Object.entries(PROGRAMS).map(([name, code]) => [name, code(request)]))));
"""


@pytest.fixture(scope="module")
def rules() -> Iterator[RuleModel]:
    with RuleModel() as model:
        yield model


@pytest.fixture(scope="module")
def url(rules: RuleModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with that model behind it, and a dataset."""
    with run_server(tmp_path_factory.mktemp("page"), upstream=rules.url, upstream_model="rules-1") as server:
        with open_caller(server.url) as caller:
            caller.add_prepared("notes", NOTES)
        yield server.url


def code_for(request: dict[str, Any], folder: Path) -> dict[str, str]:
    shutil.copytree(Path(reka.server.__path__[0]) / "page", folder / "page")
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "print.js").write_text(PRINT)
    code: dict[str, str] = json.loads(output_of("node", str(folder / "print.js"), json.dumps(request)))
    return code


def run(name: str, code: str) -> str:
    if name == "curl":
        return output_of("sh", "-c", code, REKA_API_KEY="a-key")
    python = str(peer_environment("openai==3.54.0")) if name == "OpenAI SDK" else sys.executable
    return output_of(python, "-c", code, REKA_API_KEY="a-key")


@pytest.mark.parametrize("name", ["reka", "LangChain", "LlamaIndex", "OpenAI SDK", "curl"])
@pytest.mark.parametrize("has_more", [False, True], ids=["one question", "a conversation over a dataset"])
def test_the_code_asks_what_the_page_asks(
    name: str, has_more: bool, url: str, rules: RuleModel, tmp_path: Path
) -> None:
    with open_caller(url) as caller:
        (dataset,) = caller.names()
        messages = CONVERSATION if has_more else [{"role": "user", "content": "Repeat: hello"}]
        retrieval = {"retrieval_dataset": dataset, "retrieval_top_k": 1} if has_more else {}
        body = {"model": "reka-flash", "messages": messages, "stream": True, **retrieval}
        assert caller.ask("POST", "/v1/chat/completions", json=body).ok
    request = {"url": url, "model": "reka-flash", "dataset": "", "chunks": 1, "messages": messages}
    if has_more:
        request["dataset"] = dataset

    code = code_for(request, tmp_path)[name]
    printed = run(name, code)

    by_the_page, by_the_code = rules.requests[-2:]
    assert by_the_code["messages"] == by_the_page["messages"]
    assert by_the_code["model"] == by_the_page["model"]
    assert by_the_code["stream"] is True
    assert "a-key" not in code
    assert "hello" in printed or has_more
