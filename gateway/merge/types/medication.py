"""Medicines: courses, orders, supplies and doses given.

A course (STATEMENT) is the same when all hold: the same product at the same level of the dictionary (the same code),
strength, dose, route, form and intent; one business number, or starts within 60 days, both known to the day, or within
14 where one is called acute. A course whose stated end is before the other's start is another one: two short courses of
an antibiotic are not one, however near. Brand-critical medicines (insulin, lithium, antiepileptics, ciclosporin,
tacrolimus, modified release, patches) need the same brand, or to be one brand's product: where a brand is not known it
cannot be told. What a source leaves out says nothing. Active means authorised, not taken.

Never merged, shown as a conflict: any difference in those, and active with stopped. Products of one ingredient are in
conflict too when their courses run at the same time or start within 60 days; without a dictionary that says what a
product holds, nothing is claimed. A source that holds two such courses means both (1 mg and 3 mg tablets), so
conflicts are claimed only across sources, and not where both sources hold both.

Order, dispense and administration are linked, not merged: with the course or order of the same product or ingredient,
and by the order they fulfil. Orders and courses can be in conflict. Where a deployment says that orders join courses,
they may also be the same. Two orders, supplies or doses are the same only by a business identifier, with the same
product.
"""

from collections.abc import Callable, Hashable
from typing import Any

from msgspec import Struct

from gateway.merge.compare import (
    AGREE,
    DIFFER,
    UNKNOWN,
    UNSTATED,
    Answer,
    compare_concepts,
    compare_words,
    folded,
    same_codes,
    worst,
)
from gateway.merge.concepts import Code, Product, Terminology
from gateway.merge.identifiers import IdKey, id_keys
from gateway.merge.rule import ALIKE, APART, COMPARABLE, RELATED, Compared, Keys, Relation, Rule
from gateway.merge.times import day_number, start_of
from gateway.merge.units import amount_text, compare_amounts
from schema.model.clinical import Medication, MedicationKind
from schema.model.fact import Fact
from schema.model.values import CodeableConcept, Quantity
from schema.model.view import SourceFact

_AUTHORISED = (MedicationKind.STATEMENT, MedicationKind.REQUEST)
_RUNNING = frozenset({"active", "on-hold"})
_SAYS_HOW = frozenset({"brand", "form", "strength"})
_FOREVER = 10**9


class _Medicine(Struct, frozen=True, gc=False):
    fact: Medication
    codes: frozenset[Code]
    ingredients: frozenset[str]
    product: Product | None
    critical: bool
    brand: str | None
    numbers: frozenset[IdKey]
    start: int | None
    end: int | None
    """The last day as stated; it does not say that the course is over: an active one with a past end is stale."""
    span: tuple[int, int] | None
    """From the first to the last day it can run; None when neither is known."""

    @property
    def authorised(self) -> bool:
        return self.fact.kind in _AUTHORISED

    @property
    def sought(self) -> bool:
        """Looked for by what it holds: a course, or an order that runs. All else only finds those, so that a ward's
        thousand doses are compared with the order and not with each other."""
        return self.fact.kind is MedicationKind.STATEMENT or (self.authorised and _runs(self.fact))


class MedicationRule(Rule[_Medicine]):
    """See the module."""

    self_consistent = True

    def __init__(self, terms: Terminology) -> None:
        super().__init__(terms)
        self._critical: dict[Hashable, bool] = {}
        self.compared = (
            Compared("product", _product, lambda x: x.fact.code.label if x.fact.code else None, unless=_SAYS_HOW),
            Compared("brand", _brand, lambda x: x.brand),
            Compared("form", self._form, lambda x: _said(x, x.fact.form, "form")),
            Compared("strength", self._strength, lambda x: amount_text(x.fact.strength) or _known(x, "strength")),
            Compared("dose", self._dose, _dose_text),
            Compared("route", self._route, lambda x: _said(x, x.fact.route, "route")),
            Compared("intent", self._intent, lambda x: _intention(x.fact)),
            Compared("status", _status, lambda x: x.fact.status),
        )

    def look(self, stated: SourceFact[Any]) -> _Medicine:
        fact: Medication = stated.fact
        terms, codes = self.terms, self.codes(fact.code)
        product = self._product(codes)
        start, end = _days(fact)
        return _Medicine(
            fact=fact,
            codes=codes,
            ingredients=frozenset(name for code in codes if (name := terms.ingredient(code))),
            product=product,
            critical=self._is_critical(fact, codes),
            brand=fact.brand or (product.brand if product else None),
            numbers=id_keys(fact.identifiers),
            start=start,
            end=end,
            span=_span(fact, start, end, terms.limits.course_days),
        )

    def signature(self, fact: Medication) -> Hashable | None:
        """All that is compared, as stated, and the product's own words only as far as they make the brand count."""
        codes = self.codes(fact.code)
        return (
            codes,
            self._is_critical(fact, codes),
            fact.kind,
            fact.identifiers,
            fact.brand,
            fact.form,
            _exactly(fact.strength),
            fact.status,
            _intention(fact),
            fact.prescription_type,
            fact.dosage,
            _exactly(fact.dose),
            fact.frequency,
            fact.as_needed,
            fact.route,
            _days(fact),
            _runs(fact),
        )

    def _product(self, codes: frozenset[Code]) -> Product | None:
        return next((known for code in sorted(codes) if (known := self.terms.product(code))), None)

    def _is_critical(self, fact: Medication, codes: frozenset[Code]) -> bool:
        """Worked out once for each product as it is written: a ward's thousand doses share a few."""
        written = (fact.code, fact.form, fact.brand)
        known = self._critical.get(written)
        if known is None:
            by_code = any(self.terms.brand_critical(code) for code in codes)
            known = self._critical[written] = by_code or self._critical_by_words(fact, self._product(codes))
        return known

    def _critical_by_words(self, fact: Medication, product: Product | None) -> bool:
        words = [fact.brand, product.name if product else None, product.form if product else None]
        for concept in (fact.code, fact.form):
            if concept is not None:
                words += [concept.text, *(coding.display for coding in concept.codings)]
        spoken = " ".join(word.casefold() for word in words if word)
        return any(word in spoken for word in self.terms.brand_critical_words)

    def keys(self, seen: _Medicine) -> Keys:
        held: tuple[Hashable, ...] = (*seen.codes, *(("holds", name) for name in seen.ingredients))
        return Keys(active=(*seen.numbers, *held)) if seen.sought else Keys(active=seen.numbers, passive=held)

    def relation(self, a: _Medicine, b: _Medicine) -> Relation:
        one_product = same_codes(a.codes, b.codes)
        one_number = bool(a.numbers & b.numbers)
        if not (a.sought or b.sought):
            one_kind = a.fact.kind is b.fact.kind
            return _by_number(one_kind and one_product, one_number)
        if not (one_product or one_number or a.ingredients & b.ingredients):
            return RELATED if a.codes & b.codes else APART
        if not (a.authorised and b.authorised) or not (one_product or a.ingredients & b.ingredients):
            return RELATED
        if self._one_course(a, b, one_product, one_number):
            return COMPARABLE
        if self._start_together(a, b):
            return ALIKE
        if a.span is None or b.span is None:
            return RELATED
        together = a.span[0] <= b.span[1] and b.span[0] <= a.span[1]
        return ALIKE if together else APART

    def _one_course(self, a: _Medicine, b: _Medicine, one_product: bool, one_number: bool) -> bool:
        if not one_product:
            return False
        kinds = {a.fact.kind, b.fact.kind}
        if kinds == {MedicationKind.REQUEST}:
            return one_number
        if len(kinds) > 1 and not self.terms.orders_join_courses:
            return False
        return one_number or self._one_run(a, b)

    def _one_run(self, a: _Medicine, b: _Medicine) -> bool:
        if a.start is None or b.start is None or _over_before(a, b) or _over_before(b, a):
            return False
        limits = self.terms.limits
        acute = _is_acute(a.fact) or _is_acute(b.fact)
        return abs(a.start - b.start) <= (limits.episode_days if acute else limits.course_days)

    def _start_together(self, a: _Medicine, b: _Medicine) -> bool:
        if a.start is None or b.start is None:
            return False
        return abs(a.start - b.start) <= self.terms.limits.course_days

    def refers(self, fact: Fact) -> tuple[str, ...]:
        based_on = fact.based_on if isinstance(fact, Medication) else ()
        return (*fact.replaces, *based_on)

    def _form(self, a: _Medicine, b: _Medicine) -> Answer:
        return _attribute(a, b, "form", lambda x: x.fact.form, self.terms)

    def _route(self, a: _Medicine, b: _Medicine) -> Answer:
        return _attribute(a, b, "route", lambda x: x.fact.route, self.terms)

    def _intent(self, a: _Medicine, b: _Medicine) -> Answer:
        """Between an order and a course it counts only where the two may be the same."""
        if a.fact.kind is not b.fact.kind and not self.terms.orders_join_courses:
            return UNSTATED
        return compare_words(_intention(a.fact), _intention(b.fact))

    def _strength(self, a: _Medicine, b: _Medicine) -> Answer:
        answer = compare_amounts(a.fact.strength, b.fact.strength, self.terms.units, rounded=False)
        return compare_words(_known(a, "strength"), _known(b, "strength")) if answer is UNSTATED else answer

    def _dose(self, a: _Medicine, b: _Medicine) -> Answer:
        """The amount where both state it, and how often; else the instruction's words, which agree or cannot be
        compared."""
        amount = compare_amounts(a.fact.dose, b.fact.dose, self.terms.units, rounded=False)
        often = self._often(a.fact, b.fact)
        if DIFFER in (amount, often):
            return DIFFER
        words = compare_words(a.fact.dosage, b.fact.dosage, unequal=UNKNOWN)
        if amount is AGREE:
            return often if often is not UNSTATED else words
        if amount is UNSTATED and words is UNSTATED:
            # One gives an amount and the other only words, or one says nothing at all.
            nothing = not (a.fact.dose or a.fact.dosage) or not (b.fact.dose or b.fact.dosage)
            return often if nothing else UNKNOWN
        return words if amount is UNSTATED else UNKNOWN

    def _often(self, a: Medication, b: Medication) -> Answer:
        needed = UNSTATED
        if a.as_needed is not None and b.as_needed is not None and a.as_needed is not b.as_needed:
            needed = DIFFER
        first, second = folded(a.frequency), folded(b.frequency)
        if first is None or second is None:
            return needed
        one, other = self.terms.frequencies.get(first), self.terms.frequencies.get(second)
        known = one is not None and other is not None
        spelled = compare_words(one or first, other or second, unequal=DIFFER if known else UNKNOWN)
        return worst((needed, spelled))


def _by_number(one_product: bool, one_number: bool) -> Relation:
    """Supplies, doses and past orders: items of one prescription share its number, so the product counts too."""
    if one_number:
        return COMPARABLE if one_product else RELATED
    return APART


def _days(fact: Medication) -> tuple[int | None, int | None]:
    """The first and the last day as stated; an order without a first day begins when it was written."""
    start = start_of(fact.effective) or (fact.recorded if fact.kind is MedicationKind.REQUEST else None)
    return day_number(start), day_number(fact.effective.end) if fact.effective else None


def _exactly(amount: Quantity | None) -> Hashable:
    return None if amount is None else (str(amount.value), amount.comparator, amount.unit, amount.code, amount.system)


def _runs(fact: Medication) -> bool:
    """Authorised now, as far as is stated; taken or not."""
    if fact.status is not None and fact.status != "unknown":
        return fact.status in _RUNNING
    return fact.effective is None or fact.effective.end is None


def _over_before(a: _Medicine, b: _Medicine) -> bool:
    return a.end is not None and b.start is not None and a.end < b.start


def _is_acute(fact: Medication) -> bool:
    """Prescribed once, so that what begins weeks later was prescribed again (GP Connect's prescription type)."""
    return (folded(fact.prescription_type) or "").startswith("acute")


def _span(fact: Medication, start: int | None, end: int | None, usual_days: int) -> tuple[int, int] | None:
    if _runs(fact):
        end = _FOREVER
    elif end is None and start is not None:
        end = start + usual_days
    if end is None:
        return None
    return (start if start is not None else -_FOREVER, end)


def _product(a: _Medicine, b: _Medicine) -> Answer:
    return AGREE if same_codes(a.codes, b.codes) else DIFFER


def _brand(a: _Medicine, b: _Medicine) -> Answer:
    answer = compare_words(a.brand, b.brand)
    if answer is UNSTATED and (a.critical or b.critical):
        return UNKNOWN
    return answer


def _known(x: _Medicine, name: str) -> str | None:
    value: str | None = getattr(x.product, name) if x.product else None
    return value


def _said(x: _Medicine, stated: CodeableConcept | None, name: str) -> str | None:
    return (stated.label if stated else None) or _known(x, name)


def _attribute(
    a: _Medicine, b: _Medicine, name: str, stated: Callable[[_Medicine], CodeableConcept | None], terms: Terminology
) -> Answer:
    """As stated by both; where one leaves it out, as the dictionary has it for both products."""
    answer = compare_concepts(stated(a), stated(b), terms)
    return compare_words(_known(a, name), _known(b, name)) if answer is UNSTATED else answer


def _intention(fact: Medication) -> str | None:
    """A course that has been issued is an order, whatever its plan is called."""
    return "order" if fact.issues or fact.last_issued else fact.intent


def _status(a: _Medicine, b: _Medicine) -> Answer:
    """An order that is completed was carried out: it says nothing about the course. "Unknown" says nothing either."""
    return compare_words(_standing(a, b), _standing(b, a))


def _standing(x: _Medicine, beside: _Medicine) -> str | None:
    fulfilled = x.fact.kind is MedicationKind.REQUEST and x.fact.kind is not beside.fact.kind
    return None if x.fact.status == "unknown" or (fulfilled and x.fact.status == "completed") else x.fact.status


def _dose_text(x: _Medicine) -> str | None:
    return x.fact.dosage or " ".join(word for word in (amount_text(x.fact.dose), x.fact.frequency) if word) or None
