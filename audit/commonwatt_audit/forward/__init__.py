# SPDX-License-Identifier: Apache-2.0
"""The forward market judged a second time: every rule is written anew from `docs/market.md` and `docs/messages.md`.

Nothing here may import the chaincode: a rule that both shared would check itself.
"""
