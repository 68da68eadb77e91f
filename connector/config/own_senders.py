"""Mappings of a project: the files of its folder `senders/`, used like those of the product.

A file `senders/acme.py` with one class whose name ends in Mapping is the mapping "acme". `connector new sender` writes
such files; no upgrade touches them.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any, Final

import mappings
from connector.core.errors import ConfigError

FOLDER: Final = "senders"
SAMPLES: Final = "samples"  #: beside it: the payloads that the project's sources must read
_MODULES: Final = "own_senders"  #: prefix of their names in `sys.modules`


def folder_of(config_path: str) -> Path:
    """The folder of a configuration's senders: beside it, or beside its folder if that is called config."""
    folder = Path(config_path).resolve().parent
    return (folder.parent if folder.name == "config" else folder) / FOLDER


def load(config_path: str) -> None:
    """Registers every mapping of the folder. Raises `ConfigError` with the line of a faulty file."""
    folder = folder_of(config_path)
    if not folder.is_dir():
        return
    faults = []
    for file in sorted(folder.glob("[a-z]*.py")):
        try:
            register(file)
        except ConfigError as fault:
            faults += fault.faults
    if faults:
        raise ConfigError(faults)


def register(file: Path) -> None:
    """Registers the mapping of one file. Raises `ConfigError`."""
    name = file.stem
    known = mappings.PAYLOADS.get(name)
    module = f"{_MODULES}.{name}"
    if known is not None and known.__module__ != module:
        raise ConfigError([f"{FOLDER}/{file.name}: the product has a mapping of this name: rename the file"])
    if known is not None and getattr(sys.modules.get(module), "__file__", "") == str(file):
        return
    found = _class_of(file, module)
    mappings.PAYLOADS[name] = found
    mappings.EVENT_TYPES[name] = found.event_types
    if found.sender.proof:
        mappings.PROOFS[name] = found.sender.proof


def _class_of(file: Path, module: str) -> Any:
    spec = importlib.util.spec_from_file_location(module, file)
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(loaded)
    except Exception as fault:  # the file may do anything
        line = fault.lineno if isinstance(fault, SyntaxError) else _line_of(fault, file)
        why = " ".join(str(fault).split())
        raise ConfigError([f"{FOLDER}/{file.name}, line {line}: {type(fault).__name__}: {why}"]) from fault
    classes = [
        one
        for name, one in vars(loaded).items()
        if name.endswith("Mapping") and isinstance(one, type) and one.__module__ == module
    ]
    if len(classes) != 1 or not hasattr(classes[0], "event_types"):
        raise ConfigError(
            [f"{FOLDER}/{file.name}: it needs one class whose name ends in Mapping, and has {len(classes)}"]
        )
    sys.modules[module] = loaded
    return classes[0]


def _line_of(fault: BaseException, file: Path) -> int:
    trace, line = fault.__traceback__, 1
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(file):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
