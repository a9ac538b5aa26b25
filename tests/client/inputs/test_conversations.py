"""A conversation is checked, and its turns are sent as they are."""

import copy
from typing import Any

import pytest

import reka
from reka.testing import FakeReka

HUMAN = {"type": "human", "text": "Hi"}
MODEL = {"type": "model", "text": "Hello"}


@pytest.mark.parametrize(
    ("history", "human", "message"),
    [
        pytest.param(None, None, "the conversation is empty", id="nothing"),
        pytest.param([], None, "the conversation is empty", id="empty-history"),
        pytest.param([MODEL], None, "turn 0 got type 'model', want 'human'", id="model-begins"),
        pytest.param([HUMAN], "again", "turn 1 got type 'human', want 'model'", id="human-twice"),
        pytest.param([HUMAN, MODEL, MODEL], None, "turn 2 got type 'model', want 'human'", id="model-twice"),
        pytest.param([{"type": "system", "text": "x"}], None, "turn 0 got type 'system'", id="other-speaker"),
        pytest.param([{"text": "x"}], None, "turn 0 got type None", id="no-type"),
        pytest.param([{"type": "human"}], None, "turn 0 text is missing", id="no-text"),
        pytest.param([HUMAN | {"text": 7}], None, "turn 0 text got int, want a string", id="text-is-a-number"),
        pytest.param([HUMAN | {"mood": "x"}], None, "turn 0 has unknown keys mood", id="unknown-key"),
        pytest.param([HUMAN | {"retrieved_chunks": []}], None, "turn 0 has unknown keys", id="chunks-of-a-human"),
        pytest.param(
            [HUMAN, MODEL, HUMAN | {"media_url": "https://x/a.png"}], None, "turn 2 has a media_url", id="late-media"
        ),
        pytest.param([HUMAN, MODEL | {"media_url": "x"}], None, "turn 1 has a media_url", id="media-of-a-model"),
        pytest.param([HUMAN, {"type": "model", "txt": "x"}], None, "turn 1 text is missing", id="a-model-without-text"),
        pytest.param([HUMAN | {"media_url": None}], None, "turn 0 media_url got NoneType", id="media-is-none"),
        pytest.param([HUMAN | {"media_url": "cat.png"}], None, "media_filename", id="media-is-a-path"),
        pytest.param(["Hi"], None, "turn 0 got str, want a dict", id="turn-is-a-string"),
        pytest.param("Hi", None, "conversation_history: got str", id="history-is-a-string"),
        pytest.param(HUMAN, None, "conversation_history: got dict", id="history-is-a-turn"),
        pytest.param(None, 7, "turn 0 text got int", id="human-is-a-number"),
    ],
)
def test_what_is_no_conversation_is_refused_before_anything_is_sent(
    sync_client: reka.Reka, fake: FakeReka, history: Any, human: Any, message: str
) -> None:
    with pytest.raises(reka.InvalidConversationError) as caught:
        sync_client.chat(human, conversation_history=history)

    assert message in str(caught.value)
    assert fake.requests == []


def test_media_after_the_first_turn_is_refused(client: reka.Reka, fake: FakeReka) -> None:
    with pytest.raises(reka.InvalidConversationError, match="turn 2 has a media_url"):
        client.chat("And this?", "https://x/a.png", conversation_history=[HUMAN, MODEL])

    assert fake.requests == []


def test_an_answer_goes_back_into_the_history_as_it_is_and_only_its_type_and_text_are_sent(
    client: reka.Reka, fake: FakeReka
) -> None:
    chunks = [{"text": "a chunk", "score": 0.5, "source": "a.txt"}]
    sent = MODEL | {"retrieved_chunks": chunks, "usage": {"input_tokens": 1}, "finish_reason": "stop", "new": [1]}
    fake.will_answer(200, sent)
    fake.will_answer(200, {"type": "model", "text": "Bye"})

    answer = client.chat("Hi", retrieval_dataset="alice")
    history: list[Any] = [HUMAN, answer]
    kept = copy.deepcopy(history)
    client.chat("Bye", conversation_history=history)

    assert answer == sent
    assert fake.requests[1].json["conversation_history"] == [HUMAN, MODEL, {"type": "human", "text": "Bye"}]
    assert history == kept


def test_a_conversation_may_end_with_a_model_turn(client: reka.Reka, fake: FakeReka) -> None:
    fake.will_answer(200, {"type": "model", "text": " world"})

    client.chat(conversation_history=[HUMAN, MODEL])

    assert fake.requests[0].json["conversation_history"] == [HUMAN, MODEL]
