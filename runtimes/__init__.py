"""Runtimes: what generates and scores. One module each; `runtimes.base` says what they have in common."""
