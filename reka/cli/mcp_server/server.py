"""The server's tools and resources, by the client of the datasets."""

import json
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Annotated, Any, ClassVar, Final

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextContent,
    TextResourceContents,
    Tool,
    ToolAnnotations,
)
from pydantic import BaseModel, ConfigDict, Field, ValidationError

import reka
from reka.cli.mcp_server.addresses import (
    DATASET_TEMPLATE,
    DOCUMENT_TEMPLATE,
    dataset_address,
    document_address,
    parse_address,
)
from reka.cli.mcp_server.words import LIST, said, said_of_arguments
from reka.types import RetrievedChunk

SEARCH: Final = "search"

_JSON: Final = "application/json"
_TEXT: Final = "text/plain"

MAX_LISTED_DOCUMENTS: Final = 200
"""Documents of a dataset that are listed as resources, and in its description: a client shows lists whole (ours)."""

_INSTRUCTIONS: Final = (
    "Datasets are collections of texts. Find passages in one with the tool `search`; read a whole document by the "
    "resource that a passage names."
)


class SearchArguments(BaseModel):
    """Arguments of the tool `search`."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    query: Annotated[str, Field(min_length=1, description="What to look for: a question, or words.")]
    dataset: Annotated[str | None, Field(description="Name of the dataset; may be left out if there is just one.")] = (
        None
    )
    k: Annotated[int, Field(ge=1, le=50, description="Maximum number of passages.")] = 5
    filter: Annotated[
        dict[str, Any] | None,
        Field(description='Condition on the metadata of documents, such as {"lang": "de", "year": {"$gte": 2020}}.'),
    ] = None


class DatasetTools:
    """What the server does for its clients."""

    def __init__(self, client: reka.AsyncReka, only: Sequence[str] = ()) -> None:
        """Offer the datasets of `client`, or only those of these names."""
        self._client = client
        self._only = tuple(only)

    async def list_tools(self, _: ServerRequestContext[Any], __: PaginatedRequestParams | None) -> ListToolsResult:
        """Describe the tools."""
        reads = ToolAnnotations(read_only_hint=True, open_world_hint=False)
        return ListToolsResult(
            tools=[
                Tool(
                    name=SEARCH,
                    title="Search a dataset",
                    description="Find the passages of a dataset of texts that fit a query best, with their sources.",
                    input_schema=SearchArguments.model_json_schema(),
                    annotations=reads,
                ),
                Tool(
                    name=LIST,
                    title="List datasets",
                    description="List the datasets that can be searched, with what they hold.",
                    input_schema={"type": "object", "properties": {}},
                    annotations=reads,
                ),
            ]
        )

    async def call_tool(self, _: ServerRequestContext[Any], params: CallToolRequestParams) -> CallToolResult:
        """Run a tool; what goes wrong is in its result, where a model reads it."""
        try:
            if params.name == SEARCH:
                return await self._search(SearchArguments.model_validate(params.arguments or {}))
            if params.name == LIST:
                found = [await self._describe(name) for name in await self._names()]
                return _result("\n".join(map(_dataset_line, found)) or "There are no datasets.", {"datasets": found})
        except ValidationError as error:
            return _failure(said_of_arguments(error))
        except reka.RekaError as error:
            return _failure(said(error))
        raise MCPError(INVALID_PARAMS, f"There is no tool {params.name[:100]!r}; there are {SEARCH} and {LIST}")

    async def list_resources(
        self, _: ServerRequestContext[Any], __: PaginatedRequestParams | None
    ) -> ListResourcesResult:
        """List the datasets, and the first documents of each."""
        resources = []
        try:
            for name in await self._names():
                resources.append(Resource(uri=dataset_address(name), name=name, title=name, mime_type=_JSON))
                resources += [
                    Resource(
                        uri=document_address(name, one["id"]),
                        name=one.get("source") or one["id"],
                        description=f"A document of the dataset {name}",
                        mime_type=_TEXT,
                        size=one["size_bytes"],
                    )
                    for one in await self._documents(name)
                ]
        except reka.RekaError as error:
            raise MCPError(INVALID_PARAMS, said(error)) from error
        return ListResourcesResult(resources=resources)

    async def list_templates(
        self, _: ServerRequestContext[Any], __: PaginatedRequestParams | None
    ) -> ListResourceTemplatesResult:
        """Describe the addresses of resources."""
        return ListResourceTemplatesResult(
            resource_templates=[
                ResourceTemplate(
                    uri_template=DATASET_TEMPLATE,
                    name="dataset",
                    description="What a dataset holds: its state, its size, its first documents.",
                    mime_type=_JSON,
                ),
                ResourceTemplate(
                    uri_template=DOCUMENT_TEMPLATE,
                    name="document",
                    description="The text of a document of a dataset.",
                    mime_type=_TEXT,
                ),
            ]
        )

    async def read_resource(
        self, _: ServerRequestContext[Any], params: ReadResourceRequestParams
    ) -> ReadResourceResult:
        """Read a dataset's description, or a document's text."""
        uri = str(params.uri)
        address = parse_address(uri)
        if address is None:
            raise MCPError(INVALID_PARAMS, f"There is no resource {uri[:200]!r}; they begin with reka://datasets/")
        try:
            self._require(address.dataset)
            if address.document is None:
                described = {
                    **await self._describe(address.dataset),
                    "first_documents": await self._documents(address.dataset),
                }
                return _contents(uri, _JSON, json.dumps(described, ensure_ascii=False))
            found = await self._client.get_documents(address.dataset, [address.document])
        except reka.RekaError as error:
            raise MCPError(INVALID_PARAMS, said(error)) from error
        if not found:
            raise MCPError(INVALID_PARAMS, f"There is no document {address.document[:200]!r} in {address.dataset!r}")
        return _contents(uri, _TEXT, found[0]["text"])

    async def _search(self, arguments: SearchArguments) -> CallToolResult:
        dataset = arguments.dataset or await self._the_dataset()
        self._require(dataset)
        chunks = await self._client.retrieve(arguments.query, dataset, arguments.k, filter=arguments.filter)
        passages = [_passage(dataset, chunk) for chunk in chunks]
        text = "\n\n".join(map(_passage_text, count(1), passages)) or "Nothing was found."
        return _result(text, {"dataset": dataset, "results": passages})

    async def _names(self) -> Sequence[str]:
        return self._only or await self._client.list_datasets()

    async def _the_dataset(self) -> str:
        names = await self._names()
        if len(names) == 1:
            return names[0]
        shown = ", ".join(map(repr, names[:20])) or "none: upload one with `reka datasets add`"
        raise reka.InvalidArgumentError(f"dataset: want the name of one; there are {shown}")

    def _require(self, dataset: str) -> None:
        if self._only and dataset not in self._only:
            shown = ", ".join(map(repr, self._only))
            raise reka.InvalidArgumentError(f"dataset: got {dataset[:100]!r}, want one of {shown}")

    async def _describe(self, name: str) -> dict[str, Any]:
        try:
            info: Mapping[str, Any] = await self._client.describe_dataset(name)
        except reka.UnsupportedRequestError:  # of a host that has datasets, and nothing to say of them
            info = {"name": name}
        return {key: info.get(key) for key in ("name", "description", "state", "documents", "chunks", "size_bytes")}

    async def _documents(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        documents = self._client.list_documents(name)
        try:
            async for one in documents:
                if len(found) == MAX_LISTED_DOCUMENTS:
                    break
                found.append({key: one.get(key) for key in ("id", "source", "metadata", "size_bytes")})
        except reka.UnsupportedRequestError:  # likewise
            pass
        finally:
            await documents.aclose()
        return found


def make_server(client: reka.AsyncReka, only: Sequence[str] = ()) -> Server[Any]:
    """Make a server that offers the datasets of a client.

    Args:
        client: Asks the server that has the datasets.
        only: Names of the datasets to offer; all if there is none.
    """
    tools = DatasetTools(client, only)
    return Server(
        "reka",
        version=reka.__version__,
        title="Reka datasets",
        instructions=_INSTRUCTIONS,
        on_list_tools=tools.list_tools,
        on_call_tool=tools.call_tool,
        on_list_resources=tools.list_resources,
        on_list_resource_templates=tools.list_templates,
        on_read_resource=tools.read_resource,
    )


def _passage(dataset: str, chunk: RetrievedChunk) -> dict[str, Any]:
    passage: dict[str, Any] = {
        key: chunk.get(key) for key in ("text", "context", "source", "document_id", "score", "metadata")
    }
    if (document := chunk.get("document_id")) is not None:
        passage["resource"] = document_address(dataset, document)
    return passage


def _passage_text(rank: int, passage: Mapping[str, Any]) -> str:
    score = "" if passage["score"] is None else f", score {passage['score']:.2f}"
    resource = f", {passage['resource']}" if "resource" in passage else ""
    context = f"{passage['context']}\n" if passage["context"] else ""
    return f"[{rank}] {passage['source'] or 'unknown source'}{score}{resource}\n{context}{passage['text']}"


def _dataset_line(info: Mapping[str, Any]) -> str:
    size = "" if info["documents"] is None else f" ({info['state']}, {info['documents']} documents)"
    about = f": {info['description']}" if info["description"] else ""
    return f"{info['name']}{size}{about}"


def _result(text: str, structured: dict[str, Any]) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=text)], structured_content=structured)


def _failure(text: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=text)], is_error=True)


def _contents(uri: str, mime_type: str, text: str) -> ReadResourceResult:
    return ReadResourceResult(contents=[TextResourceContents(uri=uri, mime_type=mime_type, text=text)])
