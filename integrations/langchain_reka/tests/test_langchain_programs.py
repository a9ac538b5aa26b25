"""Real programs: the examples run as they stand, and print what they should."""

import re
import runpy
from pathlib import Path

import pytest

import reka
from tests.support.rule_model import RuleModel

EXAMPLES = Path(__file__).parents[3] / "examples" / "with_langchain"

PRINTED = {
    "agent.py": [
        "multiply({'a': 3, 'b': 4})",
        "add({'a': 5, 'b': 12})",
        "The result is 17.",
        "42",
        "Your name is John.",
    ],
    "graph.py": ["Your name is John.", "4 messages are kept"],
    "structured_map.py": ["item='part 1' amount=1", "item='part 50' amount=50", "1275 pieces in 50 orders"],
    "events.py": ["on_chat_model_stream ChatReka 'small '", "on_chain_end RunnableSequence"],
    "fallbacks.py": ["Your name is John."],
    "from_community.py": [
        "I see 1 image.",
        "I see 2 images.",
        "I love to program.",
        "'args': {'query': 'the weather in Ulm'}",
        "The result is Nothing was found for the weather in Ulm.",
        "\n1 2 3 4 5\n",
    ],
}


# What the community class's users run: LangGraph would have it imported from elsewhere now.
@pytest.mark.filterwarnings("ignore:create_react_agent has been moved")
@pytest.mark.parametrize("name", PRINTED)
def test_an_example_runs_with_a_language_model(
    rules: RuleModel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setenv("REKA_BASE_URL", rules.url)
    monkeypatch.setenv("REKA_API_KEY", "any")

    runpy.run_path(str(EXAMPLES / name), run_name="__main__")

    printed = capsys.readouterr().out
    assert [line for line in PRINTED[name] if line not in printed] == []


def test_the_chain_over_a_dataset_runs_on_the_embedded_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reka, "BASE_URL", f"local:{tmp_path}")

    runpy.run_path(str(EXAMPLES / "rag_chain.py"), run_name="__main__")

    printed = capsys.readouterr().out
    assert "hold the button for ten seconds" in printed
    assert "The lamp draws five watts" in printed
    assert re.search(r"^0\.[6-9]\d  power\.txt\n0\.[0-2]\d  reset\.txt$", printed, re.MULTILINE)


def test_every_example_is_tried() -> None:
    assert sorted(path.name for path in EXAMPLES.glob("*.py")) == sorted([*PRINTED, "rag_chain.py"])
