"""Multi-step arithmetic word problems with worked solutions, made from a seed.

Each problem tells what happens to a stock of things, in the manner of GSM8K; each solution is written in
the step format of the REBASE reference ("Step k: ...", "The answer is: ..."). Sums, products and quotients of
numbers with several digits are done in one step, most significant digit first, which is what makes them hard
for a small model: every digit needs the carries of all the digits after it.

The stock always has three digits: a small model learns to line up digits many times sooner where numbers of one
kind are equally long, and what is left to learn is arithmetic.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
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
_MINIMUM_OPERATIONS, _MAXIMUM_OPERATIONS = 5, 5
_STOCK = range(100, 1000)

# owner, things, containers
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

    def calculate(self, left: int, symbol: str, right: int) -> int:
        result = {"+": left + right, "-": left - right, "*": left * right, "/": left // right}[symbol]
        self.operations.append(Operation(left, symbol, right, result))
        return result

    def say(self, choices: tuple[str, ...], **values: int) -> None:
        template = self.source.choice(choices)
        self.sentences.append(template.format(things=self.things, containers=self.containers, **values))

    def draw_lots(self) -> tuple[int, int]:
        """How many are in each of how many containers; together no fewer than the smallest stock."""
        lots = self.source.randint(2, 9)
        each = self.source.randint(max(-(-_STOCK.start // lots), 13), 99)
        return each, lots

    def draw_amount(self) -> int:
        return self.source.randint(11, 99) if self.source.random() < 0.5 else self.source.randint(101, 499)

    def begin(self) -> None:
        if self.source.random() < 0.5:
            self.stock = self.source.choice(_STOCK)
            self.sentences.append(f"{self.owner} has {self.stock} {self.things}.")
        else:
            each, lots = self.draw_lots()
            self.sentences.append(f"{self.owner} has {lots} {self.containers} of {each} {self.things} each.")
            self.stock = self.calculate(each, "*", lots)

    def gain(self) -> None:
        amount = self.draw_amount()
        if self.stock + amount in _STOCK:
            self.say(_GAINS, b=amount)
            self.stock = self.calculate(self.stock, "+", amount)

    def lose(self) -> None:
        amount = self.draw_amount()
        if self.stock - amount in _STOCK:
            self.say(_LOSSES, b=amount)
            self.stock = self.calculate(self.stock, "-", amount)

    def gain_lots(self) -> None:
        each, lots = self.draw_lots()
        if self.stock + each * lots in _STOCK:
            self.say(_GAIN_LOTS, n=lots, b=each)
            self.stock = self.calculate(self.stock, "+", self.calculate(each, "*", lots))

    def lose_lots(self) -> None:
        each, lots = self.draw_lots()
        if self.stock - each * lots in _STOCK:
            self.say(_LOSS_LOTS, n=lots, b=each)
            self.stock = self.calculate(self.stock, "-", self.calculate(each, "*", lots))

    def scale(self) -> None:
        factor = self.source.randint(2, 9)
        if self.stock * factor in _STOCK:
            self.say(_SCALES, n=factor)
            self.stock = self.calculate(self.stock, "*", factor)

    def share(self) -> None:
        divisors = [n for n in range(2, 10) if self.stock % n == 0 and self.stock // n in _STOCK]
        if divisors:
            divisor = self.source.choice(divisors)
            self.say(_SHARES, n=divisor)
            self.stock = self.calculate(self.stock, "/", divisor)

    def finish(self) -> ArithmeticProblem:
        question = f"How many {self.things} does it have now?"
        return ArithmeticProblem(" ".join([*self.sentences, question]), tuple(self.operations))


def _make_problem(source: random.Random, minimum: int, maximum: int) -> ArithmeticProblem:
    length = source.randint(minimum, maximum)
    story = _Story(source)
    story.begin()
    # Sums and differences are what such models find hard, so they come twice as often.
    events = (
        story.gain,
        story.gain,
        story.lose,
        story.lose,
        story.gain_lots,
        story.lose_lots,
        story.scale,
        story.share,
    )
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
    minimum_operations: int = _MINIMUM_OPERATIONS,
    maximum_operations: int = _MAXIMUM_OPERATIONS,
) -> Iterator[ArithmeticProblem]:
    """Yield ``count`` different problems of a split (``"train"`` or ``"test"``).

    The same arguments give the same problems on every machine. A training problem is never one of the bundled
    test problems.

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


def label_steps(problem: ArithmeticProblem, steps: Sequence[str]) -> list[bool]:
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
