"""REBASE as its scripts run it, in SGLang's own language: a thread for each of eight problems, a barrier a level.

`benchmarks.sglang` starts it with the Python that SGLang is installed for; it needs nothing else. A line of JSON on
standard input is a dataset to be solved, and one on standard output says how long that took. Each problem is a program:
it forks its state, waits for all steps of a level, has them scored together, waits for that, and shares its width among
them (Wu et al., arXiv 2408.00724, section 3.2).
"""

from __future__ import annotations

import json
import math
import sys
import time
import urllib.request
from typing import Any

import sglang

_THREADS = 8
_SOFTMAX_TEMPERATURE = 0.2
_ANSWER = "The answer is"


class RewardModel:
    """A reward model that is read from two labels after a text's last token."""

    def __init__(self, address: str, labels: tuple[int, int]) -> None:
        self._address = address
        self._labels = labels

    def score(self, texts: list[str]) -> list[float]:
        """One number in [0, 1] for each text, all asked for together."""
        body = {
            "text": texts,
            "sampling_params": {"max_new_tokens": 0},
            "return_logprob": True,
            "logprob_start_len": -1,
            "token_ids_logprob": [list(self._labels)] * len(texts),
        }
        request = urllib.request.Request(  # noqa: S310 - a server on this machine
            f"{self._address}/generate", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as response:  # noqa: S310
            answers = json.load(response)
        return [self._score_of(answer["meta_info"]["output_token_ids_logprobs"][0]) for answer in answers]

    def _score_of(self, row: list[Any]) -> float:
        found = {token: log_probability for log_probability, token, *_ in row}
        good, bad = (found[label] for label in self._labels)
        return float(1 / (1 + math.exp(bad - good)))


def shares_of(scores: list[float], width: int) -> list[int]:
    """The width, shared in proportion to a softmax, the best first."""
    weights = [math.exp(score / _SOFTMAX_TEMPERATURE) for score in scores]
    left, shares = sum(weights), [0] * len(scores)
    for index in sorted(range(len(scores)), key=lambda index: -scores[index]):
        shares[index] = min(math.ceil(width * weights[index] / left - 1e-9), width) if width > 0 else 0
        width -= shares[index]
        left = max(left - weights[index], 1e-300)
    return shares


@sglang.function  # type: ignore[untyped-decorator, unused-ignore]
def search(  # noqa: D103 - see the module
    s: Any, prompt: str, width: int, steps: int, max_tokens: int, reward: RewardModel, counts: list[int]
) -> None:
    s += prompt
    frontier, scores = [(s, "")], [1.0]
    for step in range(1, steps + 1):
        children = []
        for (parent, text), share in zip(frontier, shares_of(scores, width), strict=True):
            if share:
                children += [(child, text) for child in parent.fork(share)]
        for child, _ in children:
            child += sglang.gen(  # noqa: PLW2901 - it is the same
                str(step), max_tokens=max_tokens, stop=f"Step {step + 1}", temperature=1.0
            )
        level = [(child, text + child[str(step)]) for child, text in children]
        counts += [child.get_meta_info(str(step))["completion_tokens"] for child, _ in level]
        judged = list(zip(level, reward.score([prompt + text.rstrip() + "\n" for _, text in level]), strict=True))
        going_on = [(node, score) for node, score in judged if _ANSWER not in node[1]]
        width -= len(judged) - len(going_on)
        if not going_on or width <= 0:
            return
        frontier, scores = [node for node, _ in going_on], [score for _, score in going_on]


def main() -> None:
    """Solve what comes, until nothing comes any more."""
    for line in sys.stdin:
        task = json.loads(line)
        sglang.set_default_backend(sglang.RuntimeEndpoint(task["policy"]))
        reward = RewardModel(task["reward"], tuple(task["labels"]))
        counts: list[int] = []
        arguments = [
            {"prompt": prompt, "reward": reward, "counts": counts, **task["options"]} for prompt in task["prompts"]
        ]
        begun = time.perf_counter()
        states = search.run_batch(arguments, num_threads=_THREADS)
        seconds = time.perf_counter() - begun
        failures = [str(state.error()) for state in states if state.error() is not None]
        sys.stdout.write(json.dumps({"seconds": seconds, "tokens": sum(counts), "failures": failures}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
