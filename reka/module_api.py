"""The functions of the module `reka`, on one client, which reads key and address at each call.

Functions, not methods: pickled by their names, they go to other processes (process pools, joblib, dask, ray).
"""

from collections.abc import Callable
from functools import wraps
from inspect import unwrap
from typing import Final, ParamSpec, TypeVar

from reka.client import Reka

P = ParamSpec("P")
T = TypeVar("T")

_CLIENT: Final = Reka()


def _function(method: Callable[P, T]) -> Callable[P, T]:
    """Make the function of `reka` that is this method."""
    method = unwrap(method)  # of `chat`, which is more than a method

    @wraps(method)
    def function(*args: P.args, **kwargs: P.kwargs) -> T:
        return method(*args, **kwargs)

    function.__module__, function.__qualname__ = "reka", function.__name__
    return function


add_dataset: Final = _function(_CLIENT.add_dataset)
add_folder: Final = _function(_CLIENT.add_folder)
chat: Final = _function(_CLIENT.chat)
complete: Final = _function(_CLIENT.complete)
delete_dataset: Final = _function(_CLIENT.delete_dataset)
delete_documents: Final = _function(_CLIENT.delete_documents)
describe_dataset: Final = _function(_CLIENT.describe_dataset)
describe_model: Final = _function(_CLIENT.describe_model)
describe_models: Final = _function(_CLIENT.describe_models)
embed: Final = _function(_CLIENT.embed)
ensure_dataset: Final = _function(_CLIENT.ensure_dataset)
export_dataset: Final = _function(_CLIENT.export_dataset)
get_documents: Final = _function(_CLIENT.get_documents)
get_models: Final = _function(_CLIENT.get_models)
list_datasets: Final = _function(_CLIENT.list_datasets)
list_documents: Final = _function(_CLIENT.list_documents)
list_models: Final = get_models
prepare_retrieval: Final = _function(_CLIENT.prepare_retrieval)
put_documents: Final = _function(_CLIENT.put_documents)
retrieval_job_status: Final = _function(_CLIENT.retrieval_job_status)
retrieve: Final = _function(_CLIENT.retrieve)
stream: Final = _function(_CLIENT.stream)
stream_messages: Final = _function(_CLIENT.stream_messages)
wait_for_retrieval: Final = _function(_CLIENT.wait_for_retrieval)
