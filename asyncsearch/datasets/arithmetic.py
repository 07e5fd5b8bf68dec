"""Multi-step arithmetic word problems with worked solutions, made from a seed.

Each problem tells what happens to a stock of things, in the manner of GSM8K; each solution is written in
the step format of the REBASE reference ("Step k: ...", "The answer is: ..."). Sums, products and quotients of
numbers with several digits are done in one step, most significant digit first, which is what makes them hard
for a small model: every digit needs the carries of all the digits after it.

The stock always has three digits: a small model learns to line up digits many times sooner where numbers of one
kind are equally long, and what is left to learn is arithmetic.

Of two gains or losses that follow each other either may be taken first, so most problems have several right
solutions. Their numbers differ on the way, and so do the mistakes that a policy makes: that is what lets a vote
over samples find answers that the most likely solution misses (self-consistency, Wang et al., arXiv 2203.11171).
"""

from __future__ import annotations

import operator
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import accumulate, takewhile
from pathlib import Path

__all__ = [
    "TEST_SIZE",
    "ArithmeticProblem",
    "Operation",
    "bundled_model",
    "bundled_problems_file",
    "generate_problems",
    "label_steps",
    "nearest_solution",
    "nearest_text",
    "write_steps",
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
    """A word problem with its worked solutions.

    ``problem`` is the question's text; ``solutions`` are all the right ones, each of them its lines in order, the
    last of which gives the answer. The first takes everything in the order in which it is told.
    """

    problem: str
    solutions: tuple[tuple[Operation, ...], ...]

    @property
    def operations(self) -> tuple[Operation, ...]:
        """The lines of the first solution."""
        return self.solutions[0]

    @property
    def answer(self) -> str:
        """The reference answer, a whole number in decimal digits."""
        return str(self.operations[-1].result)


def write_steps(operations: Sequence[Operation]) -> tuple[str, ...]:
    """The text of each step of a solution, as a policy should write it; the last one states the answer."""
    lines = [f"Step {k}: {operation}\n" for k, operation in enumerate(operations, 1)]
    lines[-1] += f"The answer is: {operations[-1].result}"
    return tuple(lines)


@dataclass(frozen=True, slots=True)
class _Event:
    """What a sentence does to the stock: ``stock symbol number``, or ``stock symbol (number * lots)``."""

    symbol: str
    number: int
    lots: int | None = None

    @property
    def commutes(self) -> bool:
        """Whether it may change places with a neighbour of its kind."""
        return self.symbol in ("+", "-")

    def operations(self, stock: int) -> tuple[Operation, ...]:
        if self.lots is None:
            return (_calculate(stock, self.symbol, self.number),)
        product = _calculate(self.number, "*", self.lots)
        return product, _calculate(stock, self.symbol, product.result)


def _calculate(left: int, symbol: str, right: int) -> Operation:
    result = {"+": left + right, "-": left - right, "*": left * right, "/": left // right}[symbol]
    return Operation(left, symbol, right, result)


def _orders(events: Sequence[_Event]) -> Iterator[tuple[_Event, ...]]:
    """The orders in which events may be taken: two neighbours that commute may change places, once."""
    if not events:
        yield ()
        return
    for rest in _orders(events[1:]):
        yield events[0], *rest
    if len(events) > 1 and events[0].commutes and events[1].commutes:
        for rest in _orders(events[2:]):
            yield events[1], events[0], *rest


class _Story:
    """A stock of things, told sentence by sentence."""

    def __init__(self, source: random.Random) -> None:
        self.source = source
        self.owner, self.things, self.containers = source.choice(_SCENES)
        self.sentences: list[str] = []
        self.beginning: tuple[Operation, ...] = ()
        self.first_stock = 0
        self.events: list[_Event] = []
        self.stock = 0

    @property
    def length(self) -> int:
        """How many lines its solutions have."""
        return len(self.beginning) + sum(1 if event.lots is None else 2 for event in self.events)

    def happens(self, event: _Event, choices: tuple[str, ...]) -> None:
        """Tell it, unless the stock would no longer have three digits."""
        stock = event.operations(self.stock)[-1].result
        if stock in _STOCK:
            self.say(choices, b=event.number, n=event.lots or event.number)
            self.events.append(event)
            self.stock = stock

    def work(self, order: Sequence[_Event]) -> tuple[Operation, ...] | None:
        """The solution that takes events in this order, or None where the stock would not have three digits."""
        lines, stock = list(self.beginning), self.first_stock
        for event in order:
            lines += event.operations(stock)
            stock = lines[-1].result
            if stock not in _STOCK:
                return None
        return tuple(lines)

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
            self.first_stock = self.source.choice(_STOCK)
            self.sentences.append(f"{self.owner} has {self.first_stock} {self.things}.")
        else:
            each, lots = self.draw_lots()
            self.sentences.append(f"{self.owner} has {lots} {self.containers} of {each} {self.things} each.")
            self.beginning = (_calculate(each, "*", lots),)
            self.first_stock = self.beginning[0].result
        self.stock = self.first_stock

    def gain(self) -> None:
        self.happens(_Event("+", self.draw_amount()), _GAINS)

    def lose(self) -> None:
        self.happens(_Event("-", self.draw_amount()), _LOSSES)

    def gain_lots(self) -> None:
        self.happens(_Event("+", *self.draw_lots()), _GAIN_LOTS)

    def lose_lots(self) -> None:
        self.happens(_Event("-", *self.draw_lots()), _LOSS_LOTS)

    def scale(self) -> None:
        self.happens(_Event("*", self.source.randint(2, 9)), _SCALES)

    def share(self) -> None:
        divisors = [n for n in range(2, 10) if self.stock % n == 0 and self.stock // n in _STOCK]
        if divisors:
            self.happens(_Event("/", self.source.choice(divisors)), _SHARES)

    def finish(self) -> ArithmeticProblem:
        question = f"How many {self.things} does it have now?"
        worked = dict.fromkeys(self.work(order) for order in _orders(self.events))
        solutions = tuple(solution for solution in worked if solution is not None)
        return ArithmeticProblem(" ".join([*self.sentences, question]), solutions)


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
    while story.length < length:
        event = source.choice(events)
        if event in (story.gain_lots, story.lose_lots) and story.length + 2 > length:
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


def nearest_solution(problem: ArithmeticProblem, steps: Sequence[str]) -> tuple[str, ...]:
    """The steps of the right solution that agrees with what is written for longest."""
    by_text = {"".join(solution): solution for solution in map(write_steps, problem.solutions)}
    return by_text[nearest_text(by_text, "".join(steps))]


def nearest_text(texts: Iterable[str], written: str) -> str:
    """The text that begins with the most characters that ``written`` begins with; of several the first."""

    def agreement(text: str) -> int:
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(text, written, strict=False)))

    return max(texts, key=agreement)


def label_steps(problem: ArithmeticProblem, steps: Sequence[str]) -> list[bool]:
    """Say of each step whether the solution is right up to and including it.

    A step is right when one of the worked solutions begins with all that is written up to it, and when it states
    the answer exactly if the solution ends there.
    """
    nearest = nearest_solution(problem, steps)
    agree = [
        position < len(nearest) and step.rstrip() == nearest[position].rstrip() for position, step in enumerate(steps)
    ]
    return list(accumulate(agree, operator.and_))


def bundled_problems_file() -> Path:
    """The path of the bundled test problems, a jsonl with ``problem`` and ``answer`` like MATH's."""
    return Path(str(resources.files("asyncsearch") / "bundled" / "arithmetic" / "test.jsonl"))


BUNDLED_MODELS = ("policy", "policy-large", "reward")
"""The models that were trained for these problems."""


def bundled_model(name: str) -> Path:
    """The directory of one of `BUNDLED_MODELS`."""
    return Path(str(resources.files("asyncsearch") / "bundled" / "arithmetic" / name))
