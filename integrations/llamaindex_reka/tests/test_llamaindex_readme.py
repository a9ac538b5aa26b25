"""The examples of the README run as they stand."""

import gc
import shutil
from pathlib import Path

import pytest

import reka

README = Path(__file__).parents[1] / "README.md"
DATA = Path(__file__).parents[3] / "examples" / "data"
EXAMPLES = [part.split("```")[0] for part in README.read_text().split("```python\n")[1:]]
ON_THE_EMBEDDED_SERVER = [example for example in EXAMPLES if '"local"' in example]
WITH_A_MODEL = [example for example in EXAMPLES if '"local"' not in example]

# LlamaIndex's agents use what pydantic has deprecated, and its memory leaves a database in memory open.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:.* was deleted before being closed:ResourceWarning"),
]


def test_the_examples_for_the_embedded_server_run(
    local: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reka, "BASE_URL", None)  # the examples set it, and this sets it back
    monkeypatch.chdir(tmp_path)
    shutil.copytree(DATA, tmp_path / "examples" / "data")

    for example in ON_THE_EMBEDDED_SERVER:
        exec(example.replace('"local"', repr(local)), {})

    printed = capsys.readouterr().out
    assert "> The lighthouse on Gull Rock was built in 1874." in printed
    assert " guide.md\n" in printed
    assert "hold the button for ten seconds." in printed
    assert "['reset.txt', 'power.txt']" in printed


def test_the_examples_that_need_a_language_model_run(
    served: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REKA_BASE_URL", served)
    monkeypatch.setenv("REKA_API_KEY", "readme")

    for example in WITH_A_MODEL:
        exec(example, {})
    gc.collect()  # the agent's memory, while its warning is not an error

    printed = capsys.readouterr().out
    assert "To reset the lamp, hold the button for ten seconds.\nThe lamp needs 5 watts.\n" in printed
    assert "multiply {'a': 3, 'b': 4} 12\n" in printed
    assert "The result is 12." in printed
    assert printed.count("item='soap' amount=3") == 3
    assert "I see 1 image and 1 video and 1 audio and 1 pdf." in printed
    assert printed.splitlines()[-1] == "Lima is the capital of Peru."
