"""Filters over the metadata of documents: the JSON objects that callers write, parsed.

A filter is a JSON object. Each of its keys is a key of the metadata, or `$and`, `$or` or `$not`; all entries of an
object must hold:

    {"lang": "de", "year": {"$gte": 2020, "$lt": 2024}, "$or": [{"tags": {"$contains": "news"}}, {"draft": true}]}

Keys and values are data. A key is taken literally: `a.b` is the key `a.b`, and a key that starts with `$` cannot be
named. What a comparison means for the metadata of one document:

| operator | holds if the value under the key |
| --- | --- |
| `$eq`, or a value without operator | equals this text, number, boolean, null or list of such |
| `$ne` | does not equal it |
| `$in`, `$nin` | equals one, or none, of the values of this list |
| `$gt`, `$gte`, `$lt`, `$lte` | is a number and compares so with this number, or a text with this text |
| `$contains` | is a list that has this value, or a text that has this text in it |

- A key that the metadata lacks fails every comparison but `$ne` and `$nin`, which hold. `null` is a value: only a key
  whose value is null equals it.
- Numbers equal and compare with numbers (1 equals 1.0), texts with texts; a boolean is no number, and equals booleans
  alone. What is of different types is unequal, and comes neither before nor after.
- Texts compare by code point, with case, and are not normalised.
- `$and` and `$or` take a list of one filter or more, `$not` one filter: it holds where that does not, and so does the
  `$not` of a key, `{"year": {"$not": {"$gt": 2020}}}`. The empty filter holds for every document.

A filter has at most `MAX_FILTER_DEPTH` combinations inside each other, `MAX_FILTER_CONDITIONS` comparisons and
combinations in all, and `MAX_FILTER_VALUES` values in its lists.
"""

from reka._protocol.filters.evaluate import MISSING, identity, matches, predicate
from reka._protocol.filters.parse import (
    MAX_FILTER_CONDITIONS,
    MAX_FILTER_DEPTH,
    MAX_FILTER_VALUES,
    Combination,
    Comparison,
    Filter,
    Parser,
    parse_filter,
)

__all__ = [
    "MAX_FILTER_CONDITIONS",
    "MAX_FILTER_DEPTH",
    "MAX_FILTER_VALUES",
    "MISSING",
    "Combination",
    "Comparison",
    "Filter",
    "Parser",
    "identity",
    "matches",
    "parse_filter",
    "predicate",
]
