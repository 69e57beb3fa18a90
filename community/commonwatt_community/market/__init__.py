# SPDX-License-Identifier: Apache-2.0
"""The forward market from outside: its contract's calls, a carrier of signed messages, and a home that speaks.

``docs/messages.md`` shows how messages are sent.
"""
