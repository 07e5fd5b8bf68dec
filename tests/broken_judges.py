"""A module that cannot be imported."""

raise RuntimeError("on being imported")
