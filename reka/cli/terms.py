"""Messages of the client in the command line's own words: options and commands for arguments and functions."""

import re
from typing import Final

NO_KEY: Final = (
    "no API key: `export REKA_API_KEY=...`, or add --local, which uses a server inside this process and needs none; "
    "`reka demo` shows what that does; `reka serve` takes any key until some are created for it"
)

_NAMES: Final = {
    "api_key": "REKA_API_KEY",
    "base_url": "--base-url",
    "conversation_history": "the conversation",
    "dataset": "NAME",
    "dataset_name": "NAME",
    "datasets": "--datasets",
    "delete_documents": "reka datasets rm",
    "describe_dataset": "reka datasets show",
    "description": "--description",
    "export_dataset": "reka datasets export",
    "filepath": "PATH",
    "files": "PATH",
    "filter": "--filter",
    "folder": "PATH",
    "form": "--form",
    "frequency_penalty": "--frequency-penalty",
    "human": "QUESTION",
    "ids": "ID",
    "job_id": "JOB_ID",
    "k": "--top",
    "length_penalty": "--length-penalty",
    "list_documents": "reka datasets documents",
    "media_filename": "--media",
    "media_url": "--media",
    "metadata": "--metadata",
    "mode": "--mode",
    "model_name": "--model",
    "name": "NAME",
    "path": "PATH",
    "presence_penalty": "--presence-penalty",
    "put_documents": "reka datasets put",
    "query": "QUERY",
    "random_seed": "--seed",
    "request_output_len": "--max-tokens",
    "retrieve": "reka datasets search",
    "retrieval_dataset": "--dataset",
    "retrieval_filter": "--filter",
    "runtime_top_k": "--top-k",
    "runtime_top_p": "--top-p",
    "stop_words": "--stop",
    "temperature": "--temperature",
    "timeout": "--timeout",
}
"""What a user of the command writes for an argument, or a function, of the client."""

_PHRASES: Final = (
    (
        r"`?prepare_retrieval\(['\"]?([^'\"()]*)['\"]?\)`?(?:, wait until its job is COMPLETE(?=,))?",
        r"`reka retrieval prepare \1`",
    ),
    (r"call (?=`reka )", "run "),
    (r"\bensure_dataset (?=uploads )", "`reka datasets add` "),
    (r"; delete_dataset deletes them all", "; `reka datasets delete NAME` deletes them all"),
    (r"\bdatasets=\"local\"", "--datasets local"),
    (r"\breka\.BASE_URL = \"local\"", "--local"),
    (r"\bbase_url=(['\"])local\1", "--local"),
    (r"\bgive retrieval_dataset as well", "give --dataset as well"),
    (r"\bretrieval_dataset=\"\.\.\.\"", "--dataset NAME"),
    (r"\bbase_url\b(?!=)", "--base-url"),
    # Python gives a byte of arguments and pipes that is not UTF-8 as such a surrogate.
    (
        r": got the lone surrogate '\\udc(..)' at index (\d+), which UTF-8 cannot write; decode .* out$",
        r" is not UTF-8: got the byte 0x\1 at index \2; convert it, as with iconv",
    ),
    (r"\bset reka\.MODEL or ", "set --model or "),
    (r"(?<=cannot start: )data_dir: ", ""),
    (r": GET /datasets lists the existing ones", "; reka datasets list shows the datasets"),
)
"""Code in messages of client and server, and what does the same on the command line."""

_WANTS: Final = (
    (r"^Invalid value for '([^']+)'(?: / '[^']+')*: (?=Input should |Unable to parse )", r"\1: "),
    (r"\bInput should be a valid integer(?:, [^;]*)?", "want a whole number"),
    (r"\bInput should be a valid number(?:, [^;]*)?", "want a number"),
    (r"\bInput should be greater than or equal to ([\d.]+)", r"want \1 or more"),
    (r"\bInput should be less than or equal to ([\d.]+)", r"want \1 or less"),
    (r"\bInput should be greater than ([\d.]+)", r"want more than \1"),
    (r"\bInput should be a valid boolean(?:, [^;]*)?", "want true or false"),
    (r"\bInput should be a valid tuple", 'want a list, such as ["a", "b"]'),
    (r"\bInput should be ", "want "),
    (r"\bValue error, ", ""),
    (r"\bUnable to parse input string as an integer, exceeded maximum size", "want a smaller number"),
)
"""What pydantic says of a value, and what a user of the command is told."""


_ARGUMENT: Final = re.compile(r"(\w+)(?:\[\d+\])?((?:\[[^]]*\])*)")
"""An argument, and a place in it; the number of an item that is typed is of no use."""

_SETTING: Final = re.compile(r"^[a-z]+(?=: )|\b[a-z]+(?:_[a-z]+)+\b")
_UPSTREAM: Final = re.compile(r"(\b(?:set|or) )upstream\b")
_OPTION: Final = re.compile(r"^--[a-z][a-z-]*(?=[:\[])")


class Places:
    """What a message calls an option; here by its name, as if it were typed."""

    def of(self, option: str) -> str:
        """Name an option by where its value is from."""
        return option

    def option(self, field: str) -> str:
        """Name the option of a setting of the server."""
        return f"REKA_SERVER_{field.upper()}"


def in_options(message: str) -> str:
    """Write a message about arguments of the client with the options of the command.

    Args:
        message: Of an error that the client raised before anything was sent.
    """
    names, colon, rest = message.partition(": ")
    arguments = [(found[1], found[2]) for name in names.split(", ") if (found := _ARGUMENT.fullmatch(name))]
    if colon and arguments and all(name in _NAMES for name, _ in arguments):
        message = f"{', '.join(dict.fromkeys(_NAMES[name] + place for name, place in arguments))}: {rest}"
    return in_commands(message)


def in_settings(message: str, places: Places) -> str:
    """Write a message about settings of the server with the options of the command.

    Args:
        message: Of an error that keeps a server from starting.
        places: What an option is called.
    """
    from reka.server.settings import Settings

    def option(found: re.Match[str]) -> str:
        return places.option(found[0]) if found[0] in Settings.model_fields else found[0]

    message = _UPSTREAM.sub(r"\1--upstream", _SETTING.sub(option, message))
    return located(message, places)


def located(message: str, places: Places) -> str:
    """Name the option at the beginning of a message by where its value is from."""
    return _OPTION.sub(lambda found: places.of(found[0]), message)


def in_commands(message: str) -> str:
    """Write the calls of Python in a message as commands and options."""
    for code, command in _PHRASES:
        message = re.sub(code, command, message)
    return message


def in_wants(message: str) -> str:
    """Write what is wrong with the value of an option, or of a setting, as what is wanted."""
    for found, wanted in _WANTS:
        message = re.sub(found, wanted, message)
    return message
