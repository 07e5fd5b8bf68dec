"""The numbers game of Countdown: reach a target with four numbers. With a policy and a judge that are no models.

Each step joins two of the numbers that are left. The policy does it blindly; the judge sees how near one more
operation would come. So what is found depends on the search alone, and takes no model and no time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib.resources import files
from itertools import combinations
from pathlib import Path
from random import Random

from asyncsearch.answers.countdown_grader import evaluate_expression

__all__ = ["bundled_countdown_file", "judge", "make_problems", "propose"]

_SMALL, _LARGE = range(1, 11), (25, 50, 75, 100)
_TARGETS = range(100, 1000)
_STEP = re.compile(r"Step \d+: (\d+) ([-+*/]) (\d+) = (\d+)")
_ANSWER = "The answer is: "


def bundled_countdown_file() -> Path:
    """The bundled problems, which ``python -m asyncsearch.datasets.make_countdown`` makes."""
    return Path(str(files("asyncsearch") / "bundled" / "countdown.jsonl"))


def make_problems(count: int, *, seed: int = 0) -> Iterator[dict[str, str]]:
    """Problems with one large number and three small ones, and a target of three digits that can be reached."""
    random = Random(seed)
    for number in range(count):
        while True:
            numbers = [random.choice(_LARGE), *random.sample(_SMALL, 3)]
            left = numbers
            while len(left) > 1:
                left = random.choice([after for _, after in _moves(left)])
            if left[0] in _TARGETS:
                break
        listed = ", ".join(map(str, numbers))
        yield {
            "id": f"countdown-{number:03}",
            "problem": f"Numbers: {listed}. Target: {left[0]}.",
            "answer": str(left[0]),
        }


def propose(problem: str, steps: Sequence[str], random: Random) -> str | None:
    """The next step: two numbers joined by chance, or the answer when there is but one, or the target is there.

    None where the answer has been given.
    """
    numbers, target = _read(problem)
    if steps and _ANSWER in steps[-1]:
        return None
    left = [(number, str(number)) for number in numbers]
    for step in steps:
        first, sign, second, result = _STEP.search(step).groups()  # type: ignore[union-attr]  # its own steps
        joined = [left.pop([number for number, _ in left].index(int(number)))[1] for number in (first, second)]
        left.append((int(result), f"({joined[0]} {sign} {joined[1]})"))
    begin = f"Step {len(steps) + 1}: "
    reached = [expression for number, expression in left if number == target]
    if reached or len(left) == 1:
        return f"{begin}{_ANSWER}{reached[0] if reached else left[0][1]}"
    move, after = random.choice(list(_moves([number for number, _ in left])))
    return f"{begin}{move}. Left: {', '.join(map(str, after))}"


def judge(problem: str, steps: Sequence[str]) -> list[float]:
    """How near each step is to the target: 1 where it is there, and less the farther one more operation would be."""
    _, target = _read(problem)
    return [_judge_step(step, target) for step in steps]


def _judge_step(step: str, target: int) -> float:
    if _ANSWER in step:
        found = evaluate_expression(step.partition(_ANSWER)[2])
        return float(found is not None and found[0] == target)
    left = [int(number) for number in step.rpartition("Left: ")[2].split(", ")]
    if target in left:
        return 1.0
    nearest = min((abs(after[-1] - target) for _, after in _moves(left)), default=abs(left[0] - target))
    return 0.95 * target / (target + 4 * nearest)


def _read(problem: str) -> tuple[list[int], int]:
    *numbers, target = (int(number) for number in re.findall(r"\d+", problem))
    return numbers, target


def _moves(numbers: Sequence[int]) -> Iterator[tuple[str, list[int]]]:
    """Every way to join two numbers to a whole positive one: in words, and what is left then, the new one last."""
    for first, second in combinations(numbers, 2):
        high, low = max(first, second), min(first, second)
        rest = _without(numbers, first, second)
        yield f"{high} + {low} = {high + low}", [*rest, high + low]
        if high > low:
            yield f"{high} - {low} = {high - low}", [*rest, high - low]
        if low > 1:
            yield f"{high} * {low} = {high * low}", [*rest, high * low]
            if high % low == 0:
                yield f"{high} / {low} = {high // low}", [*rest, high // low]


def _without(numbers: Sequence[int], first: int, second: int) -> list[int]:
    rest = list(numbers)
    rest.remove(first)
    rest.remove(second)
    return rest
