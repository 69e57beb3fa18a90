# SPDX-License-Identifier: Apache-2.0
"""What these tests trade on."""

from ...support.memory_market import memory_calls

__all__ = ["memory_calls"]
