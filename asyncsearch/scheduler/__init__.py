"""The scheduler: the only thing that talks to runtimes."""

from asyncsearch.scheduler.scheduler import Scheduler, open_scheduler
from asyncsearch.scheduler.statistics import LaneStatistics, SchedulerStatistics

__all__ = ["LaneStatistics", "Scheduler", "SchedulerStatistics", "open_scheduler"]
