"""Stands in for sentence-transformers, whose dependencies are large: a model that knows how many tokens a text has.

Its tokenizer keeps state as those of transformers do: whether it cuts texts is set by each call.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

MAX_TOKENS = 8


class _Tokenizer:
    def __init__(self) -> None:
        self._tokenizer = Tokenizer(WordLevel({"?": 0}, unk_token="?"))
        self._tokenizer.pre_tokenizer = WhitespaceSplit()

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        if self._tokenizer.truncation is not None:
            self._tokenizer.no_truncation()
        return self._tokenizer.encode(text, add_special_tokens=add_special_tokens).ids

    def cut(self, texts: Sequence[str]) -> list[list[int]]:
        if self._tokenizer.truncation is None:
            self._tokenizer.enable_truncation(MAX_TOKENS)
        return [one.ids for one in self._tokenizer.encode_batch(texts)]


class SentenceTransformer:
    def __init__(self, _: str, *, local_files_only: bool) -> None:
        assert local_files_only
        self.tokenizer = _Tokenizer()

    def encode(self, texts: Sequence[str], **_: Any) -> Any:
        return np.array([[len(ids), 1] for ids in self.tokenizer.cut(texts)], dtype=np.float32)
