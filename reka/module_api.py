"""The functions of the module `reka`: methods of one client, which reads key and address at each call."""

from typing import Final

from reka.client import Reka

_CLIENT: Final = Reka()

add_dataset = _CLIENT.add_dataset
add_folder = _CLIENT.add_folder
chat = _CLIENT.chat
complete = _CLIENT.complete
delete_dataset = _CLIENT.delete_dataset
ensure_dataset = _CLIENT.ensure_dataset
get_models = _CLIENT.get_models
list_datasets = _CLIENT.list_datasets
list_models = _CLIENT.list_models
prepare_retrieval = _CLIENT.prepare_retrieval
retrieval_job_status = _CLIENT.retrieval_job_status
retrieve = _CLIENT.retrieve
stream = _CLIENT.stream
stream_messages = _CLIENT.stream_messages
wait_for_retrieval = _CLIENT.wait_for_retrieval
