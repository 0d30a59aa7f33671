"""Functions that need data or services of Wolfram, and those that read from the web.

The first are not to be had here: each says so, and gives ``Missing["NotAvailable"]`` or
``$Failed``. The second read with the standard library of Python; where nothing answers they say why
and give ``$Failed``.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from mathics.core.atoms import Integer, String
from mathics.core.expression import Expression
from mathics.core.list import ListExpression
from mathics.core.symbols import Symbol

from kernelbus.kernelhost.mathics.native import add_message, call, define, definition_of

__all__ = ["NO_DATA", "NO_SERVICE", "install_knowledge"]

#: Functions that need data.
NO_DATA: Final = (
    "AirportData", "AstronomicalData", "ChemicalData", "CityData", "CompanyData", "CometData", "ConstellationData", "CurrencyConvert",
    "DictionaryLookup", "DictionaryWordQ", "EarthquakeData", "ExampleData", "ExoplanetData", "FinancialData", "GalaxyData", "GenomeData",
    "GeneticData", "InflationAdjust", "IsotopeData", "LanguageData", "MoonPhase", "MovieData", "NebulaData", "ParticleData", "PersonData",
    "PlanetData", "PlanetaryMoonData", "PopulationData", "ProteinData", "SatelliteData", "SpeciesData", "StarData", "Sunrise", "Sunset",
    "UniversityData", "WeatherData", "WikipediaData", "WordData", "WordDefinition", "WordTranslation", "Synonyms", "Antonyms",
)  # fmt: skip
#: Functions that need a service.
NO_SERVICE: Final = (
    "CloudDeploy", "CloudEvaluate", "CloudGet", "CloudImport", "CloudPut", "FindGeoLocation", "ImageIdentify", "ResourceData",
    "ResourceFunction", "ResourceObject", "SemanticInterpretation", "SendMail", "SendMessage", "SpeechRecognize", "TextTranslation",
    "WebImageSearch", "WebSearch", "WolframAlpha",
)  # fmt: skip
_FAILED: Final = Symbol("System`$Failed")
#: How long a server may take to answer, and the most bytes of an answer.
_PATIENCE: Final = 30.0
_MOST: Final = 100_000_000


def _without(delegate: Callable[[Any, Any], Any], tag: str, value: Any) -> Callable[[Any, Any], Any]:
    def apply(expression: Any, evaluation: Any) -> Any:
        found = delegate(expression, evaluation)
        if found is not None:
            return found
        evaluation.message(expression.get_head_name(), tag, Symbol(expression.get_head_name()))
        return value

    return apply


class _UnreachableError(Exception):
    """Say why a page could not be read."""


def _address(expr: Any) -> tuple[str, str, dict[str, str], bytes | None] | None:
    """Return the address, method, headers and body of a request."""
    if isinstance(expr, String):
        return expr.value, "GET", {}, None
    if expr.has_form("URL", 1) and isinstance(expr.elements[0], String):
        return expr.elements[0].value, "GET", {}, None
    if not expr.has_form("HTTPRequest", 1, 2) or not isinstance(expr.elements[0], String):
        return None
    method, headers, body = "GET", {}, None
    pairs = expr.elements[1].get_elements() if len(expr.elements) == 2 else ()
    for pair in pairs:
        if not pair.has_form(("Rule", "RuleDelayed"), 2):
            continue
        name = (pair.elements[0].get_string_value() or pair.elements[0].get_name()).removeprefix("System`")
        value = pair.elements[1]
        if name == "Method" and isinstance(value, String):
            method = value.value
        elif name == "Body" and isinstance(value, String):
            body = value.value.encode()
        elif name == "Headers":
            rules = [each for each in value.get_elements() if each.has_form(("Rule", "RuleDelayed"), 2)]
            headers = {each.elements[0].get_string_value() or "": each.elements[1].get_string_value() or "" for each in rules}
    return expr.elements[0].value, method, headers, body


def _fetched(expr: Any) -> tuple[int, dict[str, str], bytes] | None:
    """Return status, headers and body of what a request gets; None if it is no request.

    Raises:
        _UnreachableError: nothing was got.
    """
    request = _address(expr)
    if request is None:
        return None
    address, method, headers, body = request
    if urllib.parse.urlsplit(address).scheme not in ("http", "https"):
        raise _UnreachableError(f"{address} is no address that begins with http: or https:")
    asked = urllib.request.Request(address, data=body, headers=headers, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=_PATIENCE) as answer:
            return int(answer.status), dict(answer.headers.items()), answer.read(_MOST)
    except urllib.error.HTTPError as error:
        return int(error.code), dict(error.headers.items()), error.read(_MOST)
    except urllib.error.URLError as error:
        raise _UnreachableError(f"{address} cannot be reached: {error.reason}") from error
    except (OSError, ValueError) as error:
        raise _UnreachableError(f"{address} cannot be reached: {error}") from error


def _text(headers: dict[str, str], body: bytes) -> str:
    kind = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    charset = kind.partition("charset=")[2].partition(";")[0].strip() or "utf-8"
    try:
        return body.decode(charset)
    except (LookupError, UnicodeDecodeError):
        return body.decode("latin-1")


def _reading(make: Callable[[Any, int, dict[str, str], bytes], Any]) -> Callable[[Any, Any], Any]:
    """Return the function that makes something of an answer of the web."""

    def apply(expression: Any, evaluation: Any) -> Any:
        if not expression.elements:
            return None
        try:
            found = _fetched(expression.elements[0])
        except _UnreachableError as error:
            evaluation.message(expression.get_head_name(), "conn", String(str(error)))
            return _FAILED
        return None if found is None else make(expression, *found)

    return apply


def _read(expression: Any, status: int, headers: dict[str, str], body: bytes) -> Any:
    """``URLRead[url]``, ``URLRead[url, "Body"]``."""
    listed = ListExpression(*(call("Rule", String(name.lower()), String(value)) for name, value in headers.items()))
    text = String(_text(headers, body))
    parts = {"Body": text, "StatusCode": Integer(status), "Headers": listed, "BodyBytes": ListExpression(*map(Integer, body[:_MOST]))}
    if len(expression.elements) == 2:
        return parts.get(expression.elements[1].get_string_value() or "")
    pairs = (call("Rule", String(name), parts[name]) for name in ("StatusCode", "Headers"))
    return call("HTTPResponse", text, call("Association", *pairs))


def _executed(expression: Any, status: int, headers: dict[str, str], body: bytes) -> Any:
    """``URLExecute[url]``: JSON as an expression, all other as text."""
    kind = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    text = _text(headers, body)
    if "json" in kind:
        try:
            json.loads(text)
        except ValueError:
            return String(text)
        return call("ImportString", String(text), String("RawJSON"))
    return String(text)


def _downloaded(expression: Any, status: int, headers: dict[str, str], body: bytes) -> Any:
    """``URLDownload[url, file]``."""
    name = expression.elements[1].get_string_value() if len(expression.elements) == 2 else None
    if len(expression.elements) > 2 or (len(expression.elements) == 2 and name is None):
        return None
    if name is None:
        address = _address(expression.elements[0])
        name = urllib.parse.urlsplit(address[0] if address else "").path.rpartition("/")[2] or "download"
    Path(name).write_bytes(body)
    return call("File", String(str(Path(name).resolve())))


def install_knowledge(definitions: Any, delegate: Callable[[Any, Any], Any]) -> None:
    """Define the functions.

    Args:
        definitions: the definitions to change.
        delegate: returns what the second engine knows of an expression, None for nothing.
    """
    for names, tag, text, value in (
        (NO_DATA, "nodata", "`1` needs data of Wolfram, which this kernel does not have.", call("Missing", String("NotAvailable"))),
        (NO_SERVICE, "noservice", "`1` needs a service of Wolfram, which this kernel does not have.", _FAILED),
    ):
        for name in names:
            if definition_of(definitions, f"System`{name}").downvalues and name not in ("CurrencyConvert", "MoonPhase"):
                continue  # there is one by now
            define(definitions, name, _without(delegate, tag, value))
            add_message(definitions, name, tag, text)
    for name, make in (("URLRead", _read), ("URLExecute", _executed), ("URLFetch", _fetch), ("URLDownload", _downloaded)):
        define(definitions, name, _reading(make))
        add_message(definitions, name, "conn", "`1`.")


def _fetch(expression: Any, status: int, headers: dict[str, str], body: bytes) -> Any:
    """``URLFetch[url]``: the body as text."""
    if len(expression.elements) != 1:
        return Expression(Symbol("System`URLRead"), *expression.elements)
    return String(_text(headers, body))
