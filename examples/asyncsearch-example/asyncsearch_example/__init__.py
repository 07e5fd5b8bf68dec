"""A strategy, a reward model and a runtime for asyncsearch, from outside of it."""
