"""The official SDK's client uses `reka mcp` against `reka serve`, by standard input and output and by HTTP."""

import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from mcp import Client, MCPError, StdioServerParameters
from mcp_types import CallToolResult, ReadResourceResult, TextContent, TextResourceContents

import reka
from reka.cli.mcp_server.server import SearchArguments
from tests.support.command_line import PATIENCE

KEY = "key-for-mcp"
HEN = "The hen of the farm lays 12 eggs."
ADDRESS = re.compile(r"listening on (http://\S+)")


@pytest.fixture(scope="module")
def environment(serve: str) -> dict[str, str]:
    """What a user sets: address and key, of a server with two datasets."""
    with reka.Reka(base_url=serve, api_key=KEY) as client:
        client.put_documents(
            "birds",
            [
                {"id": "notes/owl 1.md", "text": "The owl of the mill hunts at night.", "metadata": {"year": 2020}},
                {
                    "id": "hen",
                    "text": "The hen of the farm lays 12 eggs.",
                    "source": "hen.txt",
                    "metadata": {"year": 2024},
                },
            ],
            wait=True,
        )
        client.put_documents("boats", [{"id": "ship", "text": "The ship sails to Bergen."}], wait=True)
    return {"REKA_BASE_URL": serve, "REKA_API_KEY": KEY}


@contextmanager
def run_on_port(environment: dict[str, str], *options: str) -> Iterator[str]:
    """Run `reka mcp --http` until the block ends, and give its address."""
    command = [sys.executable, "-m", "reka.cli", "mcp", "--http", "--port", "0", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}) as process:
        try:
            assert process.stderr is not None
            (address,) = ADDRESS.findall(process.stderr.readline())
            yield address
        finally:
            process.terminate()


def text_of(result: CallToolResult | ReadResourceResult) -> str:
    """The text that a tool or a resource has come back with."""
    (content,) = result.content if isinstance(result, CallToolResult) else result.contents
    assert isinstance(content, TextContent | TextResourceContents)
    return content.text


@pytest.fixture(params=["stdio", "http"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@asynccontextmanager
async def connect(transport: str, environment: dict[str, str], *options: str) -> AsyncIterator[Client]:
    if transport == "stdio":
        arguments = ["-m", "reka.cli", "mcp", *options]
        path = os.environ.get("PYTHONPATH", "")
        parameters = StdioServerParameters(
            command=sys.executable, args=arguments, env={**environment, "PYTHONPATH": path}
        )
        async with Client(parameters, read_timeout_seconds=PATIENCE) as client:
            yield client
    else:
        with run_on_port(environment, *options) as address:
            async with Client(address, read_timeout_seconds=PATIENCE) as client:
                yield client


async def test_datasets_are_searched_listed_and_read(transport: str, environment: dict[str, str]) -> None:
    async with connect(transport, environment) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        found = await client.call_tool("search", {"query": "eggs of a hen", "dataset": "birds", "k": 1})
        filtered = await client.call_tool(
            "search", {"query": "hen", "dataset": "birds", "filter": {"year": {"$lt": 2022}}}
        )
        listed = await client.call_tool("list_datasets", {})
        resources = {resource.uri: resource for resource in (await client.list_resources()).resources}
        templates = (await client.list_resource_templates()).resource_templates
        about = await client.read_resource("reka://datasets/birds")
        owl = await client.read_resource(filtered.structured_content["results"][0]["resource"])

    (best,) = found.structured_content["results"]
    assert set(tools) == {"search", "list_datasets"}
    assert tools["search"].input_schema["required"] == ["query"]
    assert (best["text"], best["source"], best["document_id"]) == (
        "The hen of the farm lays 12 eggs.",
        "hen.txt",
        "hen",
    )
    assert best["metadata"] == {"year": 2024}
    assert 0 < best["score"] <= 1
    assert text_of(found).startswith("[1] hen.txt, score ")
    assert [one["document_id"] for one in filtered.structured_content["results"]] == ["notes/owl 1.md"]
    assert [one["name"] for one in listed.structured_content["datasets"]] == ["birds", "boats"]
    assert "birds (prepared, 2 documents)" in text_of(listed)
    assert set(resources) >= {
        "reka://datasets/birds",
        "reka://datasets/birds/documents/hen",
        "reka://datasets/birds/documents/notes%2Fowl%201.md",
        "reka://datasets/boats/documents/ship",
    }
    assert [one.uri_template for one in templates] == [
        "reka://datasets/{dataset}",
        "reka://datasets/{dataset}/documents/{document}",
    ]
    assert json.loads(text_of(about))["documents"] == 2
    assert text_of(owl) == "The owl of the mill hunts at night."


async def test_a_dataset_that_is_not_prepared_is_listed_with_the_others(
    transport: str, environment: dict[str, str], tmp_path: Path
) -> None:
    owner = {**environment, "REKA_API_KEY": f"key-for-files-{transport}"}
    (tmp_path / "hen.txt").write_text(HEN)
    with reka.Reka(base_url=owner["REKA_BASE_URL"], api_key=owner["REKA_API_KEY"]) as files:
        files.add_folder(tmp_path, "files")
        files.put_documents("birds", [{"id": "hen", "text": HEN}])

    async with connect(transport, owner) as client:
        resources = [resource.uri for resource in (await client.list_resources()).resources]
        about = await client.read_resource("reka://datasets/files")

    assert resources == [
        "reka://datasets/birds",
        "reka://datasets/birds/documents/hen",
        "reka://datasets/files",
        "reka://datasets/files/documents/hen.txt",
    ]
    assert [one["id"] for one in json.loads(text_of(about))["first_documents"]] == ["hen.txt"]


async def test_what_goes_wrong_is_said_to_the_model(
    transport: str, environment: dict[str, str], tmp_path: Path
) -> None:
    calls: dict[str, dict[str, Any]] = {
        "unknown dataset": {"query": "hen", "dataset": "none-such"},
        "no dataset": {"query": "hen"},
        "bad filter": {"query": "hen", "dataset": "birds", "filter": {"$like": 1}},
        "bad number": {"query": "hen", "dataset": "birds", "k": 0},
        "no query": {"dataset": "birds"},
        "another name": {"query": "hen", "number": 3},
        "not prepared": {"query": "hen", "dataset": "files"},
    }
    (tmp_path / "hen.txt").write_text(HEN)
    with reka.Reka(base_url=environment["REKA_BASE_URL"], api_key=KEY) as owner:
        owner.add_folder(tmp_path, "files")
    async with connect(transport, environment) as client:
        refused = {name: await client.call_tool("search", arguments) for name, arguments in calls.items()}
        with pytest.raises(MCPError, match=r"none-such.*the tool list_datasets"):
            await client.read_resource("reka://datasets/none-such")
        with pytest.raises(MCPError, match="no document"):
            await client.read_resource("reka://datasets/birds/documents/fox")
        with pytest.raises(MCPError, match="no resource"):
            await client.read_resource("file:///etc/passwd")
        with pytest.raises(MCPError, match="no tool"):
            await client.call_tool("delete", {})
    with reka.Reka(base_url=environment["REKA_BASE_URL"], api_key=KEY) as owner:
        owner.delete_dataset("files")

    said = {name: text_of(result) for name, result in refused.items()}
    assert all(result.is_error for result in refused.values())
    assert "none-such" in said["unknown dataset"]
    assert "'birds', 'boats', 'files'" in said["no dataset"]
    assert "$like" in said["bad filter"]
    assert said["bad number"] == "k: want 1 or more"
    assert said["no query"].startswith("query: ")
    assert said["another name"].startswith("number: there is no such argument")
    assert "the tool list_datasets lists the existing ones" in said["unknown dataset"]
    assert "`reka retrieval prepare files`" in said["not prepared"]
    assert KEY not in "".join(said.values())


async def test_without_a_key_the_assistant_s_user_is_told_where_to_set_it(environment: dict[str, str]) -> None:
    without = {**environment, "REKA_API_KEY": ""}
    async with connect("stdio", without) as client:
        refused = await client.call_tool("search", {"query": "hen", "dataset": "birds"})
        with pytest.raises(MCPError, match="set REKA_API_KEY where `reka mcp` is started"):
            await client.list_resources()

    assert refused.is_error
    assert text_of(refused).startswith("no API key: set REKA_API_KEY where `reka mcp` is started")


def test_the_guide_names_the_arguments_of_the_search() -> None:
    guide = Path(__file__).parents[2] / "docs" / "guides" / "programs.md"

    assert f"a tool `search` ({', '.join(SearchArguments.model_fields)})" in guide.read_text()


async def test_only_the_datasets_that_are_named_are_offered(transport: str, environment: dict[str, str]) -> None:
    async with connect(transport, environment, "--dataset", "boats") as client:
        found = await client.call_tool("search", {"query": "ship"})  # there is just one
        other = await client.call_tool("search", {"query": "hen", "dataset": "birds"})
        resources = [resource.uri for resource in (await client.list_resources()).resources]
        with pytest.raises(MCPError, match="want one of 'boats'"):
            await client.read_resource("reka://datasets/birds/documents/hen")

    assert found.structured_content["results"][0]["text"] == "The ship sails to Bergen."
    assert other.is_error
    assert resources == ["reka://datasets/boats", "reka://datasets/boats/documents/ship"]


def test_a_web_page_of_another_origin_is_refused(environment: dict[str, str]) -> None:
    with run_on_port(environment) as address:
        answers = [
            requests.post(address, json={}, headers=headers)
            for headers in ({"Origin": "https://example.org"}, {"Host": "example.org"})
        ]

    assert [answer.status_code for answer in answers] == [403, 421]


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1"])
def test_a_port_that_other_machines_reach_is_refused(host: str) -> None:
    command = [sys.executable, "-m", "reka.cli", "mcp", "--http", "--host", host]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "whoever reaches the port reads with your key" in done.stderr


def test_a_program_that_closes_standard_input_ends_the_server(environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "reka.cli", "mcp"]
    variables = {**os.environ, **environment}

    done = subprocess.run(
        command, input="", capture_output=True, text=True, timeout=PATIENCE, env=variables, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
