"""The signatures of the public functions: as documented, and made of names that `reka` exports."""

import ast
import inspect
import sys
import typing
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import reka

DOCUMENTED = {
    "chat": (
        "(human=None, media_url=None, media_filename=None, conversation_history=None, retrieval_dataset=None, "
        "model_name='reka-flash', request_output_len=None, temperature=None, random_seed=None, runtime_top_k=None, "
        "runtime_top_p=None, frequency_penalty=None, presence_penalty=None, length_penalty=None, stop_words=None, "
        "extra_request_args=None)"
    ),
    "add_dataset": "(filepath, name, description=None)",
    "list_datasets": "()",
    "delete_dataset": "(name)",
    "prepare_retrieval": "(dataset_name)",
    "retrieval_job_status": "(job_id)",
}
"""Each function of the documented API, without annotations."""

CONVERSATION = ("human", "media_url", "media_filename", "conversation_history")


def _functions() -> dict[str, Callable[..., Any]]:
    return {name: function for name in reka.__all__ if inspect.isfunction(function := getattr(reka, name))}


def _is_public(name: str) -> bool:
    return name == "__init__" or not name.startswith("_")


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())


def _without_annotations(parameters: list[inspect.Parameter]) -> str:
    return str(inspect.Signature([parameter.replace(annotation=parameter.empty) for parameter in parameters]))


def _names_in_signatures(kind: type) -> set[str]:
    """Give the names that a class's module imports from `reka` for the signatures of the class's public methods."""
    module = ast.parse(inspect.getsource(sys.modules[kind.__module__])).body
    imports = [node for node in module if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("reka")]
    own = {name.asname or name.name for node in imports for name in node.names if node.module != "reka._compat"}
    body = next(node.body for node in module if isinstance(node, ast.ClassDef) and node.name == kind.__name__)
    names: set[str] = set()
    for function in body:
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and _is_public(function.name):
            arguments = [node for node in ast.walk(function.args) if isinstance(node, ast.arg)]
            for annotation in filter(None, [function.returns, *(argument.annotation for argument in arguments)]):
                names |= {node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)}
    return names & own


def _own_classes(hint: object) -> Iterator[type]:
    """Give the classes of `reka` that a type is made of."""
    if isinstance(hint, type) and hint.__module__.partition(".")[0] == "reka":
        yield hint
    for argument in typing.get_args(hint):
        for part in argument if isinstance(argument, list) else [argument]:
            yield from _own_classes(part)


def test_the_documented_functions_have_the_documented_parameters() -> None:
    positional = {
        name: [parameter for parameter in _parameters(getattr(reka, name)) if parameter.kind != parameter.KEYWORD_ONLY]
        for name in DOCUMENTED
    }

    assert {name: _without_annotations(parameters) for name, parameters in positional.items()} == DOCUMENTED


def test_what_else_a_documented_function_takes_is_optional() -> None:
    keyword_only = {
        (name, parameter.name): parameter.default
        for name in DOCUMENTED
        for parameter in _parameters(getattr(reka, name))
        if parameter.kind == parameter.KEYWORD_ONLY
    }

    assert keyword_only == {("add_dataset", "on_progress"): None, ("chat", "retrieval_filter"): None}


def test_each_function_has_the_signature_of_the_method() -> None:
    functions = _functions()

    assert functions.keys() >= DOCUMENTED.keys()
    for name, function in functions.items():
        assert _parameters(function) == _parameters(getattr(reka.Reka, name))[1:], name


def test_stream_takes_what_chat_takes_and_a_timeout() -> None:
    chat, stream = (dict(inspect.signature(function).parameters) for function in (reka.chat, reka.stream))

    timeout = stream.pop("timeout")

    assert list(stream.items()) == list(chat.items())
    assert (timeout.kind, timeout.default) == (timeout.KEYWORD_ONLY, None)


@pytest.mark.parametrize("kind", [reka.Reka, reka.AsyncReka])
def test_every_name_in_the_signatures_of_a_client_is_exported(kind: type) -> None:
    bases = [base for base in kind.__mro__ if base.__module__.startswith("reka")]

    names = set().union(*map(_names_in_signatures, bases))

    assert {"CompletionOptions", "OnEvent", "OnUpdate", "Timeout", "Turn"} <= names
    assert names - set(reka.__all__) == set()


@pytest.mark.parametrize("kind", [reka.Reka, reka.AsyncReka])
def test_every_class_in_the_signatures_of_a_client_is_exported_and_so_are_the_classes_of_its_fields(kind: type) -> None:
    methods = [method for name, method in inspect.getmembers(kind, inspect.isfunction) if _is_public(name)]
    pending = [hint for method in methods for hint in typing.get_type_hints(method).values()]
    exported = [getattr(reka, name) for name in reka.__all__]
    found: set[type] = set()

    while pending:
        for own in set(_own_classes(pending.pop())) - found:
            found.add(own)
            pending += typing.get_type_hints(own).values()

    assert {reka.RequestEvent, reka.Timeout, reka.Usage} <= found
    assert [own for own in found if own not in exported] == []


def test_chat_options_are_the_parameters_of_chat_beside_the_conversation() -> None:
    parameters = {name: hint for name, hint in typing.get_type_hints(reka.chat).items() if name != "return"}

    options = {name: hint for name, hint in parameters.items() if name not in CONVERSATION}

    assert parameters.keys() - options.keys() == set(CONVERSATION)
    assert list(typing.get_type_hints(reka.ChatOptions).items()) == list(options.items())


@pytest.mark.parametrize("options", [reka.ChatOptions, reka.CompletionOptions])
def test_each_option_says_what_it_is(options: type) -> None:
    source = ast.parse(inspect.getsource(options)).body[0]
    assert isinstance(source, ast.ClassDef)
    fields = source.body[1:]

    described = [
        field.target.id
        for field, text in zip(fields[::2], fields[1::2], strict=True)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
    ]

    assert described == list(options.__annotations__)


def test_the_help_of_complete_names_each_option() -> None:
    text = inspect.getdoc(reka.complete) or ""

    assert [name for name in reka.CompletionOptions.__annotations__ if f"`{name}`" not in text] == []
