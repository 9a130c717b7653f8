"""Concepts: which codes mean the same, and the short lists that the merge rules consult.

Truth: an exact code in a canonical code system; then equivalences that somebody supplied (`gateway.merge.maps`), then
what a terminology server translated. Nothing else: a broader or narrower concept is another one, which may be shown
beside it. A code of a system that is not named by a URI or a listed alias (HL7 v2 "L", "99LAB") means something only
to its sender: unmapped, never merged, cannot tell.

Equivalence is not followed along chains. A code stands for itself and for what it is itself said to be equivalent to;
so two codes are the same when they are said to be, or through one third code that both are said to be equivalent to
(two laboratories' codes and the SNOMED CT code of both). Each further step would join what nobody has compared, and
two codes of one code system would be joined through a third although that system tells them apart.

The lists are data (`terminology.toml`), versioned and replaceable: a deployment's clinical safety officer owns them.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct, ValidationError, convert, structs

from gateway.merge.lists import SeriesList, Units, UnitsFile, delivered_series, delivered_units
from gateway.merge.maps import Code as Code
from gateway.merge.maps import ConceptMap, Line, Relation, Said, read_maps, settled
from schema.model.values import CodeableConcept, Coding

_NONE: frozenset[Code] = frozenset()
_THREE_AND_MORE = re.compile(r"([A-Z][0-9]{2})\.?([0-9A-Z]*)")


class Product(Struct, frozen=True, kw_only=True):
    """A medicinal product as a drug dictionary such as dm+d knows it."""

    code: str
    level: str
    """dm+d level: VTM, VMP, AMP, VMPP or AMPP."""
    name: str
    ingredient: str | None = None
    """What it holds: products of one ingredient can disagree with each other."""
    strength: str | None = None
    form: str | None = None
    route: str | None = None
    brand: str | None = None
    brand_critical: bool = False


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How near two statements must be. Positive whole numbers, the unit in the name."""

    episode_days: Annotated[int, Meta(ge=1)]
    course_days: Annotated[int, Meta(ge=1)]
    vaccine_days: Annotated[int, Meta(ge=1)]
    contact_minutes: Annotated[int, Meta(ge=1)]
    proposed_minutes: Annotated[int, Meta(ge=1)]


class Terminology(Struct, frozen=True, kw_only=True):
    """What the merge knows about codes. Immutable; `extended` gives a larger one."""

    version: str
    limits: Limits
    canonical: Mapping[str, str]
    """Code system names as sources write them -> the canonical URI."""
    retired: frozenset[str]
    """Canonical URIs of code systems that are no longer maintained."""
    delivered: tuple[Said, ...]
    """Equivalences of the terminology file itself."""
    dotted: frozenset[str]
    """Canonical URIs of code systems whose codes are written with or without dot and filling X: E119, I10X."""
    equivalent: Mapping[Code, frozenset[Code]]
    """Code -> the codes that are said to be equivalent to it."""
    near: Mapping[Code, frozenset[Code]]
    """Code -> the codes that are supplied as broader or narrower: grouped on screen, never merged."""
    nowhere: frozenset[tuple[Code, str]] = frozenset()
    """(code, code system in which a map says that it has no counterpart)."""
    known: frozenset[Code] = _NONE
    """Every code of which a map says anything."""
    maps: tuple[ConceptMap, ...] = ()
    """What a deployment has supplied."""
    contradictions: tuple[str, ...] = ()
    """Lines of maps that contradict each other, in words: nothing is the same by them."""
    long_term: frozenset[Code]
    family_history: frozenset[Code]
    nil_known: Mapping[Code, str]
    """Codes that state that there is no allergy -> of which kind: all, medication, food, environment."""
    drug_allergens: frozenset[Code]
    allergen_classes: Mapping[Code, frozenset[str]]
    """Allergen -> the classes it is a member of."""
    allergen_class_codes: Mapping[Code, str]
    """The code of a class itself -> the class."""
    sides: Mapping[Code, str]
    products: Mapping[Code, Product]
    brand_critical_words: tuple[str, ...]
    high_risk_words: tuple[str, ...]
    """Medicines whose absence or difference somewhere is named first."""
    frequencies: Mapping[str, str]
    """Words for how often -> one spelling of it."""
    units: Units
    """Which units are the same."""
    series: SeriesList
    """Which codes are on one line of measurements."""
    orders_join_courses: bool = False
    """Whether an order (REQUEST) may be the same thing as a course (STATEMENT), or is only linked with it."""

    def concept(self, coding: Coding) -> Code | None:
        """The canonical code, or None when its system is not known to others than the sender."""
        system, code = coding.system, (coding.code or "").strip()
        if not system or not code:
            return None
        canonical = self.canonical.get(system) or self.canonical.get(system.rstrip("/"))
        if canonical is None:
            if ":" not in system:
                return None
            canonical = system.rstrip("/")
        return (canonical, _dotted(code) if canonical in self.dotted else code)

    def concepts(self, concept: CodeableConcept | None) -> frozenset[Code]:
        """Every canonical code that the source gave, and what is supplied as equivalent to them."""
        if concept is None or not concept.codings:
            return _NONE
        codes: list[Code] = []
        for coding in concept.codings:
            code = self.concept(coding)
            if code is not None:
                codes.append(code)
                if code in self.equivalent:
                    codes += self.equivalent[code]
        return frozenset(codes)

    def answers_to(self, concept: CodeableConcept | None) -> frozenset[Code]:
        """By which codes one may ask for it: its own, equivalent ones, and what is equivalent to one of those."""
        codes = self.concepts(concept)
        return codes.union(*(self.equivalent[code] for code in codes if code in self.equivalent))

    def is_asked_by(self, code: Code, text: str) -> bool:
        """Whether a canonical code is the one that somebody asks for in these words, its dot or filling X aside."""
        return text == code[1] or (code[0] in self.dotted and _dotted(text) == code[1])

    def nearby(self, codes: Iterable[Code]) -> frozenset[Code]:
        """Every code that is supplied as broader or narrower than one of these."""
        return _NONE.union(*(self.near[code] for code in codes if code in self.near)) if self.near else _NONE

    def code_systems(self, codes: Iterable[Code]) -> frozenset[str]:
        """In which code systems others can tell what these codes mean: none, and it is unmapped.

        Several codes of a retired system mean one thing, so such a code alone tells nobody what is not meant.
        """
        return frozenset(
            system for system, _ in codes if self.canonical.get(system) == system and system not in self.retired
        )

    def is_long_term(self, code: Code) -> bool:
        """Whether the condition lasts, so that its onset does not tell one from another."""
        return code in self.long_term

    def is_drug_allergen(self, code: Code) -> bool:
        """Whether it is a medicine, or an allergy to one."""
        return code in self.drug_allergens

    def product(self, code: Code) -> Product | None:
        """What the drug dictionary says about a product."""
        return self.products.get(code)

    def ingredient(self, code: Code) -> str | None:
        """What the product holds; None when not known, and then nothing is claimed."""
        product = self.products.get(code)
        return product.ingredient if product else None

    def brand_critical(self, code: Code) -> bool:
        """Whether two brands of this product must not be taken for each other."""
        product = self.products.get(code)
        return product is not None and product.brand_critical

    def extended(
        self,
        *,
        products: Iterable[Mapping[str, Any]] = (),
        concept_maps: Iterable[Mapping[str, Any] | ConceptMap] = (),
        orders_join_courses: bool | None = None,
        units: UnitsFile | None = None,
        series: SeriesList | None = None,
    ) -> "Terminology":
        """With what a deployment supplies: a drug dictionary, FHIR ConceptMap resources, units, lines of measurements.

        Raises MapError, ListError.
        """
        maps = list(self.maps)
        for given in concept_maps:
            maps += [given] if isinstance(given, ConceptMap) else read_maps(given, f"map {len(maps) + 1}")
        found = settled([*self.delivered, *(said for one in maps for said in self._said(one))])
        return structs.replace(
            self,
            version="+".join([self.version, *dict.fromkeys(added.version for added in (units, series) if added)]),
            units=self.units.with_file(units) if units else self.units,
            series=self.series.with_file(series) if series else self.series,
            products={**self.products, **dict(_product(self, row) for row in products)},
            equivalent={code: frozenset(others) for code, others in found.same.items()},
            near={code: frozenset(others) for code, others in found.near.items()},
            nowhere=found.nowhere,
            known=found.known,
            maps=tuple(maps),
            contradictions=found.contradictions,
            orders_join_courses=self.orders_join_courses if orders_join_courses is None else orders_join_courses,
        )

    def _said(self, one: ConceptMap) -> Iterable[Said]:
        origin = f"{one.name} {one.version}" if one.version else one.name
        for line in one.lines:
            if (code := self._canonical(*line.one)) and (target := self._canonical(line.system, line.other or "-")):
                yield Said(line.relation, line.word, code, target[0], target[1] if line.other else None, origin)

    def _canonical(self, system: str, code: str) -> Code | None:
        return self.concept(Coding(system=system, code=code))

    def translated(self, found: Mapping[Code, Iterable[Line]]) -> "Terminology":
        """With what a terminology server said of codes that no map knows, systems canonical. The maps outweigh it.

        A line that contradicts another one of the server's, or a map, is left out.
        """
        equivalent, near = dict(self.equivalent), dict(self.near)
        for one, lines in found.items():
            others = {relation: set[Code]() for relation in Relation}
            for line in lines:
                if line.other is not None:
                    others[line.relation].add((line.system, line.other))
            careful = others[Relation.NEAR] | others[Relation.APART]
            for other in others[Relation.SAME]:
                reached = self.equivalent.get(other, _NONE) | {other}
                if not (reached & careful or any((code, one[0]) in self.nowhere for code in reached)):
                    _join(equivalent, one, other)
            for other in others[Relation.NEAR] - others[Relation.APART]:
                _join(near, one, other)
        return structs.replace(self, equivalent=equivalent, near=near)


def _dotted(code: str) -> str:
    """An ICD-10 or OPCS-4 code as published: W37.1 for W371, and I10 for I10X, whose X only fills up four characters.

    Not ICD-10-CM, whose X stands for a place: it is another system.
    """
    found = _THREE_AND_MORE.fullmatch(code)
    if found is None:
        return code
    category, rest = found.groups()
    return category if rest in ("", "X") else f"{category}.{rest}"


def _join(graph: dict[Code, frozenset[Code]], one: Code, other: Code) -> None:
    graph[one] = graph.get(one, _NONE) | {other}
    graph[other] = graph.get(other, _NONE) | {one}


def read_terminology(text: str, name: str) -> Terminology:
    """Read the text of a terminology file. Raises ValueError when it is not TOML, or a key is missing or unknown."""
    try:
        return _built(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{name}: not TOML: {error}") from None
    except (KeyError, TypeError, AttributeError, ValidationError):
        raise ValueError(f"{name} is not a terminology file: compare it with the one delivered") from None


def load(path: Path) -> Terminology:
    """Read a terminology file. Raises ValueError as `read_terminology` does."""
    return read_terminology(path.read_text(encoding="utf-8"), path.name)


@cache
def delivered() -> Terminology:
    """The terminology that comes with Sherwood."""
    return load(Path(__file__).with_name("terminology.toml"))


def _built(table: dict[str, Any]) -> Terminology:
    systems: dict[str, dict[str, Any]] = table["system"]
    canonical = {alias: entry["uri"] for entry in systems.values() for alias in (entry["uri"], *entry["aliases"])}
    uri = {name: entry["uri"] for name, entry in systems.items()}

    dotted = frozenset(entry["uri"] for entry in systems.values() if entry.get("dotted"))

    def code(text: str) -> Code:
        name, _, value = text.partition(":")
        return (uri[name], _dotted(value) if uri[name] in dotted else value)

    def codes(names: Iterable[str]) -> frozenset[Code]:
        return frozenset(code(name) for name in names)

    allergens = table["allergy"]
    members: dict[Code, set[str]] = {}
    for name, group in allergens["class"].items():
        for member in codes(group["members"]):
            members.setdefault(member, set()).add(name)
    class_codes = {one: name for name, group in allergens["class"].items() for one in codes(group["codes"])}
    medicine = table["medication"]
    groups = [[code(name) for name in group] for group in table["equivalent"]["groups"]]
    delivered = tuple(
        Said(Relation.SAME, "equivalent", one, *other, f"terminology.toml {table['version']}")
        for group in groups
        for one, other in combinations(group, 2)
    )
    found = settled(delivered)
    return Terminology(
        version=table["version"],
        limits=convert(table["limits"], Limits),
        canonical=canonical,
        retired=frozenset(entry["uri"] for entry in systems.values() if entry.get("retired")),
        dotted=dotted,
        delivered=delivered,
        equivalent={one: frozenset(others) for one, others in found.same.items()},
        near={},
        known=found.known,
        long_term=codes(table["condition"]["long_term"]),
        family_history=codes(table["condition"]["family_history"]),
        nil_known={one: kind for kind, names in allergens["nil_known"].items() for one in codes(names)},
        drug_allergens=codes(allergens["drug"]) | frozenset(members) | frozenset(class_codes),
        allergen_classes={one: frozenset(names) for one, names in members.items()},
        allergen_class_codes=class_codes,
        sides={one: side for side, names in table["side"].items() for one in codes(names)},
        products={code(key): Product(code=code(key)[1], **row) for key, row in medicine["product"].items()},
        brand_critical_words=tuple(medicine["brand_critical_words"]),
        high_risk_words=tuple(medicine["high_risk_words"]),
        frequencies={words: name for name, spellings in medicine["frequency"].items() for words in spellings},
        orders_join_courses=medicine["orders_join_courses"],
        units=delivered_units(),
        series=delivered_series(),
    )


def _product(terms: Terminology, row: Mapping[str, Any]) -> tuple[Code, Product]:
    """A row of a dm+d extract: code, level, name, vtm, strength, form, route, brand, brandCritical."""
    system = terms.canonical["https://dmd.nhs.uk"]
    return (system, row["code"]), Product(
        code=row["code"],
        level=row["level"],
        name=row["name"],
        ingredient=row.get("vtmName") or row.get("vtm"),
        strength=row.get("strength"),
        form=row.get("form"),
        route=row.get("route"),
        brand=row.get("brand") or _brand(row),
        brand_critical=bool(row.get("brandCritical")),
    )


def _brand(row: Mapping[str, Any]) -> str | None:
    """An actual product (AMP) begins with its brand name, unless it goes by the name of what it holds."""
    if not str(row["level"]).startswith("AMP"):
        return None
    first = str(row["name"]).partition(" ")[0]
    generic = str(row.get("vtmName") or "").partition(" ")[0]
    return None if not first or first.casefold() == generic.casefold() else first
