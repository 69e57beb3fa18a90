# SPDX-License-Identifier: Apache-2.0
"""The community's service: one HTTPS server that carries homes' signed messages and shows them what is theirs.

It holds a carrier's identity and the key of its receipts, no home's key. ``docs/service.md`` says how it is run,
``docs/rest.md`` how it is called.
"""
