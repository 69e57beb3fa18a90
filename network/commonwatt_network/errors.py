"""What can go wrong with a network, as the person at the keyboard meets it.

NetworkError            it ran and failed: says which process, what it said last, what to do next
  UsageError            wrong use or configuration (exit code 2): nothing was changed
"""

from __future__ import annotations


class NetworkError(Exception):
    """Something failed; the message says what, where and what to do next."""


class UsageError(NetworkError):
    """Wrong use or configuration: refused before anything was changed."""
