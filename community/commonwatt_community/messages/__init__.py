# SPDX-License-Identifier: Apache-2.0
"""A home's side of signed messages: keys, numbers and a journal. ``docs/messages.md`` describes the format.

No channel reads messages yet.
"""
