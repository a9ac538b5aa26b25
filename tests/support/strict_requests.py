"""What the tests of the strict hosts ask with, and how they read the answers."""

from typing import Any, Final

import requests

from tests.support.caller import Caller
from tests.support.protocols import messages
from tests.support.strict_host import StrictHost
from tests.support.strict_openai import StrictOpenAI

EDGE: Final = "reka-edge-2603"
REASONER: Final = "deepseek4-flash"
RESEARCHER: Final = "reka-flash-research"
FLASH: Final = "reka-flash"
URL: Final = "https://example.com/a.png"
DATA_URL: Final = "data:image/png;base64,aGVsbG8="
USER: Final = {"role": "user", "content": "Hi"}
CALL: Final = {"id": "c-1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1, "b": 2}'}}
CALLED: Final = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT: Final = {"role": "tool", "tool_call_id": "c-1", "content": "3"}
RESULT_AS_TEXT: Final = {"role": "user", "content": "[Tool result for c-1]: 3"}
SEARCH: Final = {"web_search": {"enabled": True}}
SCHEMA: Final = {
    "type": "json_schema",
    "json_schema": {
        "name": "Count",
        "schema": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
    },
}


def ask(host: StrictHost, method: str, path: str, key: str | None = "a-key", **options: Any) -> requests.Response:
    caller = Caller(host.url, key)
    try:
        return caller.ask(method, path, **options)
    finally:
        caller.close()


def chat(host: StrictHost, *contents: Any, **fields: Any) -> requests.Response:
    model = EDGE if isinstance(host, StrictOpenAI) else FLASH
    body = {"model": model, "messages": messages(*contents or ["Hi"]), **fields}
    return ask(host, "POST", "/v1/chat/completions", json=body)


def choice(answer: requests.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    (only,) = answer.json()["choices"]
    return dict(only)


def text(answer: requests.Response) -> str:
    return str(choice(answer)["message"]["content"])


def refusal(answer: requests.Response) -> tuple[int, str, str | None]:
    """Status, type and field of an error."""
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "code", "param"}
    return answer.status_code, error["type"], error["param"]


def part(kind: str, value: object) -> dict[str, object]:
    return {"type": kind, kind: value}
