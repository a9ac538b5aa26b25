"""Prompts of LangChain, LlamaIndex and this client, which have texts and instructions around a question."""

import time

import pytest

from reka._protocol.prompt import Passage, question_with_passages
from reka.server.generation.extractive import ExtractiveBackend
from reka.server.generation.prompts import read_prompt
from reka.server.generation.types import GenerationRequest
from tests.support.embedders import WordEmbedder

QUESTION = "Where does the owl of the mill sleep?"
TEXTS = "The owl of the mill sleeps in the tower.\n\nThe mill was built long ago."
ANSWER = "> The owl of the mill sleeps in the tower."

HUMAN = {
    "LlamaIndex, question and answer": (
        "Context information is below.\n---------------------\n{texts}\n---------------------\nGiven the context "
        "information and not prior knowledge, answer the query.\nQuery: {question}\nAnswer: "
    ),
    "LlamaIndex, refinement": (
        "The original query is as follows: {question}\nWe have provided an existing answer: It sleeps.\nWe have the "
        "opportunity to refine the existing answer (only if needed) with some more context below.\n------------\n"
        "{texts}\n------------\nGiven the new context, refine the original answer to better answer the query. If the "
        "context isn't useful, return the original answer.\nRefined Answer: "
    ),
    "LangChain, one message": (
        "Use the following pieces of context to answer the question at the end. If you don't know the answer, just say "
        "that you don't know, don't try to make up an answer.\n\n{texts}\n\nQuestion: {question}\nHelpful Answer:"
    ),
    "LangChain, question first": (
        "You are an assistant for question-answering tasks. Use the following pieces of retrieved context to answer "
        "the question. If you don't know the answer, just say that you don't know. Use three sentences maximum and "
        "keep the answer concise.\nQuestion: {question} \nContext: {texts} \nAnswer:"
    ),
    "based only on": "Answer the question based only on the following context:\n{texts}\n\nQuestion: {question}\n",
    "this package's example": "Answer from this:\n{texts}\n\nQuestion: {question}",
    "tags": "Answer the question with the context.\n\n<context>\n{texts}\n</context>\n\nQuestion: {question}",
    "tags without a label": "<document>{texts}</document>\n\n{question}",
}

SYSTEM = {
    "LangChain": (
        "You are an assistant for question-answering tasks about the mill. Use the following pieces of retrieved "
        "context to answer the question. If you don't know the answer, say so.\n\n{texts}"
    ),
    "LangChain, ruled": (
        "Use the following pieces of context to answer the user's question about the owl. \nIf you don't know the "
        "answer, just say that you don't know.\n----------------\n{texts}"
    ),
    "LlamaIndex, chat": (
        "Use the context information below to assist the user.\n--------------------\n{texts}\n--------------------\n"
    ),
    "label": "You answer questions about owls and the mill.\nContext: {texts}",
}


@pytest.fixture
def backend(embedder: WordEmbedder) -> ExtractiveBackend:
    return ExtractiveBackend(embedder)


def request(human: str, system: str = "") -> GenerationRequest:
    messages = [{"role": "system", "content": system}] if system else []
    return GenerationRequest([*messages, {"role": "user", "content": human}], "m")


def quotations(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("> ")]


@pytest.mark.parametrize("template", HUMAN.values(), ids=HUMAN)
async def test_the_texts_of_a_prompt_are_quoted_and_not_its_instructions(
    backend: ExtractiveBackend, template: str
) -> None:
    answer = await backend.generate(request(template.format(texts=TEXTS, question=QUESTION)))

    assert quotations(answer.text) == [ANSWER]


@pytest.mark.parametrize("template", SYSTEM.values(), ids=SYSTEM)
async def test_the_texts_of_a_system_message_are_quoted_and_not_its_instructions(
    backend: ExtractiveBackend, template: str
) -> None:
    answer = await backend.generate(request(QUESTION, template.format(texts=TEXTS)))

    assert quotations(answer.text) == [ANSWER]


@pytest.mark.parametrize(
    "template", [*HUMAN.values(), *SYSTEM.values()], ids=[*HUMAN, *map("system {}".format, SYSTEM)]
)
async def test_a_prompt_without_texts_is_answered_with_no_quotation(backend: ExtractiveBackend, template: str) -> None:
    filled = template.format(texts="", question=QUESTION)
    asked = request(filled) if "{question}" in template else request(QUESTION, filled)

    answer = await backend.generate(asked)

    assert quotations(answer.text) == []


async def test_instructions_of_the_system_are_never_quoted(backend: ExtractiveBackend) -> None:
    system = "You know where the owl of the mill sleeps. Never say that the owl of the mill sleeps."

    answer = await backend.generate(request(QUESTION, system))

    assert quotations(answer.text) == []


async def test_passages_that_this_client_sends_are_quoted_with_their_source_and_headings(
    backend: ExtractiveBackend,
) -> None:
    prompt = question_with_passages(
        QUESTION, [Passage("owls.txt", "It is old.\n\n" + TEXTS), Passage("b", "Bees hum.")]
    )

    answer = await backend.generate(request(prompt))

    assert f"{ANSWER}\n— owls.txt" in answer.text


async def test_questions_and_answers_among_the_texts_are_texts(backend: ExtractiveBackend) -> None:
    texts = "Question: Who runs the mill?\nAnswer: Ann runs it.\n\nQuestion: Where is the mill?\nAnswer: It is in Holm."

    answer = await backend.generate(request(HUMAN["based only on"].format(texts=texts, question="Who runs the mill?")))

    assert quotations(answer.text) == ["> Ann runs it."]


def test_what_is_made_from_no_template_is_left_alone() -> None:
    assert read_prompt("I read the following documents about owls.\n\nOwls sleep by day. When do they hunt?") is None


def test_a_labelled_question_alone_is_the_question() -> None:
    prompt = read_prompt(f"Question: {QUESTION}")

    assert prompt is not None
    assert prompt.question == QUESTION
    assert [extract.text for extract in prompt.extracts] == [""]


@pytest.mark.parametrize(
    "piece", ["Question: ", "<context>", "-" * 12 + "\n", "context:\n", "a ", "following context\n"]
)
def test_hostile_prompts_take_time_in_proportion_to_their_length(piece: str) -> None:
    started = time.process_time()

    read_prompt(piece * (50_000 // len(piece)))

    # Linear is some tens of milliseconds here, quadratic is minutes.
    assert time.process_time() - started < 5
