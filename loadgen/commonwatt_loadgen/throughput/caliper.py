# SPDX-License-Identifier: Apache-2.0
"""A Hyperledger Caliper workspace that sends what `commonwatt load` sends, for consortia that measure with Caliper.

Three files: the network (Caliper's network configuration 2.0, which refers to the standard connection profile), the
benchmark, and the workload module that makes the readings.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from commonwatt_chaincode.market.tariff import DAY_S
from commonwatt_client.exit_codes import UsageError
from commonwatt_client.network_file import NetworkFile

from commonwatt_loadgen.throughput.workload import DAYS_APART, ENERGY_WH, INTERVAL_S, TRANSACTION, Readings

NETWORK_FILE, BENCHMARK_FILE, WORKLOAD_FILE = "network.yaml", "benchmark.yaml", "readings.js"

# Worker w of n sends the transactions w, w + n, w + 2n, ..., so that no two workers ever send the same one.
_WORKLOAD_MODULE = """\
'use strict';

const { WorkloadModuleBase } = require('@hyperledger/caliper-core');

class Readings extends WorkloadModuleBase {
    async initializeWorkloadModule(...settings) {
        await super.initializeWorkloadModule(...settings);
        this.number = this.workerIndex;
    }

    async submitTransaction() {
        const { channel, chaincode, mspId, homes, energyWh, firstStart, days, apart, length, transaction } =
            this.roundArguments;
        const [home, user] = homes[this.number % homes.length];
        const turn = Math.floor(this.number / homes.length);
        const start = firstStart + (turn % days) * apart + Math.floor(turn / days) * length;
        const reading = {
            home,
            interval_start: start,
            interval_end: start + length,
            use_wh: energyWh,
            generation_wh: 0,
        };
        this.number += this.totalWorkers;
        await this.sutAdapter.sendRequests({
            channel,
            contractId: chaincode,
            contractFunction: transaction,
            contractArguments: [JSON.stringify(reading)],
            invokerMspId: mspId,
            invokerIdentity: user,
            readOnly: false,
        });
    }
}

module.exports.createWorkloadModule = () => new Readings();
"""


@dataclass(frozen=True)
class CaliperRound:
    """How Caliper is to send: open loop at `rate_per_s`, or closed loop with `in_flight` at once (above 0)."""

    transactions: int
    workers: int = 1
    rate_per_s: float = 50.0
    in_flight: int = 0

    def check(self) -> None:
        """Raise UsageError for a value that cannot be."""
        for name, value, low in (
            ("--transactions", self.transactions, 1),
            ("--workers", self.workers, 1),
            ("--rate", self.rate_per_s, 0.001),
            ("--in-flight", self.in_flight, 0),
        ):
            if value < low:
                raise UsageError(f"{name} {value:g}: must be at least {low:g}")


def write_caliper_workspace(
    folder: Path, network: NetworkFile, workload: Readings, settings: CaliperRound
) -> None:
    """Write the workspace into `folder`; keys and certificates stay where they are.

    Raises:
        UsageError: the settings cannot be, or the network has no connection profile.
    """
    settings.check()
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (
        (NETWORK_FILE, _network(network, workload)),
        (BENCHMARK_FILE, _benchmark(network, workload, settings)),
    ):
        (folder / name).write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    (folder / WORKLOAD_FILE).write_text(_WORKLOAD_MODULE, "utf-8")


def _network(network: NetworkFile, workload: Readings) -> dict[str, Any]:
    directory = network.path.parent.absolute()
    profile = directory / "profiles" / f"{workload.organization}.yaml"
    if not profile.is_file():
        raise UsageError(f"{profile} does not exist; start the network anew with `make network-up`")
    organization = network.content["organizations"][workload.organization]

    def file(name: str) -> str:
        return str(directory / name)  # an absolute name stays as it is

    return {
        "name": network.name,
        "version": "2.0.0",
        "caliper": {"blockchain": "fabric", "sutOptions": {"mutualTls": False}},
        "channels": [{"channelName": workload.channel, "contracts": [{"id": "market"}]}],
        "organizations": [
            {
                "mspid": organization["mspid"],
                "identities": {
                    "certificates": [
                        {
                            "name": user,
                            "clientPrivateKey": {"path": file(organization["users"][user]["private_key"])},
                            "clientSignedCert": {"path": file(organization["users"][user]["certificate"])},
                        }
                        for _, user in workload.users
                    ]
                },
                "connectionProfile": {"path": str(profile), "discover": True},
            }
        ],
    }


def _benchmark(network: NetworkFile, workload: Readings, settings: CaliperRound) -> dict[str, Any]:
    if settings.in_flight:
        control = {"type": "fixed-load", "opts": {"transactionLoad": settings.in_flight}}
    else:
        control = {"type": "fixed-rate", "opts": {"tps": settings.rate_per_s}}
    arguments = {
        "channel": workload.channel,
        "chaincode": "market",
        "mspId": network.content["organizations"][workload.organization]["mspid"],
        "transaction": TRANSACTION,
        "energyWh": ENERGY_WH,
        "firstStart": workload.first_start_s,
        "days": workload.days,
        "apart": DAYS_APART * DAY_S,
        "length": INTERVAL_S,
        "homes": json.loads(json.dumps(workload.users)),
    }
    return {
        "test": {
            "name": f"{network.name}-readings",
            "description": "Readings that homes report late; transactions that never conflict",
            "workers": {"number": settings.workers},
            "rounds": [
                {
                    "label": TRANSACTION,
                    "txNumber": settings.transactions,
                    "rateControl": control,
                    "workload": {"module": WORKLOAD_FILE, "arguments": arguments},
                }
            ],
        }
    }
