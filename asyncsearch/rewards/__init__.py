"""How each family of reward models is prompted and read, one module a family; aggregation of step scores."""

from asyncsearch.rewards.aggregation import AGGREGATIONS, aggregate
from asyncsearch.rewards.format import RewardFormat
from asyncsearch.rewards.registry import REWARD_FORMATS, recognise_reward_format, reward_format_named

__all__ = [
    "AGGREGATIONS",
    "REWARD_FORMATS",
    "RewardFormat",
    "aggregate",
    "recognise_reward_format",
    "reward_format_named",
]
