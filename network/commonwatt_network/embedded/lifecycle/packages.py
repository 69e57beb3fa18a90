# SPDX-License-Identifier: Apache-2.0
"""The functions of `_lifecycle` that deal with packages on one peer."""

from __future__ import annotations

from typing import Any

from fabric_protos.peer.lifecycle import lifecycle_pb2 as messages

from commonwatt_network.embedded.lifecycle.invocation import Invocation, LifecycleError


def install(invocation: Invocation, arguments: Any) -> Any:
    package = invocation.packages.install(arguments.chaincode_install_package)
    return messages.InstallChaincodeResult(package_id=package.package_id, label=package.label)


def query_installed(invocation: Invocation, arguments: Any) -> Any:
    package = invocation.packages.installed.get(arguments.package_id)
    if package is None:
        raise LifecycleError(f"could not find chaincode with package id '{arguments.package_id}'")
    result = messages.QueryInstalledChaincodeResult(package_id=package.package_id, label=package.label)
    for channel_id, chaincodes in invocation.references(package.package_id).items():
        for name, version in chaincodes:
            result.references[channel_id].chaincodes.add(name=name, version=version)
    return result


def query_all_installed(invocation: Invocation, _: Any) -> Any:
    result = messages.QueryInstalledChaincodesResult()
    for package in invocation.packages.installed.values():
        installed = result.installed_chaincodes.add(package_id=package.package_id, label=package.label)
        for channel_id, chaincodes in invocation.references(package.package_id).items():
            for name, version in chaincodes:
                installed.references[channel_id].chaincodes.add(name=name, version=version)
    return result


def get_package(invocation: Invocation, arguments: Any) -> Any:
    encoded = invocation.packages.load(arguments.package_id)
    if encoded is None:
        raise LifecycleError(f"chaincode install package '{arguments.package_id}' not found", status=404)
    return messages.GetInstalledChaincodePackageResult(chaincode_install_package=encoded)
