"""The frozen questions and texts of the retrieval benchmark."""

from pathlib import Path

import bench
from bench import retrieval

REFERENCE = Path(bench.__file__).parent / "reference"


def test_every_question_names_topics_that_are_there_and_the_topics_are_covered_widely() -> None:
    asked = retrieval.questions()
    topics = {path.stem for path in REFERENCE.glob("*.txt")}

    assert len({item.question for item in asked}) == len(asked) >= 60
    assert all(item.topics and item.topics <= topics for item in asked)
    assert len(set().union(*(item.topics for item in asked))) >= 55
