"""Programs for the earlier package, `llama-index-llms-reka`, work with another import."""

import inspect
import json
import subprocess
import sys

import pytest
from llama_index.core.callbacks import CallbackManager
from pydantic import SecretStr

from llamaindex_reka import RekaLLM
from tests.support.peers import LLAMAINDEX_PEER, peer_environment

PROGRAM = """
import asyncio
from {module} import RekaLLM
from llama_index.core.base.llms.types import ChatMessage, MessageRole

QUESTION = "My name is John. What is my name?"
reka_llm = RekaLLM(model="reka-flash", api_key="a-key")
{address}
messages = [
    ChatMessage(role=MessageRole.SYSTEM, content="Be brief."),
    ChatMessage(role=MessageRole.USER, content=QUESTION),
]


async def main():
    print((await reka_llm.achat(messages)).message.content)
    print((await reka_llm.acomplete(QUESTION)).text)
    print("".join([chunk.delta async for chunk in await reka_llm.astream_chat(messages)]))
    print("".join([chunk.delta async for chunk in await reka_llm.astream_complete(QUESTION)]))


print(reka_llm.chat(messages).message.content)
print(reka_llm.complete(QUESTION).text)
print("".join(chunk.delta for chunk in reka_llm.stream_chat(messages)))
print("".join(chunk.delta for chunk in reka_llm.stream_complete(QUESTION)))
asyncio.run(main())
"""

# The earlier package has no address to set.
ADDRESS_OF_THEIRS = """
from reka.client import AsyncReka, Reka
reka_llm._client = Reka(api_key="a-key", base_url="{url}/v1")
reka_llm._aclient = AsyncReka(api_key="a-key", base_url="{url}/v1")
"""

PARAMETERS_OF_THEIRS = """
import inspect, json
print(json.dumps(list(inspect.signature(RekaLLM.__init__).parameters)))
"""


@pytest.fixture(scope="module")
def theirs(served: str) -> list[str]:
    """What the program prints with the earlier package, and behind that the parameters of its constructor."""
    address = ADDRESS_OF_THEIRS.format(url=served)
    program = PROGRAM.format(module="llama_index.llms.reka", address=address) + PARAMETERS_OF_THEIRS
    return printed_by(str(peer_environment(*LLAMAINDEX_PEER)), program)


def printed_by(python: str, program: str, **environment: str) -> list[str]:
    done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True, env=environment, cwd="/")
    return done.stdout.splitlines()


def test_the_constructor_takes_what_the_earlier_package_takes_in_the_same_order(theirs: list[str]) -> None:
    parameters = json.loads(theirs[-1])

    assert list(inspect.signature(RekaLLM.__init__).parameters)[: len(parameters)] == parameters
    manager = CallbackManager([])
    model = RekaLLM("reka-core", "a-key", 0.1, 512, {"seed": 7}, manager)
    assert (model.model, model.temperature, model.max_tokens) == ("reka-core", 0.1, 512)
    assert (model.additional_kwargs, model.callback_manager) == ({"seed": 7}, manager)
    assert model.api_key == SecretStr("a-key")


def test_a_program_for_the_earlier_package_gives_the_same_with_another_import(served: str, theirs: list[str]) -> None:
    program = PROGRAM.format(module="llamaindex_reka", address="")

    ours = printed_by(sys.executable, program, REKA_BASE_URL=served)

    assert ours == theirs[:-1] == ["Your name is John."] * 8
