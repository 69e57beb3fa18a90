# SPDX-License-Identifier: Apache-2.0
"""The transactions of a community's market: read state, apply the rules, write state, publish one event."""

from .market import Market
from .refusals import Code

__all__ = ["Code", "Market"]
