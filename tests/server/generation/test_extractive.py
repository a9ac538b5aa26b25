import asyncio
from typing import Any

import pytest

from reka.server.generation.concurrency import ConcurrencyLimiter
from reka.server.generation.extractive import ExtractiveBackend
from reka.server.generation.factory import make_backend
from reka.server.generation.types import Snippet
from reka.server.settings import Settings
from reka.server.telemetry.metrics import Metrics
from tests.support.embedders import WordEmbedder
from tests.support.generation_requests import Ask

WITH = Snippet(
    text='The "with" statement wraps a block with methods of a context manager.\nIt makes cleanup\nsure.',
    source="with.txt",
    score=1.0,
    similarity=0.8,
)
CATS = Snippet(text="Cats purr when they are happy. Dogs bark.", source="animals/cats.txt", score=0.5, similarity=0.1)


@pytest.fixture
def backend(embedder: WordEmbedder) -> ExtractiveBackend:
    return ExtractiveBackend(embedder)


async def test_what_the_human_said_earlier_is_quoted_when_it_answers(backend: ExtractiveBackend, question: Ask) -> None:
    answer = await backend.generate(question("Hi, my name is John.", "Hi, I'm Reka's assistant.", "What was my name?"))

    assert "> Hi, my name is John." in answer.text
    assert "assistant" not in answer.text
    assert answer.finish_reason == "stop"


async def test_an_earlier_question_is_no_answer(backend: ExtractiveBackend, question: Ask) -> None:
    answer = await backend.generate(question("What is my name?", "I do not know.", "What is my name?"))

    assert ">" not in answer.text
    assert "No language model" in answer.text


async def test_a_statement_in_the_same_turn_as_the_question_is_quoted(
    backend: ExtractiveBackend, question: Ask
) -> None:
    answer = await backend.generate(question("My cat is called Felix. It is Monday. What is my cat called?"))

    assert "> My cat is called Felix." in answer.text
    assert "Monday" not in answer.text


async def test_a_lone_question_gets_the_way_out_instead_of_an_invention(
    backend: ExtractiveBackend, question: Ask
) -> None:
    answer = await backend.generate(question("Who wrote Hamlet?"))

    assert "No language model is attached" in answer.text
    assert "retrieval_dataset, or --dataset" in answer.text
    assert "reka serve --upstream" in answer.text
    assert "Hamlet" not in answer.text


async def test_a_history_that_has_nothing_to_do_with_the_question_is_not_quoted(
    backend: ExtractiveBackend, question: Ask
) -> None:
    answer = await backend.generate(question("The sky is blue.", "Yes.", "Who wrote Hamlet?"))

    assert "sky" not in answer.text


async def test_the_best_sentence_of_the_dataset_is_quoted_word_for_word_with_its_source(
    backend: ExtractiveBackend, question: Ask
) -> None:
    answer = await backend.generate(question("When do cats purr?", snippets=[WITH, CATS]))

    assert "> Cats purr when they are happy.\n— animals/cats.txt" in answer.text
    assert "Dogs" not in answer.text


async def test_hard_wrapped_text_is_quoted_on_one_line(backend: ExtractiveBackend, question: Ask) -> None:
    answer = await backend.generate(question("What makes cleanup sure?", snippets=[WITH]))

    assert "> It makes cleanup sure." in answer.text


async def test_the_same_sentence_from_two_files_is_quoted_once(backend: ExtractiveBackend, question: Ask) -> None:
    copy = Snippet(text=CATS.text, source="copy.txt", score=0.4, similarity=0.1)

    answer = await backend.generate(question("When do cats purr?", snippets=[CATS, copy]))

    assert answer.text.count("Cats purr when they are happy.") == 1
    assert "copy.txt" not in answer.text


async def test_at_most_three_quotations_come_and_in_the_order_of_the_snippets(
    backend: ExtractiveBackend, question: Ask
) -> None:
    snippets = [Snippet(f"Fact {word} about tea: drink tea {word}.", f"{word}.txt", 1.0, 0.5) for word in "abcdef"]

    answer = await backend.generate(question("What about tea?", snippets=snippets))

    sources = [line.removeprefix("— ") for line in answer.text.split("\n") if line.startswith("—")]
    assert sources == sorted(sources)
    assert 1 <= len(sources) <= 3


async def test_code_comes_out_with_its_lines_and_none_is_cut(backend: ExtractiveBackend, question: Ask) -> None:
    code = "You open a file like this:\n\n   with open(name) as file:\n       print(file.read())\n"

    answer = await backend.generate(question("How to open a file?", snippets=[Snippet(code, "io.txt", 1.0, 0.9)]))

    assert ">     with open(name) as file:\n>         print(file.read())\n— io.txt" in answer.text


async def test_a_dataset_that_holds_nothing_is_said_to(backend: ExtractiveBackend, question: Ask) -> None:
    answer = await backend.generate(question("Anything?", snippets=[]))

    assert "found nothing in the dataset" in answer.text


async def test_a_dataset_is_not_mixed_with_the_conversation(backend: ExtractiveBackend, question: Ask) -> None:
    answer = await backend.generate(question("Cats purr at night.", "Ok.", "When do cats purr?", snippets=[CATS]))

    assert "at night" not in answer.text


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("data:image/png;base64,AAAA", "The image cannot"),
        ("data:video/mp4;base64,AAAA", "The video cannot"),
        ("https://example.org/x", "The image cannot"),
    ],
)
async def test_media_is_said_not_to_be_looked_at(
    backend: ExtractiveBackend, question: Ask, url: str, named: str
) -> None:
    answer = await backend.generate(question("What is in it?", media_url=url))

    assert named in answer.text
    assert "AAAA" not in answer.text


async def test_a_conversation_that_ends_with_the_model_answers_the_last_human_turn(
    backend: ExtractiveBackend, question: Ask
) -> None:
    answer = await backend.generate(question("My name is Ada.", "Hello!", "What is my name?", "Your name is"))

    assert "> My name is Ada." in answer.text
    assert "Your name is" not in answer.text


async def test_one_token_costs_no_look_at_the_sentences(
    backend: ExtractiveBackend, embedder: WordEmbedder, question: Ask
) -> None:
    answer = await backend.generate(question("When do cats purr?", snippets=[WITH, CATS], max_tokens=1))

    assert embedder.embedded == []
    assert answer.finish_reason == "length"
    assert answer.output_tokens == 1
    assert answer.text == "Quoted"


@pytest.mark.parametrize("limit", [1, 5, 14, 15, 16, 20, 22])
async def test_an_answer_is_cut_at_whole_words_within_its_tokens(
    backend: ExtractiveBackend, embedder: WordEmbedder, question: Ask, limit: int
) -> None:
    asked = {"snippets": [WITH, CATS]}
    whole = (await backend.generate(question("When do cats purr?", **asked))).text

    answer = await backend.generate(question("When do cats purr?", **asked, max_tokens=limit))

    assert embedder.count_tokens(answer.text) <= limit
    assert whole.startswith(answer.text)
    assert whole[len(answer.text)].isspace()
    assert answer.finish_reason == "length"


async def test_an_answer_that_fits_its_tokens_is_whole(backend: ExtractiveBackend, question: Ask) -> None:
    asked = {"snippets": [WITH, CATS]}
    whole = await backend.generate(question("When do cats purr?", **asked))

    answer = await backend.generate(question("When do cats purr?", **asked, max_tokens=whole.output_tokens))

    assert answer == whole


async def test_a_word_of_the_headings_above_tells_which_sentence_is_meant(
    backend: ExtractiveBackend, question: Ask
) -> None:
    oslo = Snippet("The fee is 40 crowns.", "ports.md", 0.9, 0.5, "Ports > Oslo > Fees")
    bergen = Snippet("The fee is 12 crowns.", "ports.md", 0.8, 0.5, "Ports > Bergen > Fees")

    answer = await backend.generate(question("What is the fee in Bergen?", snippets=[oslo, bergen]))

    assert "> The fee is 12 crowns." in answer.text
    assert "\n\nPorts > Bergen > Fees\n> The fee is 12 crowns.\n— ports.md" in answer.text


@pytest.mark.parametrize(
    ("context", "rows", "heading"),
    [
        ("id,name,price", ["1,Bolt,12", "2,Nut,15", "3,Washer,4"], "id,name,price\n"),
        ("id;name", ["1;Bolt", "2;Nut", "3;Washer"], "id;name\n"),
        ("Shop > Name | Price", ["Bolt | 12", "Nut | 15"], "Shop > Name | Price\n"),
        ("name, price", ['{"name": "Bolt", "price": 12}', '{"name": "Nut", "price": 15}'], "\n"),
    ],
)
async def test_a_row_is_quoted_alone_under_the_names_of_its_columns(
    backend: ExtractiveBackend, question: Ask, context: str, rows: list[str], heading: str
) -> None:
    table = Snippet("\n".join(rows), "bolts.csv", 1.0, 0.5, context)

    answer = await backend.generate(question("What is the price of the nut?", snippets=[table]))

    assert f"{heading}> {rows[1]}\n— bolts.csv" in answer.text
    assert rows[0] not in answer.text


async def test_a_heading_with_a_comma_makes_no_row(backend: ExtractiveBackend, question: Ask) -> None:
    prose = Snippet("Fees are low, not nil. Taxes, as ever, are paid.", "a.md", 1.0, 0.5, "Fees, taxes")

    answer = await backend.generate(question("What are the fees?", snippets=[prose]))

    assert "\n\nFees, taxes\n> Fees are low, not nil.\n—" in answer.text


async def test_the_answer_ends_before_the_first_of_the_stop_words(backend: ExtractiveBackend, question: Ask) -> None:
    answer = await backend.generate(question("When do cats purr?", snippets=[CATS], stop=["happy", "", "when"]))

    assert answer.text.endswith("> Cats purr ")
    assert answer.finish_reason == "stop"


async def test_tokens_of_turns_and_snippets_are_counted_as_input(
    backend: ExtractiveBackend, embedder: WordEmbedder, question: Ask
) -> None:
    answer = await backend.generate(question("When do cats purr?", snippets=[CATS]))

    assert answer.input_tokens == embedder.count_tokens("When do cats purr?") + embedder.count_tokens(CATS.text)
    assert answer.output_tokens == embedder.count_tokens(answer.text)


@pytest.mark.parametrize("text", ["", "?", "   ", "!!!", "\ud800", "🎉"])
async def test_a_question_without_words_still_gets_an_answer(
    backend: ExtractiveBackend, question: Ask, text: str
) -> None:
    alone = await backend.generate(question(text))
    with_dataset = await backend.generate(question(text, snippets=[CATS]))

    assert "No language model" in alone.text
    assert with_dataset.text


async def test_a_turn_of_many_megabytes_is_answered_in_seconds(
    backend: ExtractiveBackend, embedder: WordEmbedder, question: Ask
) -> None:
    huge = "Something was said about the weather. " * 100_000

    answer = await asyncio.wait_for(backend.generate(question(huge, "Ok.", "What about the weather?")), timeout=30)

    assert "> Something was said about the weather." in answer.text
    assert sum(map(len, embedder.embedded)) < 200_000


async def test_the_same_question_gets_the_same_answer(backend: ExtractiveBackend, question: Ask) -> None:
    asked = question("How do cats and the with statement work?", snippets=[WITH, CATS, WITH])

    assert await backend.generate(asked) == await backend.generate(asked)


def test_without_an_upstream_the_server_quotes_and_names_no_language_model(embedder: WordEmbedder) -> None:
    backend = make_backend(Settings(), embedder, ConcurrencyLimiter(1, 0, 1), Metrics())

    assert backend.language_model is None


@pytest.mark.parametrize("given", [{"upstream_model": "m"}, {"upstream_key_env": "UPSTREAM_KEY"}])
def test_a_model_or_key_without_an_upstream_is_refused(
    embedder: WordEmbedder, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPSTREAM_KEY", "k")

    with pytest.raises(ValueError, match="set upstream to its address"):
        make_backend(Settings(**given), embedder, ConcurrencyLimiter(1, 0, 1), Metrics())


async def test_the_heading_that_asks_the_question_is_not_repeated(backend: ExtractiveBackend, question: Ask) -> None:
    asked = "What is the Super key?"
    chunk = Snippet(f"{asked}\n\nIt opens the overview. It is blue.", "keys.md", 1.0, 0.5, "Keyboard")

    answer = await backend.generate(question(asked, snippets=[chunk, CATS]))

    assert asked not in answer.text
    assert "\n\nKeyboard\n> It opens the overview.\n— keys.md" in answer.text
