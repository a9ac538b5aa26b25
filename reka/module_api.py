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


add_dataset = _function(_CLIENT.add_dataset)
add_folder = _function(_CLIENT.add_folder)
chat = _function(_CLIENT.chat)
complete = _function(_CLIENT.complete)
delete_dataset = _function(_CLIENT.delete_dataset)
delete_documents = _function(_CLIENT.delete_documents)
describe_dataset = _function(_CLIENT.describe_dataset)
describe_model = _function(_CLIENT.describe_model)
describe_models = _function(_CLIENT.describe_models)
embed = _function(_CLIENT.embed)
ensure_dataset = _function(_CLIENT.ensure_dataset)
export_dataset = _function(_CLIENT.export_dataset)
get_documents = _function(_CLIENT.get_documents)
get_models = _function(_CLIENT.get_models)
list_datasets = _function(_CLIENT.list_datasets)
list_documents = _function(_CLIENT.list_documents)
list_models = get_models
prepare_retrieval = _function(_CLIENT.prepare_retrieval)
put_documents = _function(_CLIENT.put_documents)
retrieval_job_status = _function(_CLIENT.retrieval_job_status)
retrieve = _function(_CLIENT.retrieve)
stream = _function(_CLIENT.stream)
stream_messages = _function(_CLIENT.stream_messages)
wait_for_retrieval = _function(_CLIENT.wait_for_retrieval)
