"""Labels of reasoning steps, made by the search itself: what to train a process reward model on."""

from __future__ import annotations

from asyncsearch.labelling.answer_reward import AnswerReward
from asyncsearch.labelling.labels import LABELLING_STRATEGIES, labelled_solutions
from asyncsearch.labelling.writing import Labelled, write_labels

__all__ = ["LABELLING_STRATEGIES", "AnswerReward", "Labelled", "labelled_solutions", "write_labels"]
