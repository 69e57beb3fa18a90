# SPDX-License-Identifier: Apache-2.0
"""Integer arithmetic of the rules."""

MILLI = 1_000
PPM = 1_000_000


def tdiv(dividend: int, divisor: int) -> int:
    """Divide truncating toward zero, where ``//`` rounds toward minus infinity. The divisor is positive."""
    return dividend // divisor if dividend >= 0 else -(-dividend // divisor)


def ceil_div(dividend: int, divisor: int) -> int:
    """Divide rounding up; both are whole numbers, the divisor positive."""
    return -(-dividend // divisor)


def clamp(value: int, low: int, high: int) -> int:
    """The value of [low, high] nearest to ``value``."""
    return max(low, min(value, high))
