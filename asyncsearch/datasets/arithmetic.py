"""Multi-step arithmetic word problems with worked solutions, made from a seed.

Each problem tells what happens to a stock of things, in the manner of GSM8K; each solution is written in
the step format of the REBASE reference ("Step k: ...", "The answer is: ..."). Products and sums of numbers
with several digits are done in one step, most significant digit first, which is what makes them hard for a
small model: every digit needs the carries of all the digits after it. Checking a finished line is easier,
since each carry can be read off the digits already there.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

__all__ = [
    "TEST_SIZE",
    "ArithmeticProblem",
    "Operation",
    "bundled_model",
    "bundled_problems_file",
    "generate_problems",
    "label_steps",
]

TEST_SIZE = 200
_MAXIMUM_OPERATIONS = 8
_LARGEST_VALUE = 9_999

# (owner, its pronoun phrase, things, container)
_SCENES = (
    ("A bakery", "rolls", "trays"),
    ("A library", "books", "shelves"),
    ("A farm", "apples", "crates"),
    ("A museum", "coins", "drawers"),
    ("A school", "pencils", "boxes"),
    ("A florist", "tulips", "buckets"),
    ("A printer", "posters", "rolls"),
    ("A bank", "stamps", "folders"),
    ("A hotel", "towels", "carts"),
    ("A toy shop", "marbles", "bags"),
    ("A brewery", "bottles", "pallets"),
    ("A nursery", "seeds", "packets"),
)
_GAINS = ("It gets {b} more.", "It buys {b} more.", "Then {b} more arrive.")
_LOSSES = ("It sells {b}.", "It gives away {b}.", "Then {b} are lost.")
_GAIN_LOTS = ("It buys {n} {containers} of {b} each.", "Then {n} {containers} of {b} each arrive.")
_LOSS_LOTS = ("It sells {n} {containers} of {b} each.", "Then {n} visitors take {b} each.")
_SCALES = ("Its stock grows to {n} times as many.",)
_SHARES = ("It keeps one of {n} equal shares.",)


@dataclass(frozen=True, slots=True)
class Operation:
    """One line of a worked solution: ``left symbol right = result``, all of them whole numbers."""

    left: int
    symbol: str
    right: int
    result: int

    def __str__(self) -> str:
        return f"{self.left} {self.symbol} {self.right} = {self.result}"


@dataclass(frozen=True, slots=True)
class ArithmeticProblem:
    """A word problem with its worked solution.

    ``problem`` is the question's text; ``operations`` the lines of the solution in order, the last of which
    gives the answer.
    """

    problem: str
    operations: tuple[Operation, ...]

    @property
    def answer(self) -> str:
        """The reference answer, a whole number in decimal digits."""
        return str(self.operations[-1].result)

    @property
    def steps(self) -> tuple[str, ...]:
        """The text of each step, as a policy should write it; the last one states the answer."""
        lines = [f"Step {k}: {operation}\n" for k, operation in enumerate(self.operations, 1)]
        lines[-1] += f"The answer is: {self.answer}"
        return tuple(lines)


class _Story:
    """A stock of things, told sentence by sentence while its operations are written down."""

    def __init__(self, source: random.Random) -> None:
        self.source = source
        self.owner, self.things, self.containers = source.choice(_SCENES)
        self.sentences: list[str] = []
        self.operations: list[Operation] = []
        self.stock = 0

    def number(self, low_digits: int, high_digits: int) -> int:
        digits = self.source.randint(low_digits, high_digits)
        return self.source.randint(10 ** (digits - 1) + 1, 10**digits - 1)

    def calculate(self, left: int, symbol: str, right: int) -> int:
        result = {"+": left + right, "-": left - right, "*": left * right, "/": left // right}[symbol]
        self.operations.append(Operation(left, symbol, right, result))
        return result

    def say(self, choices: tuple[str, ...], **values: int) -> None:
        template = self.source.choice(choices)
        self.sentences.append(template.format(things=self.things, containers=self.containers, **values))

    def begin(self) -> None:
        if self.source.random() < 0.5:
            self.stock = self.number(2, 3)
            self.sentences.append(f"{self.owner} has {self.stock} {self.things}.")
        else:
            each, lots = self.number(2, 2), self.source.randint(3, 12)
            self.sentences.append(f"{self.owner} has {lots} {self.containers} of {each} {self.things} each.")
            self.stock = self.calculate(each, "*", lots)

    def gain(self) -> bool:
        amount = self.number(2, 3)
        if self.stock + amount > _LARGEST_VALUE:
            return False
        self.say(_GAINS, b=amount)
        self.stock = self.calculate(self.stock, "+", amount)
        return True

    def lose(self) -> bool:
        amount = self.number(2, 3)
        if amount >= self.stock:
            return False
        self.say(_LOSSES, b=amount)
        self.stock = self.calculate(self.stock, "-", amount)
        return True

    def gain_lots(self) -> bool:
        each, lots = self.number(2, 2), self.source.randint(3, 12)
        if self.stock + each * lots > _LARGEST_VALUE:
            return False
        self.say(_GAIN_LOTS, n=lots, b=each)
        self.stock = self.calculate(self.stock, "+", self.calculate(each, "*", lots))
        return True

    def lose_lots(self) -> bool:
        each, lots = self.number(2, 2), self.source.randint(3, 12)
        if each * lots >= self.stock:
            return False
        self.say(_LOSS_LOTS, n=lots, b=each)
        self.stock = self.calculate(self.stock, "-", self.calculate(each, "*", lots))
        return True

    def scale(self) -> bool:
        factor = self.source.randint(2, 6)
        if self.stock * factor > _LARGEST_VALUE:
            return False
        self.say(_SCALES, n=factor)
        self.stock = self.calculate(self.stock, "*", factor)
        return True

    def share(self) -> bool:
        divisors = [n for n in range(2, 10) if self.stock % n == 0]
        if not divisors or self.stock < 20:
            return False
        divisor = self.source.choice(divisors)
        self.say(_SHARES, n=divisor)
        self.stock = self.calculate(self.stock, "/", divisor)
        return True

    def finish(self) -> ArithmeticProblem:
        question = f"How many {self.things} does it have now?"
        return ArithmeticProblem(" ".join([*self.sentences, question]), tuple(self.operations))


def _make_problem(source: random.Random, minimum: int, maximum: int) -> ArithmeticProblem:
    length = source.randint(minimum, maximum)
    story = _Story(source)
    story.begin()
    events = (story.gain, story.lose, story.gain_lots, story.lose_lots, story.scale, story.share)
    while len(story.operations) < length:
        event = source.choice(events)
        if event in (story.gain_lots, story.lose_lots) and len(story.operations) + 2 > length:
            continue
        event()
    return story.finish()


def generate_problems(
    count: int,
    *,
    split: str,
    seed: int = 0,
    minimum_operations: int = 3,
    maximum_operations: int = _MAXIMUM_OPERATIONS,
) -> Iterator[ArithmeticProblem]:
    """Yield ``count`` different problems of a split (``"train"`` or ``"test"``).

    The same arguments give the same problems on every machine. A training problem is never one of the
    bundled test problems.

    Raises:
        ValueError: the split is neither of the two.
    """
    if split not in ("train", "test"):
        raise ValueError(f"split must be 'train' or 'test', not {split!r}")
    seen: set[str] = set()
    if split == "train":
        seen.update(problem.problem for problem in generate_problems(TEST_SIZE, split="test"))
    source = random.Random(f"arithmetic {split} {seed}")
    made = 0
    while made < count:
        problem = _make_problem(source, minimum_operations, maximum_operations)
        if problem.problem not in seen:
            seen.add(problem.problem)
            made += 1
            yield problem


_LINE = re.compile(r"\AStep (\d+): (.+)\n(?:The answer is: (.*))?\Z")


def label_steps(problem: ArithmeticProblem, steps: list[str]) -> list[bool]:
    """Say of each step whether the solution is right up to and including it.

    A step is right when its line is the one the worked solution has at that place, and when it states the
    answer exactly if the solution ends there.
    """
    labels: list[bool] = []
    right = True
    for position, step in enumerate(steps):
        right = right and position < len(problem.steps) and step.rstrip() == problem.steps[position].rstrip()
        labels.append(right)
    return labels


def bundled_problems_file() -> Path:
    """The path of the bundled test problems, a jsonl with ``problem`` and ``answer`` like MATH's."""
    return Path(str(resources.files("asyncsearch") / "bundled" / "arithmetic" / "test.jsonl"))


def bundled_model(role: str) -> Path:
    """The directory of the model that was trained for these problems; ``role`` is "policy" or "reward"."""
    return Path(str(resources.files("asyncsearch") / "bundled" / "arithmetic" / role))
