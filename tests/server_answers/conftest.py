import pytest

from tests.server_answers.asking import Ask, WordBag, ask


@pytest.fixture
def embedder() -> WordBag:
    return WordBag()


@pytest.fixture
def question() -> Ask:
    return ask
