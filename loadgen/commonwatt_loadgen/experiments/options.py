# SPDX-License-Identifier: Apache-2.0
"""What a variant's setting means as options of the simulation."""

from collections.abc import Iterator
from pathlib import Path

from commonwatt_chaincode.market.forward.tariffs import check_version
from commonwatt_chaincode.market.parameters import Parameters, changed
from commonwatt_chaincode.market.tariff import TABLE_2, check_tariff
from commonwatt_chaincode.market.tariff import Band as TariffBand
from commonwatt_client.exit_codes import UsageError

from commonwatt_loadgen.experiments.setting import Setting
from commonwatt_loadgen.forward.agreement import UAUD_PER_CENT, tariff_version
from commonwatt_loadgen.forward.options import ForwardOptions
from commonwatt_loadgen.simulate.market_choice import FORWARD
from commonwatt_loadgen.simulate.options import SimulationOptions


def files_of(setting: Setting, folder: Path) -> dict[str, Path]:
    """The files that count in a variant, by key; relative ones stand beside the experiment file, in `folder`."""
    named = {"data.file": setting.data.file}
    if setting.market == FORWARD:
        named |= {"sharing.keys": setting.sharing.keys, "grid.envelopes": setting.grid.envelopes}
    return {key: folder / name for key, name in named.items() if name is not None}


def options_of(
    setting: Setting, seed: int, folder: Path, out: Path, *, tables: str
) -> SimulationOptions | ForwardOptions:
    """The options of one run, whose tables go to `out`."""
    files = files_of(setting, folder)
    data, tariff, forward = setting.data, setting.tariff, setting.market == FORWARD
    run = SimulationOptions(
        seed=seed,
        homes=setting.homes,
        days=setting.days,
        share_percent=setting.share_percent,
        storage_wh=setting.batteries.storage_wh,
        strategies=("suggested",) if forward else tuple(setting.strategies),
        forecast=setting.forecast,
        battery=setting.batteries.plan,
        spill="FEED_IN" if forward else setting.spill,
        traces=files.get("data.file"),
        layout=data.layout,
        columns=data.columns,
        zone=data.zone,
        meters=data.meters,
        trace_day=data.day,
        strict=data.strict,
        pv=data.pv,
        noise_percent=data.noise_percent,
        disutility=None if forward else setting.disutility_c_per_kwh_per_kw,
        storage_from_grid=None if forward else setting.batteries.from_grid,
        tou=tuple(_bands(setting)) or None,
        feed_in_uaud_per_kwh=None if forward else round(tariff.feed_in_c_per_kwh * UAUD_PER_CENT),
        data=tables != "none",
        parquet=tables == "parquet",
        out=out,
    )
    if not forward:
        return run
    feed_in = [f"{tariff.feed_in_c_per_kwh:.4f}"]
    feed_in += [f"{one.from_hour}-{one.to_hour}={one.c_per_kwh:.4f}" for one in tariff.feed_in_bands]
    return ForwardOptions(
        run=run,
        sharing=setting.sharing.mode,
        pricing=setting.pricing,
        period=setting.period_min,
        feed_in=tuple(feed_in),
        local_fee=tariff.local_fee_c_per_kwh,
        sharing_keys=files.get("sharing.keys"),
        envelopes=files.get("grid.envelopes"),
        export_limit_w=setting.grid.export_limit_w,
        curtail=setting.grid.curtail,
        clock_zone=setting.clock_zone,
        first_day=setting.first_date,
    )


def tariff_flaw(setting: Setting) -> str | None:
    """What no market accepts of the tariff; None where it is sound."""
    options = options_of(setting, 1, Path(), Path(), tables="none")
    try:
        if isinstance(options, SimulationOptions):
            changed(Parameters(), options.parameter_changes())
        else:
            check_tariff(options.run.tou or TABLE_2)
            check_version(tariff_version(options), options.period)
    except (ValueError, UsageError) as error:
        return str(error)
    return None


def _bands(setting: Setting) -> Iterator[TariffBand]:
    for one in setting.tariff.bands or ():
        yield TariffBand(one.from_hour, one.to_hour, round(one.c_per_kwh * UAUD_PER_CENT))
