# SPDX-License-Identifier: Apache-2.0
"""Modules that no test imports, and what tests them instead. `test_every_module_is_tested.py` reads this."""

WHY_NOT: dict[str, str] = {
    "Whole audits of recorded and forged ledgers run them: tests/unit/audit, tests/behaviour/test_verify.py": """
        commonwatt_audit.administration commonwatt_audit.bids commonwatt_audit.bills commonwatt_audit.case_members
        commonwatt_audit.cases
        commonwatt_audit.envelopes commonwatt_audit.metering
        commonwatt_audit.policies commonwatt_audit.possible commonwatt_audit.rounds commonwatt_audit.signatures
        commonwatt_audit.state commonwatt_audit.summaries commonwatt_audit.updates
        commonwatt_audit.verdicts
    """,
    "Whole ledgers of the forward market, honest and forged, run them: tests/unit/audit/forward": """
        commonwatt_audit.forward.adjustments
        commonwatt_audit.forward.configuring commonwatt_audit.forward.day_lines commonwatt_audit.forward.freezing
        commonwatt_audit.forward.frozen
        commonwatt_audit.forward.gates commonwatt_audit.forward.homes
        commonwatt_audit.forward.importing commonwatt_audit.forward.outside commonwatt_audit.forward.residuals
        commonwatt_audit.forward.key_changes commonwatt_audit.forward.keys commonwatt_audit.forward.ledger
        commonwatt_audit.forward.places commonwatt_audit.forward.planning
        commonwatt_audit.forward.publishing commonwatt_audit.forward.purging
        commonwatt_audit.forward.registering commonwatt_audit.forward.salts commonwatt_audit.forward.situation
        commonwatt_audit.forward.settling commonwatt_audit.forward.submitting
    """,
    "Plug-ins, sound and broken, run them: tests/unit/community/plugins": """
        commonwatt_community.mechanisms commonwatt_community.plugins.shapes commonwatt_loadgen.traces.plugin_kind
    """,
    "The service that runs, every route as every role, runs them: tests/behaviour/test_service*.py": """
        commonwatt_community.service.about commonwatt_community.service.accounts
        commonwatt_community.service.doors commonwatt_community.service.households
        commonwatt_community.service.reads
        commonwatt_community.service.speakers commonwatt_community.service.speaking
    """,
    "A whole community lives by them: tests/acceptance/test_make_live.py": """
        commonwatt_community.live.cli commonwatt_community.live.homes commonwatt_community.live.run
        commonwatt_community.live.trades
    """,
    "Two organisations with real Fabric live by them: tests/behaviour/test_org_day_two.py": """
        commonwatt_network.consortium.own_update commonwatt_network.consortium.revocation
        commonwatt_network.trust.pairs
    """,
    "An organisation of real Fabric CA servers has its certificates by it: tests/interop/test_org_fabric_ca.py": """
        commonwatt_network.consortium.enrolment
    """,
    "Every network starts it as a process": """
        commonwatt_chaincode.__main__
    """,
    "Transactions of the whole contract run them: tests/unit/contract": """
        commonwatt_chaincode.contract.billing commonwatt_chaincode.contract.callers
        commonwatt_chaincode.contract.clock commonwatt_chaincode.contract.corrections
        commonwatt_chaincode.contract.intervals commonwatt_chaincode.contract.metering
        commonwatt_chaincode.contract.offers commonwatt_chaincode.contract.queries
        commonwatt_chaincode.contract.records commonwatt_chaincode.contract.requests
        commonwatt_chaincode.contract.rounds
    """,
    "Each call of a typed client is one of it: tests/unit/community/test_forward_market.py": """
        commonwatt_community.market.calls
    """,
    "Transactions of the whole contract run them: tests/unit/exchange": """
        commonwatt_chaincode.exchange.anchoring commonwatt_chaincode.exchange.arguments
        commonwatt_chaincode.exchange.attesting
        commonwatt_chaincode.exchange.elsewhere commonwatt_chaincode.exchange.founding
        commonwatt_chaincode.exchange.links
        commonwatt_chaincode.exchange.queries commonwatt_chaincode.exchange.records
        commonwatt_chaincode.exchange.rounds
        commonwatt_chaincode.exchange.state commonwatt_chaincode.forward.digests
    """,
    "Transactions of the whole contract run them: tests/unit/forward": """
        commonwatt_chaincode.forward.access commonwatt_chaincode.forward.carbon
        commonwatt_chaincode.forward.carrier_keys commonwatt_chaincode.forward.clearing
        commonwatt_chaincode.forward.closing commonwatt_chaincode.forward.configuring
        commonwatt_chaincode.forward.envelopes commonwatt_chaincode.forward.homes
        commonwatt_chaincode.forward.importing commonwatt_chaincode.forward.residuals
        commonwatt_chaincode.forward.losses commonwatt_chaincode.forward.periods
        commonwatt_chaincode.forward.queries commonwatt_chaincode.forward.sharing
        commonwatt_chaincode.forward.standing
    """,
    "Transactions of the whole contract run them: tests/unit/settling": """
        commonwatt_chaincode.forward.basis commonwatt_chaincode.forward.day_lines commonwatt_chaincode.forward.freezing
        commonwatt_chaincode.forward.planning commonwatt_chaincode.forward.readings
        commonwatt_chaincode.forward.registry
        commonwatt_chaincode.forward.settling
    """,
    "Contracts behind a server or in memory run them: tests/unit/shim": """
        commonwatt_chaincode.shim.metadata commonwatt_chaincode.shim.proposal
        commonwatt_chaincode.shim.queries commonwatt_chaincode.shim.testing.messages
        commonwatt_chaincode.shim.testing.otherwise
        commonwatt_chaincode.shim.workers
        commonwatt_chaincode.shim.writes
    """,
    "The client's public names run them: tests/unit/client": """
        commonwatt_client.admin.deliver
        commonwatt_client.admin.snapshots
        commonwatt_client.ledger.configuration_json commonwatt_client.ledger.wire
        commonwatt_client.transaction
    """,
    "Days of whole households run them: tests/unit/community, tests/unit/loadgen": """
        commonwatt_community.hems.grid_charging commonwatt_community.hems.latecomers
        commonwatt_community.hems.noise
    """,
    "Homes that live run them: tests/unit/community/home/test_living.py, tests/behaviour/test_home_run.py": """
        commonwatt_community.home.residents
        commonwatt_community.home.run commonwatt_community.home.steering
    """,
    "Meters that ask for a token: tests/unit/community/meters/test_http.py": """
        commonwatt_community.meters.secrets
    """,
    "Days on a running network run them: tests/behaviour/test_simulated_day.py": """
        commonwatt_loadgen.simulate.gateway commonwatt_loadgen.simulate.latency
    """,
    "The table is judged whole: tests/unit/community/service/test_openapi.py, behaviour/test_service_access.py": """
        commonwatt_community.service.tables.doors commonwatt_community.service.tables.enrolments
        commonwatt_community.service.tables.events commonwatt_community.service.tables.homes
        commonwatt_community.service.tables.market commonwatt_community.service.tables.messages
        commonwatt_community.service.tables.operators
    """,
    "A command and a browser run them: tests/behaviour/test_forward_settlement.py, tests/interop/test_portal.py": """
        commonwatt_community.service.figures
    """,
    "The whole paper is repeated: tests/behaviour/test_paper.py": """
        commonwatt_loadgen.paper.command commonwatt_loadgen.paper.figures
        commonwatt_loadgen.paper.further_figures commonwatt_loadgen.paper.lines
        commonwatt_loadgen.paper.targets
    """,
    "Simulated days run them: tests/unit/loadgen/test_forward_simulation.py, test_forward_report.py": """
        commonwatt_loadgen.forward.carbon commonwatt_loadgen.forward.feeder commonwatt_loadgen.forward.flows
        commonwatt_loadgen.forward.pairs commonwatt_loadgen.forward.series
        commonwatt_loadgen.forward.without_market
    """,
    "Whole reports are checked: tests/unit/loadgen/test_reports.py, test_load_summary.py": """
        commonwatt_loadgen.report.axes commonwatt_loadgen.report.communities
        commonwatt_loadgen.report.energy
        commonwatt_loadgen.report.households commonwatt_loadgen.report.key_figures
        commonwatt_loadgen.report.sankey
        commonwatt_loadgen.report.through_time
        commonwatt_loadgen.report.trades commonwatt_loadgen.report.types
        commonwatt_loadgen.report.units
    """,
    "Whole simulations and loads run them: tests/behaviour/test_simulated_day.py, test_load.py": """
        commonwatt_loadgen.simulate.series
        commonwatt_loadgen.throughput.caliper commonwatt_loadgen.throughput.caliper_command
        commonwatt_loadgen.throughput.machines
        commonwatt_loadgen.throughput.prepare commonwatt_loadgen.throughput.processes
    """,
    "Files of each layout are read through `traces`: tests/unit/loadgen/test_layouts.py, test_trace_cases.py": """
        commonwatt_loadgen.traces.intervals commonwatt_loadgen.traces.layouts.aemo
        commonwatt_loadgen.traces.layouts.ausgrid commonwatt_loadgen.traces.layouts.green_button
        commonwatt_loadgen.traces.layouts.layout
        commonwatt_loadgen.traces.layouts.low_carbon_london commonwatt_loadgen.traces.layouts.nem12
        commonwatt_loadgen.traces.layouts.openei_resstock commonwatt_loadgen.traces.layouts.pecan_street
        commonwatt_loadgen.traces.layouts.tidy commonwatt_loadgen.traces.layouts.umass_smart
        commonwatt_loadgen.traces.meter_rows
    """,
    "Networks that start, change and stop run them: tests/unit/network, tests/acceptance": """
        commonwatt_network.backends.on_this_machine commonwatt_network.change.images
        commonwatt_network.change.membership
        commonwatt_network.change.ordering commonwatt_network.change.servers
        commonwatt_network.change.snapshots commonwatt_network.change.witness
        commonwatt_network.channels.first_transaction
        commonwatt_network.consortium.standing
        commonwatt_network.model.topology_rules commonwatt_network.programs.starting
        commonwatt_network.programs.unpacking commonwatt_network.programs.watchdog
    """,
    "Commands run them as a user does: tests/unit/network/cli, tests/acceptance": """
        commonwatt_network.cli.chaincode commonwatt_network.cli.connect
        commonwatt_network.cli.consortium commonwatt_network.cli.deploy
        commonwatt_network.cli.explain commonwatt_network.cli.machine commonwatt_network.cli.network
        commonwatt_network.cli.options commonwatt_network.cli.organization
        commonwatt_network.cli.topology commonwatt_network.cli.transact commonwatt_network.cli.verbs
        commonwatt_network.cli.watch
    """,
    "A developer's first hour runs them: tests/acceptance/test_first_chaincode.py": """
        commonwatt_network.development.redeployment commonwatt_network.development.session
    """,
    "Proposals, blocks and queries on a running network: tests/behaviour, tests/unit/embedded": """
        commonwatt_network.embedded.__main__ commonwatt_network.embedded.background
        commonwatt_network.embedded.determinism commonwatt_network.embedded.faults
        commonwatt_network.embedded.ledger.private commonwatt_network.embedded.ledger.wire
        commonwatt_network.embedded.ledger.write_sets commonwatt_network.embedded.peer.refill
        commonwatt_network.embedded.lifecycle.collection_history
        commonwatt_network.embedded.lifecycle.collections
        commonwatt_network.embedded.lifecycle.functions
        commonwatt_network.embedded.lifecycle.invocation
        commonwatt_network.embedded.lifecycle.packages
        commonwatt_network.embedded.orderer.metrics
        commonwatt_network.embedded.orderer.participation
        commonwatt_network.embedded.other_clock.sitecustomize
        commonwatt_network.embedded.peer.chaincode.context
        commonwatt_network.embedded.peer.chaincode.requests
        commonwatt_network.embedded.peer.chaincode.runtime commonwatt_network.embedded.peer.deliver
        commonwatt_network.embedded.peer.discovery commonwatt_network.embedded.peer.endorser
        commonwatt_network.embedded.peer.gateway.calls
        commonwatt_network.embedded.peer.gateway.errors
        commonwatt_network.embedded.peer.gateway.events
        commonwatt_network.embedded.peer.gateway.plans
        commonwatt_network.embedded.peer.gateway.service commonwatt_network.embedded.peer.interest
        commonwatt_network.embedded.peer.metrics
        commonwatt_network.embedded.peer.private_data
        commonwatt_network.embedded.peer.snapshot_requests
        commonwatt_network.embedded.peer.system.cscc
        commonwatt_network.embedded.peer.system.lifecycle
        commonwatt_network.embedded.peer.system.qscc
        commonwatt_network.embedded.peer.system.registry
        commonwatt_network.embedded.peer.system.responses commonwatt_network.embedded.peer.views
        commonwatt_network.embedded.snapshots
        commonwatt_network.embedded.transport.connection
        commonwatt_network.embedded.transport.http_server
        commonwatt_network.embedded.transport.operations commonwatt_network.embedded.trust.access
        commonwatt_network.embedded.trust.authorities
        commonwatt_network.embedded.validation.commit_hash
        commonwatt_network.embedded.validation.endorsement
        commonwatt_network.embedded.validation.private
        commonwatt_network.embedded.validation.updates
    """,
}
