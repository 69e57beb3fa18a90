# SPDX-License-Identifier: Apache-2.0
"""The feeder's meter against the homes' meters."""

from commonwatt_audit.world import Json

from .anomalies import Anomalies, Kind

_LOSSES_PERCENT = 5


def note_feeder(feeder: Json | None, number: int, whole: Json, anomalies: Anomalies) -> None:
    """Compare the feeder's meter with the homes; wires lose a few percent, and each home's Wh are rounded."""
    if feeder is None:
        return
    homes_wh = whole["import_wh"] - whole["export_wh"]
    feeder_wh = feeder["import_wh"] - feeder["export_wh"]
    allowed_wh = (whole["import_wh"] + whole["export_wh"]) * _LOSSES_PERCENT // 100 + whole["homes"]
    if abs(homes_wh - feeder_wh) > allowed_wh:
        words = f"the feeder counted {feeder_wh} Wh, the homes {homes_wh} Wh"
        anomalies.notice(Kind.FEEDER_GAP, "community", number, words)
    else:
        anomalies.take_back(Kind.FEEDER_GAP, "community", number)
