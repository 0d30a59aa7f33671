"""Units of measurement: their sizes, their dimensions, and the names that people give them.

The second engine converts the most used units; :mod:`kernelbus.kernelhost.mathics.library.
quantities` asks this module for the others, and for units that are written as text. Nothing of
Mathics3 is here: units are products of names with exponents.

Sizes are those of the SI brochure (9th edition) and of NIST Special Publication 811.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

__all__ = ["DIMENSIONS", "Measure", "base_units", "measure", "parse", "simpler"]

#: The base units, with the dimension of each.
DIMENSIONS: Final = {
    "Meters": "LengthUnit", "Kilograms": "MassUnit", "Seconds": "TimeUnit", "Amperes": "ElectricCurrentUnit", "Kelvins": "TemperatureUnit",
    "Moles": "AmountUnit", "Candelas": "LuminousIntensityUnit", "Radians": "AngleUnit", "Steradians": "SolidAngleUnit",
    "Bits": "InformationUnit", "People": "PersonUnit", "USDollars": "MoneyUnit", "Euros": "EuroUnit",
}  # fmt: skip

#: A unit as a product: names and exponents.
Product = dict[str, Fraction]


@dataclass(frozen=True)
class Measure:
    """Hold how much a unit is.

    Attributes:
        size: how many of the product of base units it is, but for ``pi``.
        pi: the power of pi in its size.
        dimensions: the base units, with their exponents; none is zero.
    """

    size: Fraction
    pi: int
    dimensions: tuple[tuple[str, Fraction], ...]


#: Units by the text of others: ``number unit^exponent ...``; ``pi`` is a number too.
_DEFINED: Final = """
Grams 1/1000 Kilograms
Inches 254/10000 Meters|Feet 3048/10000 Meters|Yards 9144/10000 Meters|Miles 1609344/1000 Meters|NauticalMiles 1852 Meters
Mils 1/1000 Inches|Fathoms 6 Feet|Furlongs 660 Feet|Chains 66 Feet|Rods 33/2 Feet|Leagues 3 Miles|Angstroms 1/10000000000 Meters
LightYears 9460730472580800 Meters|AstronomicalUnit 149597870700 Meters|Parsecs 648000 pi^-1 AstronomicalUnit|Microns 1/1000000 Meters
Minutes 60 Seconds|Hours 3600 Seconds|Days 86400 Seconds|Weeks 7 Days|Fortnights 14 Days|Years 365 Days|Decades 10 Years
Centuries 100 Years|Months 1/12 Years
Pounds 45359237/100000000 Kilograms|Ounces 1/16 Pounds|Stones 14 Pounds|ShortTons 2000 Pounds|LongTons 2240 Pounds|Tons 2000 Pounds
MetricTons 1000 Kilograms|Carats 2/10000 Kilograms|TroyOunces 311034768/10000000000 Kilograms|Grains 6479891/100000000000 Kilograms
Newtons 1 Kilograms Meters Seconds^-2|Dynes 1/100000 Newtons|PoundsForce 44482216152605/10000000000000 Newtons
KilogramsForce 980665/100000 Newtons
Joules 1 Newtons Meters|Ergs 1/10000000 Joules|Calories 4184/1000 Joules|ThermochemicalCalories 4184/1000 Joules
BritishThermalUnits 105505585262/100000000 Joules|BritishThermalUnitsIT 105505585262/100000000 Joules
Electronvolts 1602176634/10000000000000000000000000000 Joules|ElectronVolts 1 Electronvolts
WattHours 3600 Joules|Therms 105505585262/1000 Joules
Watts 1 Joules Seconds^-1|Horsepower 550 Feet PoundsForce Seconds^-1|MetricHorsepower 73549875/100000 Watts
Pascals 1 Newtons Meters^-2|Bars 100000 Pascals|Atmospheres 101325 Pascals|Torr 20265/152 Pascals
MillimetersOfMercury 133322387415/1000000000 Pascals|InchesOfMercury 338638640341/100000000 Pascals
PoundsForcePerSquareInch 1 PoundsForce Inches^-2|Hertz 1 Seconds^-1|Becquerels 1 Seconds^-1
Liters 1/1000 Meters^3|Gallons 231 Inches^3|Quarts 1/4 Gallons|Pints 1/8 Gallons|Cups 1/16 Gallons|FluidOunces 1/128 Gallons
Tablespoons 1/2 FluidOunces|Teaspoons 1/6 FluidOunces|Barrels 42 Gallons|OilBarrels 42 Gallons
Acres 43560 Feet^2|Hectares 10000 Meters^2|Ares 100 Meters^2|Barns 1/10000000000000000000000000000 Meters^2
Knots 1 NauticalMiles Hours^-1|SpeedOfLight 299792458 Meters Seconds^-1|StandardAccelerationOfGravity 980665/100000 Meters Seconds^-2
Coulombs 1 Amperes Seconds|Volts 1 Watts Amperes^-1|Ohms 1 Volts Amperes^-1|Farads 1 Coulombs Volts^-1|Webers 1 Volts Seconds
Henries 1 Webers Amperes^-1|Teslas 1 Webers Meters^-2|Gausses 1/10000 Teslas|Siemens 1 Ohms^-1
Lumens 1 Candelas Steradians|Lux 1 Lumens Meters^-2|Grays 1 Joules Kilograms^-1|Sieverts 1 Joules Kilograms^-1|Katals 1 Moles Seconds^-1
AngularDegrees 1/180 pi Radians|ArcMinutes 1/60 AngularDegrees|ArcSeconds 1/3600 AngularDegrees|Gradians 1/200 pi Radians
Revolutions 2 pi Radians|Turns 2 pi Radians
Bytes 8 Bits|Nibbles 4 Bits|Kibibytes 1024 Bytes|Mebibytes 1048576 Bytes|Gibibytes 1073741824 Bytes|Tebibytes 1099511627776 Bytes
Percent 1/100|Dozens 12|Dozen 12|DimensionlessUnit 1|PartsPerMillion 1/1000000
RankinesDifference 5/9 Kelvins|KelvinsDifference 1 Kelvins|DegreesCelsiusDifference 1 Kelvins|DegreesFahrenheitDifference 5/9 Kelvins
PlanckConstant 662607015/1000000000000000000000000000000000000000000 Joules Seconds
ElementaryCharge 1602176634/10000000000000000000000000000 Coulombs
BoltzmannConstant 1380649/100000000000000000000000000000 Joules Kelvins^-1|AvogadroConstant 602214076000000000000000 Moles^-1
USCents 1/100 USDollars|RevolutionsPerMinute 2 pi Radians Minutes^-1
"""

_PREFIXES: Final = {
    "Quecto": -30, "Ronto": -27, "Yocto": -24, "Zepto": -21, "Atto": -18, "Femto": -15, "Pico": -12, "Nano": -9, "Micro": -6, "Milli": -3,
    "Centi": -2, "Deci": -1, "Deca": 1, "Hecto": 2, "Kilo": 3, "Mega": 6, "Giga": 9, "Tera": 12, "Peta": 15, "Exa": 18, "Zetta": 21,
    "Yotta": 24, "Ronna": 27, "Quetta": 30,
}  # fmt: skip
_PREFIXED: Final = (
    "Meters", "Grams", "Seconds", "Amperes", "Kelvins", "Moles", "Candelas", "Radians", "Bits", "Bytes", "Newtons", "Joules", "Watts",
    "Pascals", "Bars", "Hertz", "Liters", "Coulombs", "Volts", "Ohms", "Farads", "Webers", "Henries", "Teslas", "Siemens", "Lumens",
    "Grays", "Sieverts", "Becquerels", "Katals", "Calories", "Electronvolts", "WattHours", "Parsecs", "Tons", "ThermochemicalCalories",
)  # fmt: skip
_SYMBOL_PREFIXES: Final = {
    "f": "Femto", "p": "Pico", "n": "Nano", "u": "Micro", "µ": "Micro", "μ": "Micro", "m": "Milli", "c": "Centi", "d": "Deci", "h": "Hecto",
    "k": "Kilo", "M": "Mega", "G": "Giga", "T": "Tera", "P": "Peta", "E": "Exa",
}  # fmt: skip
_SYMBOLS: Final = {
    "m": "Meters", "g": "Grams", "s": "Seconds", "A": "Amperes", "K": "Kelvins", "mol": "Moles", "cd": "Candelas", "rad": "Radians",
    "sr": "Steradians", "N": "Newtons", "J": "Joules", "W": "Watts", "Pa": "Pascals", "bar": "Bars", "Hz": "Hertz", "L": "Liters",
    "l": "Liters", "C": "Coulombs", "V": "Volts", "ohm": "Ohms", "Ω": "Ohms", "F": "Farads", "Wb": "Webers", "H": "Henries", "T": "Teslas",
    "S": "Siemens", "lm": "Lumens", "Gy": "Grays", "Sv": "Sieverts", "Bq": "Becquerels", "cal": "ThermochemicalCalories",
    "eV": "Electronvolts", "Wh": "WattHours", "B": "Bytes", "pc": "Parsecs", "bit": "Bits",
}  # fmt: skip
_WORDS: Final = {
    "ft": "Feet", "foot": "Feet", "in": "Inches", "inch": "Inches", "yd": "Yards", "mi": "Miles", "nmi": "NauticalMiles",
    "ly": "LightYears",
    "au": "AstronomicalUnit", "AU": "AstronomicalUnit", "min": "Minutes", "h": "Hours", "hr": "Hours", "hrs": "Hours", "d": "Days",
    "wk": "Weeks", "mo": "Months", "yr": "Years", "sec": "Seconds", "secs": "Seconds", "mins": "Minutes", "century": "Centuries",
    "lb": "Pounds", "lbs": "Pounds", "oz": "Ounces", "t": "MetricTons", "tonne": "MetricTons", "tonnes": "MetricTons", "lbf": "PoundsForce",
    "Btu": "BritishThermalUnits", "BTU": "BritishThermalUnits", "hp": "Horsepower", "atm": "Atmospheres", "torr": "Torr",
    "mmHg": "MillimetersOfMercury", "psi": "PoundsForcePerSquareInch", "gal": "Gallons", "qt": "Quarts", "pt": "Pints", "tsp": "Teaspoons",
    "tbsp": "Tablespoons", "acre": "Acres", "ha": "Hectares", "kn": "Knots", "deg": "AngularDegrees", "degree": "AngularDegrees",
    "degrees": "AngularDegrees", "°": "AngularDegrees", "arcmin": "ArcMinutes", "arcsec": "ArcSeconds", "rev": "Revolutions",
    "rpm": "RevolutionsPerMinute", "%": "Percent", "percent": "Percent", "ppm": "PartsPerMillion", "°C": "DegreesCelsius",
    "degC": "DegreesCelsius", "°F": "DegreesFahrenheit", "degF": "DegreesFahrenheit", "celsius": "DegreesCelsius",
    "fahrenheit": "DegreesFahrenheit", "kelvin": "Kelvins", "USD": "USDollars", "$": "USDollars", "dollar": "USDollars",
    "dollars": "USDollars", "EUR": "Euros", "€": "Euros", "euro": "Euros", "person": "People", "people": "People", "lux": "Lux",
    "henry": "Henries", "hertz": "Hertz", "siemens": "Siemens", "gauss": "Gausses", "KiB": "Kibibytes", "MiB": "Mebibytes",
    "GiB": "Gibibytes", "TiB": "Tebibytes", "metre": "Meters", "metres": "Meters", "litre": "Liters", "litres": "Liters",
    "micron": "Microns",
}  # fmt: skip
#: Units that are several.
_COMPOUND: Final = {
    "mph": "Miles/Hours", "kph": "Kilometers/Hours", "kmh": "Kilometers/Hours", "fps": "Feet/Seconds", "mpg": "Miles/Gallons",
}  # fmt: skip


def _table() -> dict[str, Measure]:
    table = {name: Measure(Fraction(1), 0, ((name, Fraction(1)),)) for name in DIMENSIONS}

    def prefix(name: str) -> None:
        unit = table[name]
        for word, power in _PREFIXES.items():
            table.setdefault(word + name[0].lower() + name[1:], Measure(unit.size * Fraction(10) ** power, unit.pi, unit.dimensions))

    for entry in _DEFINED.replace("\n", "|").split("|"):
        if not entry:
            continue
        name, *factors = entry.split()
        found: Measure | None = Measure(Fraction(1), 0, ())
        for factor in factors:
            word, _, exponent = factor.partition("^")
            power = int(exponent or 1)
            if word[0].isdigit():
                part: Measure = Measure(Fraction(word), 0, ())
            else:
                part = Measure(Fraction(1), 1, ()) if word == "pi" else table[word]
            assert found is not None
            found = _times(found, part, Fraction(power))
        assert found is not None, name
        table[name] = found
        if name in _PREFIXED:
            prefix(name)
    for name in _PREFIXED:
        prefix(name)
    return table


def _times(one: Measure, other: Measure, power: Fraction) -> Measure | None:
    """Return a unit times a power of another; None if its size is no rational number then."""
    if power.denominator == 1:
        size, pi = other.size ** int(power), other.pi * int(power)
    elif other.size == 1 and not other.pi:
        size, pi = Fraction(1), 0
    else:
        return None
    dimensions = dict(one.dimensions)
    for name, exponent in other.dimensions:
        dimensions[name] = dimensions.get(name, Fraction(0)) + exponent * power
    return Measure(one.size * size, one.pi + pi, tuple(sorted((name, exponent) for name, exponent in dimensions.items() if exponent)))


_TABLE: Final = _table()


def measure(unit: Product) -> Measure | None:
    """Return how much a unit is, None if a name in it is not known."""
    found: Measure | None = Measure(Fraction(1), 0, ())
    for name, power in unit.items():
        other = _TABLE.get(name)
        if other is None or found is None:
            return None
        found = _times(found, other, power)
    return found


def base_units(unit: Product) -> Product | None:
    """Return the product of base units that a unit is a multiple of, None if it is not known."""
    found = measure(unit)
    return None if found is None else dict(found.dimensions)


#: Units that :func:`simpler` gives, the first that fits.
_SIMPLE: Final = (
    "Newtons", "Joules", "Watts", "Pascals", "Volts", "Ohms", "Farads", "Coulombs", "Webers", "Teslas", "Henries", "Siemens", "Hertz",
    "Lux", "Lumens", "Katals",
)  # fmt: skip


def simpler(unit: Product) -> tuple[Product, Fraction] | None:
    """Return a single unit with the dimensions of a product, and how many of it the product is."""
    found = measure(unit)
    if found is None or found.pi:
        return None
    if len(unit) > 1 or any(power != 1 for power in unit.values()):
        if not found.dimensions:
            return {}, found.size
        for name in (*DIMENSIONS, *_SIMPLE):
            other = _TABLE[name]
            if other.dimensions == found.dimensions and not other.pi:
                return {name: Fraction(1)}, found.size / other.size
    return None


_LOWER: Final = {name.lower(): name for name in _TABLE} | {
    name.removesuffix("s").lower(): name for name in _TABLE if name.endswith("s") and name not in ("Siemens",)
}
_SPELLED: Final = tuple((re.compile(words), sign) for words, sign in (
    (r"\bper\b", "/"), (r"\bsquare\s+(\w+)", r"\1^2"), (r"\bcubic\s+(\w+)", r"\1^3"), (r"\bsquared\b|²", "^2"), (r"\bcubed\b|³", "^3"),
))  # fmt: skip
_TOKEN: Final = re.compile(r"\s*(?:(?P<name>[^\W\d_]+|[°%$€][CF]?)|(?P<number>-?\d+)|(?P<sign>[*/^()·.-]))")


def _named(word: str) -> Product | None:
    if word in _COMPOUND:
        over, under = _COMPOUND[word].split("/")
        return {over: Fraction(1), under: Fraction(-1)}
    if word in _TABLE:
        return {word: Fraction(1)}
    name = _SYMBOLS.get(word) or _WORDS.get(word)
    if name is None and len(word) > 1 and word[0] in _SYMBOL_PREFIXES:
        base = _SYMBOLS.get(word[1:])
        if base is not None and base in _PREFIXED:
            name = _SYMBOL_PREFIXES[word[0]] + base[0].lower() + base[1:]
    if name is None:
        name = _LOWER.get(word.lower())
    return None if name is None else {name: Fraction(1)}


def parse(text: str) -> Product | None:
    """Return the unit that a text says, as ``km/h``, ``kg m/s^2``, ``meters per second``.

    None: it says none that is known. A text that has spaces may be the name of one unit.
    """
    whole = _named("".join(text.split()))
    if whole is not None:
        return whole
    for words, sign_ in _SPELLED:
        text = words.sub(sign_, text)
    found: Product = {}
    sign, at = 1, 0
    last: Product | None = None
    while at < len(text.rstrip()):
        token = _TOKEN.match(text, at)
        if token is None:
            return None
        at = token.end()
        if token["name"]:
            unit = _named(token["name"])
            if unit is None:
                return None
            last = {name: power * sign for name, power in unit.items()}
            _add(found, last)
        elif token["number"]:
            return None
        elif token["sign"] == "/":
            sign = -1
        elif token["sign"] == "^":
            power = re.compile(r"\s*\(?(-?\d+)\)?").match(text, at)
            if power is None or last is None:
                return None
            at = power.end()
            # One is there already.
            _add(found, {name: each * (int(power[1]) - 1) for name, each in last.items()})
        elif token["sign"] not in "*·.-":
            return None
    return {name: power for name, power in found.items() if power} or None


def _add(unit: Product, more: Product) -> None:
    for name, power in more.items():
        unit[name] = unit.get(name, Fraction(0)) + power
