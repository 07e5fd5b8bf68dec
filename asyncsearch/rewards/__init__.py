"""How reward models are prompted and read, and how step scores become one score."""

from asyncsearch.rewards.aggregation import AGGREGATIONS, aggregate
from asyncsearch.rewards.formats import REWARD_FORMATS, RewardFormat, recognise_reward_format

__all__ = ["AGGREGATIONS", "REWARD_FORMATS", "RewardFormat", "aggregate", "recognise_reward_format"]
