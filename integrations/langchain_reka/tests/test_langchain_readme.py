"""The examples of the README run as they stand."""

from pathlib import Path

import pytest

import reka
from tests.support.rule_model import RuleModel

README = Path(__file__).parents[1] / "README.md"
EXAMPLES = [part.split("```")[0] for part in README.read_text().split("```python\n")[1:]]
ON_THE_EMBEDDED_SERVER = [example for example in EXAMPLES if '"local"' in example]
WITH_A_MODEL = [example for example in EXAMPLES if '"local"' not in example]


def test_the_examples_for_the_embedded_server_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reka, "BASE_URL", None)  # the examples set it, and this sets it back

    for example in ON_THE_EMBEDDED_SERVER:
        exec(example.replace('"local"', repr(f"local:{tmp_path}")), {})

    printed = capsys.readouterr().out
    assert printed.count("John") >= 2
    assert printed.count("ten seconds") >= 2
    assert "['reset.txt', 'power.txt']" in printed
    assert "[(Document(id='lamp', metadata={'room': 2}, page_content='The lamp needs 5 watts.'), 0." in printed
    assert "\n[]\n{'num_added': 1, 'num_updated': 0, 'num_skipped': 0, 'num_deleted': 0}" in printed


def test_the_examples_that_need_a_language_model_run(
    rules: RuleModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REKA_BASE_URL", rules.url)
    monkeypatch.setenv("REKA_DATASETS", f"local:{tmp_path}")
    monkeypatch.setenv("REKA_API_KEY", "any")

    for example in WITH_A_MODEL:
        exec(example, {})

    printed = capsys.readouterr().out
    assert "'args': {'a': 3, 'b': 4}" in printed
    assert "The result is 12." in printed
    assert "hold the button for ten seconds. [manual.pdf, page 3]" in printed
    assert "found in manual.pdf on page 3" in printed
    assert "item='soap' amount=3" in printed
    assert "I see 1 image and 1 video and 1 audio and 1 pdf." in printed
