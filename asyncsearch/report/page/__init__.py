"""The report as one page that a browser opens."""
