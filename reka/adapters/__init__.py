"""What adapters to other frameworks are built on: shared clients, a background event loop, facts of the API."""

from reka._calls.capabilities import Refusals
from reka._inputs.documents import metadata_filter
from reka._protocol import checks
from reka._protocol.constants import DEFAULT_MODEL, MAX_RETRIEVED_CHUNKS, MAX_SEARCH_CHUNKS, RETRIEVED_CHUNKS
from reka._protocol.filters import matches, parse_filter
from reka._protocol.media import MEDIA_KINDS, is_media_url, part_type
from reka._protocol.messages import BeyondTurns, beyond_turns, orphan_results
from reka.adapters import background_loop
from reka.adapters.documents import DocumentDatasets, Replacement, Snapshot, file_names, stored_name
from reka.adapters.sampling import SAMPLING_PARAMETERS, MaxRetries, SamplingFields, check_parameter
from reka.adapters.shared_clients import ClientSettings, SharedClients, prepare_hint, with_prepare_hint
from reka.adapters.steps import Step, Steps, atake, if_there, take
from reka.adapters.text_files import documents_of_files
from reka.adapters.tool_calls import add_delta, is_cut_off, parse_arguments, parse_calls, write_arguments

__all__ = [
    "DEFAULT_MODEL",
    "MAX_RETRIEVED_CHUNKS",
    "MAX_SEARCH_CHUNKS",
    "MEDIA_KINDS",
    "RETRIEVED_CHUNKS",
    "SAMPLING_PARAMETERS",
    "BeyondTurns",
    "ClientSettings",
    "DocumentDatasets",
    "MaxRetries",
    "Refusals",
    "Replacement",
    "SamplingFields",
    "SharedClients",
    "Snapshot",
    "Step",
    "Steps",
    "add_delta",
    "atake",
    "background_loop",
    "beyond_turns",
    "check_parameter",
    "checks",
    "documents_of_files",
    "file_names",
    "if_there",
    "is_cut_off",
    "is_media_url",
    "matches",
    "metadata_filter",
    "orphan_results",
    "parse_arguments",
    "parse_calls",
    "parse_filter",
    "part_type",
    "prepare_hint",
    "stored_name",
    "take",
    "with_prepare_hint",
    "write_arguments",
]
