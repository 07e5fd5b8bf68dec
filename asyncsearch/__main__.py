"""``python -m asyncsearch``: the command line."""

from asyncsearch.cli import main

main()
