# SPDX-License-Identifier: Apache-2.0
"""The peer's side of chaincode: packages, the stream to a chaincode server, and what chaincode may ask."""
