# SPDX-License-Identifier: Apache-2.0
"""Several organisations, each on its own host with its own keys; only public bundles and blocks pass between them.

- `organization`: one organisation's description: its nodes, their names and ports, its users
- `host`: its own folder: keys, programs, start and stop
- `bundle`: what it tells the others: certificates and addresses, nothing secret
- `genesis`: a channel's first block, from everybody's bundles
- `review`: that block in words, and what is wrong with it
- `membership`: joining it, approving a chaincode; who is still waited for
- `update`: taking one more organisation into a running channel, as bytes to review and sign
- `growth`: proposing, signing and submitting such an update
- `backup`: an organisation's keys and ledgers in one encrypted file, and back
"""
