"""What ends a command early, said in one line: with exit code 2 wrong use, with 1 a run that cannot be trusted."""


class UsageFault(Exception):
    """Something the caller must change; the message says what is wrong, where, and what to do."""


class IncompleteRun(Exception):
    """A generator was lost, or totals don't add up: the figures of the run cannot be trusted."""
