# SPDX-License-Identifier: Apache-2.0
"""CouchDB's query language (Mango) as a Fabric peer offers it: JSON in, keys out, with CouchDB's order and words.

Follows CouchDB 3.4 (`src/mango`) behind Fabric's `statecouchdb`. Knows no ledger and no network: the embedded peer
and the ledger in memory give it keys and values, one after another.
"""

from .errors import MangoError
from .query import Query, parse_query
from .search import Search

__all__ = ["MangoError", "Query", "Search", "parse_query"]
