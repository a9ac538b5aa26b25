"""Parts of responses that all API families share: the answer's choice, token usage, further fields."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from reka.types import Pricing, Usage

_INPUT: Final = ("prompt_tokens", "input_tokens")
_OUTPUT: Final = ("completion_tokens", "output_tokens", "generated_tokens")
_CACHED: Final = ("cached_tokens", "prompt_cache_hit_tokens")
_REASONING: Final = ("reasoning_tokens",)
_TOTALS: Final = frozenset({*_INPUT, *_OUTPUT, "total_tokens"})


def answer_choice(choices: object) -> Mapping[str, Any] | None:
    """Return the choice of index 0, or the first without an index; None if there is none. Others are other answers."""
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and not choice.get("index"):
            return choice
    return None


def further_fields(fields: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """Select the fields that are not known; null is the same as no field."""
    return {name: value for name, value in fields.items() if name not in known and value is not None}


def read_usage(usage: object) -> Usage | None:
    """Read token counts under any server's names; None if those of input or output are missing."""
    if not isinstance(usage, dict) or (totals := _totals(usage)) is None:
        return None
    if usage.keys() <= _TOTALS:  # as most servers send it
        return Usage(*totals, raw=usage)
    return Usage(
        *totals,
        _detail(usage, _CACHED, "prompt_tokens_details", "input_tokens_details"),
        _detail(usage, _REASONING, "completion_tokens_details", "output_tokens_details"),
        _cost(usage.get("cost")),
        usage,
    )


def priced(usage: Usage, pricing: Pricing) -> Usage:
    """Compute the cost of an answer from the model's prices, if its server does not say it."""
    return usage if usage.cost is not None else replace(usage, cost=pricing.cost_of(usage))


def read_turn_usage(turn: Mapping[str, object]) -> Usage | None:
    """Read the token counts of a `POST /chat` response: its `usage`, else the `metadata` of older servers."""
    usage = read_usage(turn.get("usage"))
    if usage is not None:
        return usage
    metadata = turn.get("metadata")
    # No `raw`: it is not a usage object, and the response keeps it as `metadata`.
    totals = _totals(metadata) if isinstance(metadata, dict) else None
    return None if totals is None else Usage(*totals)


def _totals(fields: Mapping[str, object]) -> tuple[int, int] | None:
    input_tokens, output_tokens = _count(fields, _INPUT), _count(fields, _OUTPUT)
    return None if input_tokens is None or output_tokens is None else (input_tokens, output_tokens)


def _detail(usage: Mapping[str, object], names: tuple[str, ...], *groups: str) -> int | None:
    """Read a count that stands in a group of details, or beside the totals."""
    for group in groups:
        fields = usage.get(group)
        if isinstance(fields, dict) and (count := _count(fields, names)) is not None:
            return count
    return _count(usage, names)


def _count(fields: Mapping[str, object], names: tuple[str, ...]) -> int | None:
    for name in names:
        value = fields.get(name)
        if value is not None:
            break
    else:
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _cost(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
