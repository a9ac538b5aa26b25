"""What LlamaIndex's storage context keeps of an index: where its dataset is, and never the API key."""

from dataclasses import dataclass
from typing import Any, Final, cast

from llama_index.core.data_structs.data_structs import IndexDict
from llama_index.core.data_structs.registry import INDEX_STRUCT_TYPE_TO_INDEX_STRUCT_CLASS
from llama_index.core.data_structs.struct_type import IndexStructType

STRUCT_TYPE: Final = cast("IndexStructType", "reka_dataset")
"""Kind of the index in LlamaIndex's registries, whose keys are texts too."""


@dataclass
class DatasetStruct(IndexDict):
    """Names the dataset of an index, and the server that has it."""

    dataset: str = ""
    """Label of the dataset."""

    name: str = ""
    """Its stored name."""

    base_url: str | None = None
    datasets: str | None = None

    manifest: dict[str, Any] | None = None
    """What the dataset is made of, where its host does not say."""

    @property
    def connection(self) -> dict[str, Any]:
        """Arguments about the connection, as far as they are kept."""
        return {"base_url": self.base_url, "datasets": self.datasets}

    @classmethod
    def get_type(cls) -> IndexStructType:
        """Kind of the index, by which `load_index_from_storage` finds its class."""
        return STRUCT_TYPE


INDEX_STRUCT_TYPE_TO_INDEX_STRUCT_CLASS[STRUCT_TYPE] = DatasetStruct
