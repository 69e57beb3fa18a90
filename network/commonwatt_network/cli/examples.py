# SPDX-License-Identifier: Apache-2.0
"""How each verb of this distribution is called: what stands under its help. A line is an example."""

EXAMPLES = {
    "network up": """
        commonwatt network up --homes 20
        commonwatt network up --topology three-orderers --backend native
    """,
    "network down": "commonwatt network down",
    "network reset": "commonwatt network reset --yes",
    "network render": "commonwatt network render --backend kubernetes --topology network.yaml --out manifests",
    "network status": """
        commonwatt network status
        commonwatt network status --json
    """,
    "network revoke": "commonwatt network revoke newtown home001",
    "network renew": "commonwatt network renew newtown home001 --new-key",
    "network trust": "commonwatt network trust newtown authorities.pem",
    "network logs": "commonwatt network logs peer0.newtown --follow",
    "network samples-tree": "commonwatt network samples-tree fabric-samples/test-network",
    "network monitoring": "commonwatt network monitoring --out monitoring",
    "network plan": "commonwatt network plan network.yaml",
    "network apply": "commonwatt network apply network.yaml",
    "plan": """
        commonwatt plan network.yaml
        commonwatt plan network.yaml --json
    """,
    "apply": "commonwatt apply network.yaml",
    "topology schema": "commonwatt topology schema",
    "topology check": "commonwatt topology check network.yaml",
    "topology samples": """
        commonwatt topology samples
        commonwatt topology samples bft
    """,
    "topology show": "commonwatt topology show",
    "doctor": """
        commonwatt doctor
        commonwatt doctor --deep --json
    """,
    "fabric": "commonwatt fabric --version 3.1.5",
    "explain": """
        commonwatt explain MVCC_READ_CONFLICT
        commonwatt explain 11 --json
    """,
    "watch": "commonwatt watch --port 9480",
    "connect": "commonwatt connect profile.yaml --identity cert.pem --key key.pem --name energy",
    "submit": "commonwatt submit newtown assets create pump 7",
    "evaluate": "commonwatt evaluate newtown market get_parameters {} --json",
    "chaincode deploy": "commonwatt chaincode deploy market --network energy --address 10.0.0.5:9999",
    "chaincode new": "commonwatt chaincode new assets",
    "chaincode dev": "commonwatt chaincode dev --topology topology.yaml",
    "org init": "commonwatt org init newtown.yaml",
    "org export": "commonwatt org export newtown.json",
    "org start": "commonwatt org start",
    "org stop": "commonwatt org stop",
    "org join": "commonwatt org join newtown.block",
    "org install": "commonwatt org install",
    "org approve": "commonwatt org approve newtown --wait 60",
    "org submit": "commonwatt org submit newtown close_round '{}'",
    "org evaluate": "commonwatt org evaluate newtown get_parameters",
    "org status": """
        commonwatt org status
        commonwatt org status --json
    """,
    "org render": """
        commonwatt org render --backend compose --out machine
        commonwatt org render --backend kubernetes --out cluster --values values.yaml
    """,
    "org change": "commonwatt org change newtown.yaml",
    "org announce": "commonwatt org announce",
    "org renew": "commonwatt org renew --before-days 60",
    "org upgrade": "commonwatt org upgrade --wait 60",
    "org request": "commonwatt org request --out requests",
    "org certify": "commonwatt org certify certificates",
    "org enrol": "commonwatt org enrol tls https://tlsca.newtown.example:7055 --out certificates --secret-file secret",
    "org authorities": "commonwatt org authorities --authority enrolment.pem --tls-authority tls.pem",
    "org revoke": "commonwatt org revoke ada",
    "org units": "commonwatt org units --out units",
    "org backup": "commonwatt org backup newtown.backup --passphrase-file passphrase",
    "org restore": "commonwatt org restore newtown.backup --passphrase-file passphrase",
    "consortium create": "commonwatt consortium create newtown newtown.json grid.json --out newtown.block",
    "consortium show": "commonwatt consortium show newtown.block",
    "consortium propose": "commonwatt consortium propose newtown ferry.json --out ferry.update",
    "consortium sign": "commonwatt consortium sign ferry.update",
    "consortium submit": "commonwatt consortium submit ferry.update --out newest.block",
    "consortium agree": "commonwatt consortium agree newtown --exchange exchange",
    "consortium readmit": "commonwatt consortium readmit newtown --exchange exchange",
}
