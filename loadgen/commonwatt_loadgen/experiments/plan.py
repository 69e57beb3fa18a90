# SPDX-License-Identifier: Apache-2.0
"""The runs of an experiment: each variant with each seed, known by a digest of all that its results follow from."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from commonwatt_client.exit_codes import UsageError

from commonwatt_loadgen.experiments.file import ExperimentFile
from commonwatt_loadgen.experiments.one_run import Run
from commonwatt_loadgen.experiments.options import files_of
from commonwatt_loadgen.experiments.versions import versions

Json = dict[str, Any]
RUNS = "runs"
_KIT = "commonwatt-loadgen"


def runs_of(experiment: ExperimentFile, files: Path, out: Path) -> list[Run]:
    """Every run, those of a variant one after the other; files that the experiment names are looked for in `files`.

    Raises:
        UsageError: one of those files cannot be read.
    """
    digests: dict[Path, str] = {}
    runs = []
    for variant in experiment.variants:
        for path in files_of(variant.setting, files).values():
            if path not in digests:
                digests[path] = digest_of(path)
        named = {key: digests[path] for key, path in files_of(variant.setting, files).items()}
        for seed in experiment.seeds:
            runs.append(
                Run(
                    variant.name,
                    variant.setting,
                    seed,
                    _identity(variant.setting.counting(), seed, named, tables=experiment.tables),
                    files,
                    out / RUNS / variant.name / f"seed-{seed}",
                    experiment.tables,
                )
            )
    return runs


def digest_of(path: Path) -> str:
    """SHA-256 of a file, or of all files of a folder with their names.

    Raises:
        UsageError: it cannot be read.
    """
    found = hashlib.sha256()
    try:
        if not path.is_dir():
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        for one in sorted(one for one in path.rglob("*") if one.is_file()):
            found.update(f"{one.relative_to(path)}\0{digest_of(one)}\0".encode())
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    return found.hexdigest()


def _identity(setting: Json, seed: int, files: Mapping[str, str], *, tables: str) -> str:
    counting = {name: value for name, value in setting.items() if name != "data"}
    counting["data"] = {name: value for name, value in setting["data"].items() if name != "file"}
    told = {
        "setting": counting,
        "seed": seed,
        "files": dict(files),
        "tables": tables,
        "kit": versions()[_KIT],
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
