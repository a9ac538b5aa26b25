"""JSON Schema and a text -> an instance of the schema, with values from the text where they fit. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final

Schema = Mapping[str, Any]

_NUMBER: Final = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?!\w)")
_QUOTED: Final = re.compile(r"\"([^\"]+)\"|(?<!\w)'([^']+)'(?!\w)|“([^”]+)”|「([^」]+)」")
_PLACE: Final = re.compile(r"\b(?:in|for|of|about|named|called|to) ((?:[A-Z][\w'-]*[, ]*)+)")
_FORMATS: Final = {
    "date": "2024-01-31",
    "date-time": "2024-01-31T12:00:00Z",
    "time": "12:00:00",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_DEEPEST: Final = 8


def instance(schema: Schema, text: str) -> Any:
    """An instance of a schema: required properties always, optional ones where the text names their value."""
    return _Maker(schema, text).make(schema, "", 0)


def numbers(text: str) -> list[float]:
    return [float(found) for found in _NUMBER.findall(text)]


def quoted(text: str) -> list[str]:
    return ["".join(groups) for groups in _QUOTED.findall(text)]


class _Maker:
    """Hands out the text's numbers and quoted words, each once and in order."""

    def __init__(self, root: Schema, text: str) -> None:
        self.root = root
        self.text = text
        self.numbers = numbers(_QUOTED.sub(" ", text))
        self.quoted = quoted(text)
        self.places = [place.strip(" ,") for place in _PLACE.findall(text)]

    def make(self, schema: Schema, name: str, depth: int) -> Any:
        schema = self.resolved(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            named = [value for value in schema["enum"] if str(value).lower() in self.text.lower()]
            return (named or list(schema["enum"]))[0]
        kind = schema.get("type", "object" if "properties" in schema else "string")
        kind = next((one for one in kind if one != "null"), "null") if isinstance(kind, list) else kind
        match kind:
            case "object":
                return self.object(schema, name, depth)
            case "array":
                return self.array(schema, name, depth)
            case "integer" | "number":
                number = self.number(schema, name)
                return int(number) if kind == "integer" or number.is_integer() else number
            case "boolean":
                return not re.search(r"\b(no|not|without|false)\b", self.text.lower())
            case "null":
                return None
            case _:
                return self.string(schema, name)

    def resolved(self, schema: Schema) -> Schema:
        while True:
            if "$ref" in schema:
                target: Any = self.root
                for key in schema["$ref"].removeprefix("#/").split("/"):
                    target = target[key]
                schema = target
            elif options := schema.get("anyOf") or schema.get("oneOf"):
                schema = next((one for one in options if one.get("type") != "null"), options[0])
            elif whole := schema.get("allOf"):
                schema = {key: value for part in whole for key, value in self.resolved(part).items()}
            else:
                return schema

    def object(self, schema: Schema, name: str, depth: int) -> dict[str, Any]:
        properties: Mapping[str, Schema] = schema.get("properties", {})
        required = schema.get("required", ())
        made = {}
        for key, value in properties.items():
            is_wanted = key in required or self.named(key) is not None
            if is_wanted and depth < _DEEPEST:
                made[key] = self.make(value, key, depth + 1)
        return made

    def array(self, schema: Schema, name: str, depth: int) -> list[Any]:
        items = schema.get("items", {})
        kind = self.resolved(items).get("type", "string")
        fitting = len(self.quoted) if kind == "string" else len(self.numbers) if kind in ("integer", "number") else 1
        wanted = max(schema.get("minItems", 0), min(max(fitting, 1), schema.get("maxItems", 100)))
        return [self.make(items, name, depth + 1) for _ in range(wanted if depth < _DEEPEST else 0)]

    def number(self, schema: Schema, name: str) -> float:
        named = self.named(name)
        if named and _NUMBER.fullmatch(named):
            value = float(named)
            if value in self.numbers:
                self.numbers.remove(value)
        else:
            value = self.numbers.pop(0) if self.numbers else float(schema.get("default") or 0)
        low = max(schema.get("minimum", value), schema.get("exclusiveMinimum", value - 1) + 1)
        high = min(schema.get("maximum", value), schema.get("exclusiveMaximum", value + 1) - 1)
        return float(min(max(value, low), high))

    def string(self, schema: Schema, name: str) -> str:
        named = self.named(name)
        if schema.get("format") in _FORMATS:
            value = _FORMATS[schema["format"]]
        elif named is not None:
            value = named
            if value in self.quoted:
                self.quoted.remove(value)
        elif self.quoted:
            value = self.quoted.pop(0)
        elif self.places:
            value = self.places.pop(0)
        else:
            value = self.text.strip() or name or "text"
        return value[: schema.get("maxLength")].ljust(schema.get("minLength", 0), ".")

    def named(self, name: str) -> str | None:
        """The value that the text gives under a property's name: `age = 30`, `age: 30`, `name is "Ann"`."""
        words = re.escape(name).replace("_", "[ _]")
        found = re.search(
            rf"(?i)(?<!\w)[\"']?{words}[\"']?\s*(?:=|:|\bis\b|\bnamed\b)\s*(?:\"([^\"]+)\"|'([^']+)'|([\w.-]*\w))",
            self.text,
        )
        return next(group for group in found.groups() if group) if found and name else None
