"""What ends a command with exit code 2: wrong use or configuration, said in one line."""


class UsageFault(Exception):
    """Something the caller must change; the message says what is wrong, where, and what to do."""
