"""Strict reading at the edges: intents in YAML or JSON, configuration in TOML. Nothing is coerced, nothing is dropped.

YAML is read with every scalar as text: a price of `1.0850` must not become a float on its way to a Decimal, and `no` is
a word. Aliases are refused (a small file can describe a huge document with them), and so are duplicate keys.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from typing import Final, TypeVar, cast

import cattrs
import yaml

from phoenix_core.values import BadInput, number

# A canonical signal is under 2 KiB; sixteen times that is no longer a signal.
DOCUMENT_MAX: Final = 32_768
DEPTH_MAX: Final = 4
T = TypeVar("T")


class _TextLoader(yaml.SafeLoader):
    """YAML in which every scalar is text and every key stands once."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse aliases before anything is built from them."""
        if self.check_event(yaml.AliasEvent):
            raise BadInput("document", "*alias", "write every value out")
        return super().compose_node(parent, index)


def _text(loader: _TextLoader, node: yaml.ScalarNode) -> str | None:
    return None if node.style is None and node.value in ("", "~", "null") else str(node.value)


def _mapping(loader: _TextLoader, node: yaml.MappingNode) -> dict[str, object]:
    found: dict[str, object] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise BadInput("document", repr(key), "write keys as text")
        if key in found:
            raise BadInput(key, key, "write every key once")
        found[key] = loader.construct_object(value_node, deep=True)
    return found


for _tag in ("str", "int", "float", "bool", "null", "timestamp", "binary"):
    _TextLoader.add_constructor(f"tag:yaml.org,2002:{_tag}", _text)
_TextLoader.add_constructor("tag:yaml.org,2002:map", _mapping)


def digest_of(data: bytes) -> str:
    """What an input is known by: the same bytes have the same outcome."""
    return hashlib.sha256(data).hexdigest()


def read_document(data: bytes, name: str = "") -> Mapping[str, object]:
    """A signal's document from YAML or JSON (which is YAML too); raises `BadInput`."""
    if len(data) > DOCUMENT_MAX:
        raise BadInput("document", f"{len(data)} bytes", f"write at most {DOCUMENT_MAX} bytes")
    try:
        text = data.decode("utf-8")
        if text.count("[") + text.count("{") > 64:
            raise BadInput("document", name, "write a flat document")
        found = yaml.load(text, Loader=_TextLoader)
    except UnicodeDecodeError as error:
        raise BadInput("document", name, "write UTF-8") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput("document", str(error)[:120], "write one plain YAML or JSON object") from error
    if not isinstance(found, dict):
        raise BadInput("document", name, "write one object with named fields")
    return found


def _strict(cls: type) -> object:
    return lambda value, _: _exactly(value, cls)


def _exactly(value: object, cls: type) -> object:
    if type(value) is not cls:
        raise BadInput("configuration", value, f"write a {cls.__name__}")
    return value


CONVERTER: Final = cattrs.Converter(forbid_extra_keys=True, detailed_validation=False)
for _cls in (str, int, bool):
    CONVERTER.register_structure_hook(_cls, cast("cattrs.dispatch.StructureHook", _strict(_cls)))
CONVERTER.register_structure_hook(Decimal, lambda value, _: number(value, "configuration"))
CONVERTER.register_unstructure_hook(Decimal, str)


def structured(document: Mapping[str, object], cls: type[T], where: str) -> T:
    """A record of the configuration: unknown keys are refused and the nearest right one is named."""
    try:
        return CONVERTER.structure(document, cls)
    except cattrs.errors.ForbiddenExtraKeysError as error:
        unknown = sorted(error.extra_fields)[0]
        raise BadInput(f"{where}: {unknown}", unknown, _nearest(unknown, cls)) from error
    except (cattrs.errors.BaseValidationError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(where, str(error), "correct this entry") from error


def _nearest(unknown: str, cls: type) -> str:
    import difflib

    import attrs

    names = [field.name for field in attrs.fields(cls)]
    near = difflib.get_close_matches(unknown, names, 1)
    return f"did you mean {near[0]}?" if near else "known keys: " + ", ".join(names)


def read_toml(data: bytes, where: str) -> Mapping[str, object]:
    """A TOML document; raises `BadInput` with the line."""
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(where, str(error), "correct the file") from error


def json_text(value: object) -> str:
    """One JSON document for people's tools: Decimals as text, keys in the order given."""
    return json.dumps(value, ensure_ascii=False, default=str)


__all__ = ["CONVERTER", "digest_of", "json_text", "read_document", "read_toml", "structured"]
