"""What a server has for OpenAI's API, put together."""

from typing import NamedTuple

from reka.server.settings import Settings
from reka.server.storage.database import Database
from reka.server.storage.datasets import Datasets
from reka.server.storage.documents import Documents
from reka.server.storage.jobs import Jobs
from reka.server.storage.openai.files import Files, ReadText
from reka.server.storage.openai.store_files import StoreFiles
from reka.server.storage.openai.stores import VectorStores
from reka.server.storage.retriever import Retriever


class OpenAIParts(NamedTuple):
    """The parts."""

    files: Files
    vector_stores: VectorStores
    store_files: StoreFiles


def make_parts(
    database: Database,
    datasets: Datasets,
    documents: Documents,
    jobs: Jobs,
    retriever: Retriever,
    read_text: ReadText,
    limits: Settings,
) -> OpenAIParts:
    """Make the parts of one server; the arguments are those of their classes."""
    files = Files(database, documents, read_text, limits)
    stores = VectorStores(database, datasets, jobs, retriever, limits)
    return OpenAIParts(files, stores, StoreFiles(database, stores, files, documents, jobs, read_text))
