# SPDX-License-Identifier: Apache-2.0
"""Messages that homes, meters and operators sign themselves: parsed and verified strictly, by pure functions.

A message is a JWS in compact form (RFC 7515). ``docs/messages.md`` describes the format for other languages.
There is no I/O and no clock here. `commonwatt_audit.messages` holds a second parser that shares no code with this one.
"""
