"""What is installed works: run with `python -I` in an environment of a distribution, with the names of its modules."""

import asyncio
import sys
import tempfile
from importlib import import_module
from importlib.metadata import version
from importlib.resources import files
from typing import Any


def try_client() -> None:
    """Both clients ask a scripted server."""
    import reka
    from reka.testing import FakeReka

    async def ask() -> str:
        async with reka.AsyncReka("key", server.url) as client:
            return str((await client.chat("Hi"))["text"])

    with FakeReka() as server:
        server.will_fail(503)
        for _ in range(3):
            server.will_say("Hel", "lo")
        with reka.Reka("key", server.url) as client:
            assert client.chat("Hi")["text"] == "Hello"
            assert [event.text for event in client.stream("Hi")][:2] == ["Hel", "lo"]
        assert asyncio.run(ask()) == "Hello"


def try_langchain() -> None:
    """The chat model asks a scripted server."""
    from langchain_reka import ChatReka
    from reka.testing import FakeReka, answer

    with FakeReka() as server:
        server.listing = answer(404)
        server.will_say("Hello")
        assert ChatReka(api_key="key", base_url=server.url).invoke("Hi").text == "Hello"


def try_llamaindex() -> None:
    """The LLM asks a scripted server."""
    from llamaindex_reka import RekaLLM
    from reka.testing import FakeReka, answer

    with FakeReka() as server:
        server.listing = answer(404)
        server.will_say("Hello")
        assert RekaLLM(api_key="key", base_url=server.url).complete("Hi").text == "Hello"


def try_server() -> None:
    """The embedded server prepares a dataset and answers from it; its page and the command line are there."""
    import reka
    from reka.cli.app import app

    assert app.registered_commands
    assert (files("reka") / "server" / "page" / "index.html").is_file()
    with tempfile.TemporaryDirectory() as folder, reka.Reka(base_url=f"local:{folder}") as client:
        name = client.ensure_dataset("manual", texts=["To reset the lamp, hold the button for ten seconds."])
        assert "ten seconds" in client.chat("How do I reset the lamp?", retrieval_dataset=name)["text"]


TRIALS: dict[str, Any] = {
    "reka": try_client,
    "langchain_reka": try_langchain,
    "llamaindex_reka": try_llamaindex,
    "reka.server": try_server,
}


def main() -> None:
    """Try each module that is named; the first argument is the version that all must have."""
    wanted, *modules = sys.argv[1:]
    for name in modules:
        assert version(name.partition(".")[0]) == wanted
        import_module(name)
        TRIALS[name]()


if __name__ == "__main__":
    main()
