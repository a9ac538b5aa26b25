from collections.abc import AsyncGenerator, Callable

import pytest

from bench.decisions import adapters, calls, imports, streams
from bench.decisions.measure import Cost, Decision, report
from bench.decisions.variant_server import VARIANTS

AREAS = [imports.decisions, calls.decisions, streams.decisions, adapters.decisions]


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_a_variant_of_the_server_replaces_what_is_there(
    variant: Callable[[], tuple[object, dict[str, object]]],
) -> None:
    owner, substitutes = variant()

    assert substitutes
    assert all(hasattr(owner, name) for name in substitutes)


@pytest.mark.parametrize("decisions", AREAS, ids=lambda area: area.__module__)
async def test_each_decision_of_a_process_of_its_own_is_measured(
    decisions: Callable[[], AsyncGenerator[Decision, None]], capsys: pytest.CaptureFixture[str]
) -> None:
    names = []
    async for decision in decisions():
        names.append(decision.name)
        await report(decision, rounds=1)

    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0][7:] for line in lines] == names
    assert names


@pytest.mark.parametrize(("with_it", "stays"), [(0.80, True), (0.95, False)])
async def test_a_decision_stays_if_it_saves_a_tenth(with_it: float, stays: bool) -> None:
    async def costs(seconds: float) -> Cost:
        return Cost(seconds, seconds)

    decision = Decision("name", "operation", lambda: costs(1.0), lambda: costs(with_it))

    assert await report(decision, rounds=2) is stays
