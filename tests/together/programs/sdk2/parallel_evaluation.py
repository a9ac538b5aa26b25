"""Answers a benchmark's questions in a pool of processes, and counts what is right."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import reka

QUESTIONS = {f"Please count to {number}.": " ".join(map(str, range(1, number + 1))) for number in range(1, 9)}

if __name__ == "__main__":
    ask = partial(reka.chat, model_name="reka-flash", temperature=0.0, random_seed=7)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        answers = list(pool.map(ask, QUESTIONS))

    assert all(answer["type"] == "model" for answer in answers)
    right = sum(answer["text"].strip() == wanted for answer, wanted in zip(answers, QUESTIONS.values()))
    assert right == len(QUESTIONS), answers
    print("done")
