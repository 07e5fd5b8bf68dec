"""The scheduler: the only thing that talks to runtimes."""

from asyncsearch.scheduler.cost import Cost
from asyncsearch.scheduler.lane import Pending
from asyncsearch.scheduler.scheduler import Scheduler, open_scheduler
from asyncsearch.scheduler.statistics import LaneStatistics, SchedulerStatistics

__all__ = ["Cost", "LaneStatistics", "Pending", "Scheduler", "SchedulerStatistics", "open_scheduler"]
