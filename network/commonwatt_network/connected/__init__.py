# SPDX-License-Identifier: Apache-2.0
"""Networks that others made: what a connection profile, an identity and the peers' own answers tell of them.

- `identities`: certificates and keys that the person names
- `survey`: what the network's own peers answer: channels, organisations, peers, orderers, chaincodes
- `trouble`: why a node does not answer: no listener, another network's certificates, silence
- `connect`: writes the network file
- `network`: reads it: nodes, users, channels
- `status`: which nodes answer, and how many blocks they have
- `deploy`: chaincode, each organisation for itself
- `server`: what a chaincode server and the peers that dial it need
"""
