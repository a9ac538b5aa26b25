"""The OpenAI SDK's files and vector stores; writes what came back as JSON. Run it with address, key, folder."""

import asyncio
import io
import json
import pathlib
import sys

import openai
from openai import AsyncOpenAI, OpenAI

url, key, folder = sys.argv[1:]
folder = pathlib.Path(folder)
OWL = "The owl of the mill hunts at night, and sleeps in the day."
HEN = "The hen of the farm lays twelve eggs each week."
FOX = "The fox of the wood eats hens, if nobody closes the gate."


def refusal(call):
    try:
        call()
    except openai.APIStatusError as error:
        return {"class": type(error).__name__, "status": error.status_code, "type": error.type, "said": error.message}
    return None


def named(name, text):
    path = folder / name
    path.write_text(text)
    return path


def ids(page):
    return [one.id for one in page]


def files(client):
    path = named("owl.md", OWL)
    first = client.files.create(file=path.open("rb"), purpose="assistants")
    second = client.files.create(file=("hen note.txt", HEN.encode()), purpose="user_data")
    third = client.files.create(
        file=("fox.txt", io.BytesIO(FOX.encode())),
        purpose="assistants",
        expires_after={"anchor": "created_at", "seconds": 3600},
    )
    seen = {
        "file": first.model_dump(),
        "same": client.files.retrieve(first.id).model_dump() == first.model_dump(),
        "waited": client.files.wait_for_processing(first.id).status,
        "content": client.files.content(second.id).text,
        "names": [one.filename for one in client.files.list(order="asc")],
        "of a purpose": [one.filename for one in client.files.list(purpose="user_data")],
        "pages": [one.filename for one in client.files.list(limit=1, order="asc")],
        "expires": third.expires_at - third.created_at,
        "pdf": refusal(lambda: client.files.create(file=("a.pdf", b"%PDF-1.7\n%\xe2\xe3"), purpose="assistants")),
        "empty": refusal(lambda: client.files.create(file=("a.txt", b" \n"), purpose="assistants")),
        "unknown file": refusal(lambda: client.files.retrieve("file-0123")),
        "deleted": client.files.delete(third.id).deleted,
        "gone": refusal(lambda: client.files.retrieve(third.id)),
    }
    return seen, first, second


def stores(client, owl, hen):
    store = client.vector_stores.create(name="Farm & mill", metadata={"topic": "animals"}, file_ids=[owl.id])
    attached = client.vector_stores.files.create_and_poll(
        hen.id, vector_store_id=store.id, attributes={"farm": True, "year": 2024, "kind": "bird"}
    )
    uploaded = client.vector_stores.files.upload_and_poll(
        vector_store_id=store.id,
        file=named("fox.txt", FOX),
        chunking_strategy={"type": "static", "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}},
    )
    client.vector_stores.files.update(uploaded.id, vector_store_id=store.id, attributes={"farm": False, "year": 2020})
    client.vector_stores.files.poll(uploaded.id, vector_store_id=store.id)

    def search(query, **more):
        return [
            (one.filename, one.attributes, one.content[0].text, one.score)
            for one in client.vector_stores.search(store.id, query=query, **more)
        ]

    year = {"key": "year", "type": "gte", "value": 2022}
    seen = {
        "store": client.vector_stores.retrieve(store.id).model_dump(),
        "attached": attached.model_dump(),
        "listed": store.id in ids(client.vector_stores.list(limit=1)),
        "files": sorted(ids(client.vector_stores.files.list(store.id))) == sorted([owl.id, hen.id, uploaded.id]),
        "in pages": len(ids(client.vector_stores.files.list(store.id, limit=1, order="asc"))),
        "completed": len(ids(client.vector_stores.files.list(store.id, filter="completed"))),
        "failed": len(ids(client.vector_stores.files.list(store.id, filter="failed"))),
        "content": [one.text for one in client.vector_stores.files.content(hen.id, vector_store_id=store.id)],
        "found": search("eggs of a hen", max_num_results=1, rewrite_query=True),
        "of two queries": sorted({name for name, *_ in search(["hunts at night", "closes the gate"])}),
        "filtered": [name for name, *_ in search("the", filters=year)],
        "either": sorted(
            {
                name
                for name, *_ in search(
                    "the",
                    filters={"type": "or", "filters": [year, {"key": "farm", "type": "eq", "value": False}]},
                    ranking_options={"ranker": "auto", "score_threshold": 0.0},
                )
            }
        ),
        "above all": search("the", ranking_options={"score_threshold": 1.0}),
        "bad filter": refusal(lambda: search("the", filters={"key": "year", "type": "like", "value": 1})),
        "unknown store": refusal(lambda: client.vector_stores.retrieve("vs_0123")),
        "renamed": client.vector_stores.update(store.id, name="Animals", metadata={"topic": "farm"}).model_dump(),
        "detached": client.vector_stores.files.delete(owl.id, vector_store_id=store.id).deleted,
        "left": client.files.retrieve(owl.id).filename,
    }
    client.files.delete(uploaded.id)
    seen["after deleting a file"] = ids(client.vector_stores.files.list(store.id)) == [hen.id]
    return seen, store


def batches(client, store):
    paths = [named(f"note{number}.txt", f"Note {number} is about boat number {number}.") for number in range(4)]
    batches = client.vector_stores.file_batches
    batch = batches.upload_and_poll(store.id, files=[path.open("rb") for path in paths])
    uploaded = ids(batches.list_files(batch.id, vector_store_id=store.id))
    with_own = batches.create_and_poll(
        store.id,
        files=[{"file_id": file, "attributes": {"number": number}} for number, file in enumerate(uploaded)],
    )
    listed = list(batches.list_files(with_own.id, vector_store_id=store.id, order="asc"))
    found = client.vector_stores.search(store.id, query="boat number 3", max_num_results=1)
    return {
        "batch": batch.model_dump(),
        "again": batches.retrieve(batch.id, vector_store_id=store.id).status,
        "attributes": sorted(one.attributes["number"] for one in listed),
        "cancelled after its end": batches.cancel(batch.id, vector_store_id=store.id).status,
        "found": [one.filename for one in found],
        "unknown batch": refusal(lambda: batches.retrieve("vsfb_0", vector_store_id=store.id)),
    }


def of_others(client, stranger, store, file):
    return {
        "files": ids(stranger.files.list()),
        "stores": ids(stranger.vector_stores.list()),
        "refusals": [
            (refused or {}).get("status")
            for refused in (
                refusal(lambda: stranger.files.retrieve(file.id)),
                refusal(lambda: stranger.files.content(file.id)),
                refusal(lambda: stranger.files.delete(file.id)),
                refusal(lambda: stranger.vector_stores.retrieve(store.id)),
                refusal(lambda: list(stranger.vector_stores.search(store.id, query="hen"))),
                refusal(lambda: stranger.vector_stores.delete(store.id)),
                refusal(lambda: stranger.vector_stores.create(file_ids=[file.id])),
            )
        ],
    }


async def asynchronous(store, file):
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as client:
        new = await client.vector_stores.create(name="async", expires_after={"anchor": "last_active_at", "days": 7})
        added = await client.vector_stores.files.create_and_poll(file.id, vector_store_id=new.id)
        found = [one.filename async for one in client.vector_stores.search(new.id, query="hen", max_num_results=3)]
        nothing = [one async for one in client.vector_stores.files.list(new.id, filter="in_progress")]
        deleted = await client.vector_stores.delete(new.id)
        return {
            "days": new.expires_after.days,
            "status": added.status,
            "found": found,
            "nothing": nothing,
            "deleted": deleted.deleted,
        }


client = OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)
stranger = OpenAI(base_url=f"{url}/v1", api_key=f"{key}-of-another", max_retries=0)
seen = {}
seen["files"], owl, hen = files(client)
seen["stores"], store = stores(client, owl, hen)
seen["batches"] = batches(client, store)
seen["others"] = of_others(client, stranger, store, hen)
seen["async"] = asyncio.run(asynchronous(store, hen))
seen["store"] = store.id
seen["deleted store"] = client.vector_stores.delete(store.id).deleted
seen["store is gone"] = refusal(lambda: client.vector_stores.retrieve(store.id))
seen["files stay"] = client.files.retrieve(hen.id).filename
print(json.dumps(seen))
