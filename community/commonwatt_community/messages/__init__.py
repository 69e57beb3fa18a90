# SPDX-License-Identifier: Apache-2.0
"""A home's side of signed messages: keys, numbers and a journal. ``docs/messages.md`` describes the format.

The forward market reads them (``commonwatt_community.market``).
"""
